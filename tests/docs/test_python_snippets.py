"""The Python of docs/dspy-finetuning.md is executed, block after block as it stands there, on a tiny student."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from finetune.config import ScratchConfig
from finetune.provider import SFTJob
from finetune.scratch import make_student
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "dspy-finetuning.md").read_text(encoding="utf-8")
TRAIN, OPTIMIZE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUESTION = "Who waits?"


class Teacher:
    """Answers in DSPy's chat form."""

    def complete(self, request: Request) -> Response:
        text = "[[ ## answer ## ]]\nMira\n\n[[ ## completed ## ]]"
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the first block leaves behind, in a folder with a student where the page says that one is."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out" / "quickstart" / "student" / "tuned"
    make_student([QUESTION, "Mira."], ScratchConfig(vocabulary=300, hidden=16, layers=1, heads=2), 64, 1, folder)
    found: dict[str, Any] = {}
    exec(compile(TRAIN, "docs/dspy-finetuning.md", "exec"), found)
    return found


def test_a_student_is_tuned_and_a_program_gets_the_tuned_one(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(names["tuned"], dspy.LM)
    assert names["tuned"].model.endswith("/tuned")
    assert names["tuned"].model != names["lm"].model

    def finish(job: SFTJob, command: Sequence[str], log: Path, lock: int) -> int:
        (Path(command[-1]) / "result.json").touch()
        return 0

    monkeypatch.setattr(SFTJob, "run", finish)  # the block above trained for real
    student, teacher = (dspy.Predict("question -> answer") for _ in range(2))
    teacher.set_lm(dspy.LM("teacher/x", engine=Teacher(), cache=False))
    names |= {
        "student": student,
        "teacher": teacher,
        "trainset": [dspy.Example(question=QUESTION, answer="Mira").with_inputs("question")],
        "metric": lambda example, prediction, trace=None: prediction.answer == example.answer,
    }
    exec(compile(OPTIMIZE, "docs/dspy-finetuning.md", "exec"), names)
    tuned = names["student"].get_lm()
    assert tuned.model not in (names["lm"].model, names["tuned"].model)
    names["lm"].engine.close()
