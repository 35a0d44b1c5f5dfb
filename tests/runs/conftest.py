"""A small recipe that goes the whole road in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 5,
    "lms": {"teacher": {"model": "scripted/counsel"}},
    "plan": {"sessions": 12, "moments": [6, 7]},
    "train": {
        "scratch": {"vocabulary": 600, "hidden": 32, "layers": 1, "heads": 2},
        "batch_size": 8,
        "max_steps": 6,
        "checkpoint_steps": 3,
        "warmup_steps": 0,
        "learning_rate": 1.0e-3,
        "threads": 1,
    },
    "exam": {"emobench": None, "limit": 4, "max_tokens": 8},
}


@pytest.fixture(scope="session")
def tiny() -> str:
    """The tiny recipe as text."""
    return yaml.safe_dump(TINY)


@pytest.fixture
def tiny_recipe(tiny: str, tmp_path: Path) -> Path:
    """The tiny recipe as a file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny, encoding="utf-8")
    return path
