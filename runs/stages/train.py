"""Stage 4: the student — made or loaded, then tuned on the training items (student/base, student/tuned)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from corpus.errors import TrainingError
from corpus.records import ApplicationItem, UnderstandingItem
from finetune.config import SCRATCH, TrainConfig
from finetune.job import read_result, run_job, write_job
from finetune.launch import launch_command
from finetune.log import LOG, SHOWN, read_end
from finetune.machine import look
from finetune.rows import Row, make_rows
from finetune.scratch import make_student
from finetune.sft import OnStep
from finetune.warm_up import warm_up
from runs.folder import Run
from runs.items import read_file, read_items
from runs.progress import show_progress
from runs.written import read_sessions


@dataclass(frozen=True)
class Material:
    """What a student is trained on: items, their rows, and the rows whose loss is looked at."""

    items: list[UnderstandingItem | ApplicationItem]
    others: int
    rows: list[Row]
    validation: list[Row]


def train(run: Run, console: Console) -> dict[str, Any]:
    """Tune the student of the recipe.

    Raises:
        RunError: `curate` is not done.
        DataError: a file of `train.with_items` cannot be read.
        TrainingError: the base cannot be loaded, rows do not fit, or the machine lacks what is asked for.
    """
    config, seed, folder = run.recipe.train, run.recipe.seed, run.student_path
    material = gather_material(run)
    if config.base == SCRATCH and not base_path(run):
        with show_progress(console, "train") as update:
            _make_base(run, material.rows, _on_step(update, "warm-up steps"))
    write_job(folder, base_path(run) or config.base, config, seed, material.rows, material.validation)

    def say(line: str) -> None:
        console.print(f"train: {line}", style="dim", markup=False, highlight=False)

    if config.launch == "none":
        with show_progress(console, "train") as update:
            result = run_job(folder, _on_step(update, "steps"), say)
    else:
        _launch(folder, config, console)
        result = read_result(folder)
    return asdict(result) | {"items": len(material.items), "with_items": material.others}


def gather_material(run: Run) -> Material:
    """Render the training and the validation items of a run, and those of `train.with_items`."""
    run.require("curate")
    config, seed = run.recipe.train, run.recipe.seed
    others = [one.item for path in config.with_items for one in read_file(path) if one.split == "train"]
    items = [*read_items(run, "train"), *others]
    return Material(
        items,
        len(others),
        make_rows(items, config.formats, seed, config.rename),
        make_rows(list(read_items(run, "validation")), dict.fromkeys(config.formats, 1), seed),
    )


def base_path(run: Run) -> str | None:
    """Return the folder of a student made from scratch, or None when there is none (yet)."""
    folder = run.student_path / "base"
    return str(folder) if folder.is_dir() else None


def _make_base(run: Run, rows: Sequence[Row], on_step: OnStep) -> None:
    """Make the student from scratch, in one move: a kill leaves a whole base or none."""
    config, seed, folder = run.recipe.train, run.recipe.seed, run.student_path / "base"
    texts = (message["content"] for row in rows for message in chain(row["prompt"], row["completion"]))
    warms = config.scratch.warm_up_epochs > 0
    made = folder.with_name("random" if warms else "base")
    if not made.is_dir():
        partial = folder.with_name("base.partial")
        shutil.rmtree(partial, ignore_errors=True)
        make_student(texts, config.scratch, config.max_length, seed, partial)
        partial.rename(made)
    if warms:
        warm_up(made, session_texts(run), config, seed, folder, on_step)
        shutil.rmtree(made)


def session_texts(run: Run) -> list[str]:
    """The sessions that training items came from, as plain text; held-out sessions stay unseen."""
    own = {item.session for item in read_items(run, "train")}
    return [
        "\n".join((session.background, *(turn.text for turn in session.turns)))
        for session in read_sessions(run)
        if session.id in own
    ]


def _on_step(update: Any, what: str) -> OnStep:
    def on_step(step: int, steps: int, values: dict[str, float]) -> None:
        shown = [f"loss {values['loss']:.3f}"] if "loss" in values else []
        update(step, steps, ", ".join([what, *shown, f"{values['tokens_per_second']:,.0f} tokens/s"]))

    return on_step


def _launch(folder: Path, config: TrainConfig, console: Console) -> None:
    """Train in several processes; their output is shown, and kept in ``log.txt``."""
    command = launch_command(folder, config, look())
    console.print(" ".join(command), style="dim", markup=False, highlight=False, soft_wrap=True)
    file = folder / LOG
    with (
        file.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=os.environ
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            console.print(line.rstrip(), style="dim", markup=False, highlight=False)
    if process.returncode:
        said = " | ".join(read_end(file, SHOWN))
        raise TrainingError(f"the launched training ended with status {process.returncode}: {said}; see {file}")
