"""What a training would be, without training: rows, settings with their reasons, memory, and how to launch it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from corpus.errors import RunError
from finetune.config import SCRATCH
from finetune.launch import launch_command
from finetune.machine import look
from finetune.memory import check_memory, estimate, size_of
from finetune.plan import make_plan
from runs.folder import Run
from runs.stages.train import base_path, gather_material


def describe_training(run: Run) -> Iterator[str]:
    """Yield lines about the training of a run; nothing is written.

    Raises:
        TrainingError: the base is not there, or the machine lacks what the recipe asks for.
    """
    config = run.recipe.train
    try:
        material = gather_material(run)
        seen, looked_at = len(material.rows), len(material.validation)
        yield f"{len(material.items):,} items in {seen:,} rows, {looked_at:,} more to look at the loss on"
    except RunError as error:
        yield f"items are not there yet ({error})"
    base = base_path(run) or config.base
    machine = look()
    size = None if base == SCRATCH else size_of(base)
    plan = make_plan(config, machine, size)
    yield from plan.reasons
    if size is None:
        yield "the student is made from scratch when it is trained; its memory is not worth an estimate"
    else:
        needed = estimate(config, plan, size)
        yield f"memory: {needed}"
        check_memory(needed, machine)
    yield f"one process: python -m finetune {shlex.quote(str(run.student_path))}"
    if config.launch != "none":
        yield f"launch: {shlex.join(launch_command(run.student_path, config, machine))}"
