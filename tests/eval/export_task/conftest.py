"""Exported tasks, and the answers of a model that is right, wrong, or hard to read in turns."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from types import ModuleType

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.exam import Exam, keys_of
from eval.export_task.write import export_task
from signatures.formats import LETTERS


@pytest.fixture(scope="session")
def lm_eval_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm-eval")
    export_task("lm-eval", folder)
    return folder


@pytest.fixture(scope="session")
def inspect_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect")
    export_task("inspect", folder)
    return folder


@pytest.fixture(scope="session")
def exported(lm_eval_dir: Path) -> ModuleType:
    """The exported functions, loaded as lm-evaluation-harness does: not registered as a module."""
    spec = importlib.util.spec_from_file_location("exported_utils", lm_eval_dir / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def answers(items: list[UnderstandingItem | ApplicationItem]) -> dict[str, str]:
    """Prompt → answer: the bare letter, the letter with a mark, a wrong letter, no answer; of each task the same."""
    exam, said = Exam("generate", "letter"), dict[str, str]()
    for item, manner in zip(items, itertools.cycle(("letter", "marked", "wrong", "mute")), strict=False):
        fields = ("answer_q1", "answer_q2") if isinstance(item, UnderstandingItem) else ("answer",)
        picks = [LETTERS[key] for key in keys_of(item)]
        if manner == "marked":
            picks = [f"{letter}) because" for letter in picks]
        if manner == "wrong":  # EU: the emotion is right, the cause is not
            picks[-1] = LETTERS[(keys_of(item)[-1] + 1) % 4]
        prompt = exam.show(item)[0]["content"]
        said[prompt] = "I cannot tell." if manner == "mute" else json.dumps(dict(zip(fields, picks, strict=True)))
    return said
