"""Useful tokens a second and peak memory: the default preset against the paper's recipe, same model, same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Row, least, most
from benchmarks.training_material import train_apart
from finetune.config import TrainConfig
from runs.stages.train import Material

ROWS = 160
METHOD = {"method": "lora"}  # each side with its preset's adapter; four bits need a GPU, so both go without


def measure(material: Material, base: Path, root: Path) -> Iterator[Row]:
    """Yield the rows; one pass over the same rows on each side, in processes of their own."""
    rows = material.rows[:ROWS]
    named = {"base": str(base), **METHOD, "formats": {"open": 1}, "max_length": 1024, "epochs": 1}
    paper = train_apart(root / "paper", base, TrainConfig.model_validate({**named, "preset": "paper"}), rows, [])
    ours = train_apart(root / "default", base, TrainConfig.model_validate(named), rows, [])
    assert paper.tokens == ours.tokens
    yield least(
        "useful tokens a second, against the paper's recipe",
        ours.tokens_per_second / paper.tokens_per_second,
        "times",
        5,
    )
    yield most("peak memory, against the paper's recipe", ours.peak_memory / paper.peak_memory, "times", 1, 3)
