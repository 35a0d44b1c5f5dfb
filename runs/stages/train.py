"""Stage 3: the student — made or loaded, then tuned on the training items (student/base, student/tuned)."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from itertools import chain
from typing import Any

from rich.console import Console

from finetune.config import SCRATCH
from finetune.rows import make_rows
from finetune.scratch import make_student
from finetune.sft import train_student
from runs.folder import Run
from runs.items import read_file, read_items
from runs.progress import show_progress


def train(run: Run, console: Console) -> dict[str, Any]:
    """Tune the student of the recipe.

    Raises:
        RunError: `curate` is not done.
        DataError: a file of `train.with_items` cannot be read.
        TrainingError: the base cannot be loaded, or rows do not fit.
    """
    run.require("curate")
    config, seed = run.recipe.train, run.recipe.seed
    others = [one.item for path in config.with_items for one in read_file(path) if one.split == "train"]
    items = [*read_items(run, "train"), *others]
    rows = make_rows(items, config.formats, seed, config.rename)
    validation = make_rows(list(read_items(run, "validation")), dict.fromkeys(config.formats, 1), seed)
    if config.base == SCRATCH and not base_path(run):
        texts = (message["content"] for row in rows for message in chain(row["prompt"], row["completion"]))
        folder = run.student_path / "base"
        partial = folder.with_name("base.partial")
        shutil.rmtree(partial, ignore_errors=True)
        make_student(texts, config.scratch, config.max_length, seed, partial)
        partial.rename(folder)
    _print_sample(console, rows[0])
    with show_progress(console, "train") as update:
        result = train_student(
            base_path(run) or config.base,
            rows,
            validation,
            config,
            seed,
            run.student_path / "checkpoints",
            run.student_path / "tuned",
            on_step=lambda step, steps, logs: update(
                step, steps, "steps" + (f", loss {logs['loss']:.3f}" if "loss" in logs else "")
            ),
        )
    shutil.rmtree(run.student_path / "checkpoints", ignore_errors=True)
    return asdict(result) | {"items": len(items), "with_items": len(others)}


def base_path(run: Run) -> str | None:
    """Return the folder of a student made from scratch, or None when there is none (yet)."""
    folder = run.student_path / "base"
    return str(folder) if folder.is_dir() else None


def _print_sample(console: Console, row: dict[str, list[dict[str, str]]]) -> None:
    console.print("train: one row as the student sees it; it learns the second part only", style="dim")
    console.print(row["prompt"][-1]["content"], style="dim", markup=False, highlight=False)
    console.print("→ " + row["completion"][0]["content"], style="dim", markup=False, highlight=False)
