"""Small compilations: a teacher with gross mistakes, concise sessions, a handful of cases."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from corpus.jsonl import write_jsonl
from optimizers.config import Kind
from runs.compiling.compile import compile_program
from runs.compiling.order import Order
from runs.folder import Run, read_run
from runs.recipe import Recipe, load_recipe
from tests.review.conftest import make_ea, make_eu, write_run

SMALL: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "lms": {
        "teacher": {
            "model": "scripted/counsel",
            "mistakes": {"names_emotion": 0.5, "absurd_distractor": 0.3, "names_feeling": 0.5, "breaks_format": 0.05},
        },
        "reflection": {"model": "scripted/counsel", "mistakes": {}},
    },
    "plan": {"method": "concise"},
    "compile": {"optimizer": "bootstrap", "train": 8, "dev": 6, "final": 10, "metric_calls": 40},
}
Load = Callable[..., Recipe]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe as a file."""
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def load(small: Path) -> Load:
    """``load(*overrides)``: the small recipe."""
    return lambda *overrides: load_recipe(small, list(overrides))


@pytest.fixture(scope="session")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A curated run with 20 training, 14 validation, and 6 held-out items, made by hand."""
    splits = ("train",) * 10 + ("validation",) * 7 + ("heldout",) * 3
    made = [(make(number), split) for number, split in enumerate(splits) for make in (make_eu, make_ea)]
    folder = tmp_path_factory.mktemp("run") / "run"
    run = write_run(folder, [item for item, _ in made])
    rows = (item.model_dump(mode="json", by_alias=True) | {"split": split} for item, split in made)
    write_jsonl(run.items_path, rows)
    return read_run(folder)


@pytest.fixture(scope="session")
def made(load: Load, curated: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``made(kind, *overrides)``: the folder of a small compilation, made once, in a root of its own."""
    known: dict[tuple[str, ...], Path] = {}

    def make(kind: Kind, *overrides: str) -> Path:
        key = (kind, *overrides)
        if key not in known:
            root = tmp_path_factory.mktemp("programs")
            known[key], _ = compile_quietly(
                Order(load(*overrides), kind, root, run=curated if kind == "exam" else None)
            )
        return known[key]

    return make


def compile_quietly(order: Order) -> tuple[Path, str]:
    """Compile; return the folder and what was printed."""
    console = Console(file=StringIO(), width=300)
    folder = compile_program(order, console)
    assert isinstance(console.file, StringIO)
    return folder, console.file.getvalue()


def count_lines(path: Path) -> int:
    """Lines of a file, 0 if there is none."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
