"""A training as a folder: what is to be trained, what was trained, and everything between.

    job.json  rows.jsonl  validation.jsonl     what is asked
    checkpoints/                               gone once it is done
    adapter/                                   of the methods lora and qlora
    tuned/                                     the student, a plain model folder
    result.json                                written last

The same folder is trained in this process (`run_job`), in one of its own (``python -m finetune FOLDER``), or in
several by `accelerate launch`.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Machine, look
from finetune.memory import check_memory, estimate, size_of
from finetune.merge import merge_adapter, save_whole
from finetune.plan import Plan, make_plan
from finetune.rows import Row
from finetune.sft import OnStep, TrainResult, Tuned, tune
from finetune.templates import describe_template
from finetune.tokens import Encoded, count_tokens, encode_rows, end_tokens, keep_fitting, show_masked

Say = Callable[[str], None]
TUNED, ADAPTER, CHECKPOINTS = "tuned", "adapter", "checkpoints"


class Job(BaseModel):
    """What ``job.json`` holds."""

    model_config = ConfigDict(extra="forbid")
    base: str = Field(description="a model folder or hub id")
    seed: int
    config: TrainConfig


def write_job(
    folder: Path, base: str, config: TrainConfig, seed: int, train: Sequence[Row], validation: Sequence[Row]
) -> None:
    """Write what is to be trained; a folder with checkpoints must be given the same training again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("rows.jsonl", train), ("validation.jsonl", validation)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    job = Job(base=base, seed=seed, config=config)
    (folder / "job.json").write_text(job.model_dump_json(indent=1), encoding="utf-8")


def is_finished(folder: Path) -> bool:
    """Whether the training of a folder is done."""
    return (folder / "result.json").is_file()


def read_result(folder: Path) -> TrainResult:
    """Return what a finished training reported."""
    return TrainResult(**json.loads((folder / "result.json").read_text(encoding="utf-8")))


def run_job(folder: Path, on_step: OnStep, say: Say = lambda line: None) -> TrainResult:
    """Train what the folder asks for and save the student to ``tuned``; one that was killed goes on.

    Args:
        on_step: see `finetune.sft.tune`; say: receives lines that the user should read before the first step.

    Raises:
        TrainingError: the folder is no job, base and rows do not fit, or the machine lacks what is asked for.
    """
    from finetune.loading import load_generation_config, load_model, load_tokenizer
    from lms.in_process.chat import Chat

    job, train, validation = _read(folder)
    config = job.config
    tokenizer = load_tokenizer(job.base)
    machine, size = look(), size_of(job.base)
    plan = make_plan(config, machine, size)
    for line in (*plan.reasons, *(f"chat template: {line}" for line in describe_template(tokenizer))):
        say(line)
    check_memory(estimate(config, plan, size), machine)
    chat = Chat(job.base, tokenizer, None)
    ends = end_tokens(chat, load_generation_config(job.base))
    encoded, dropped = keep_fitting(encode_rows(chat, train, ends), config.max_length, config.too_long)
    looked_at, unseen = keep_fitting(encode_rows(chat, validation, ends), config.max_length, config.too_long)
    _introduce(tokenizer, encoded, [*dropped, *unseen], config, say)
    tuned = tune(
        load_model(job.base, config, plan), tokenizer, encoded, looked_at, config, plan, machine, job.seed,
        folder / CHECKPOINTS, on_step,
    )  # fmt: skip
    _save(tuned, tokenizer, ends, job, folder)
    result = _result(tuned, encoded, dropped, plan, machine)
    if tuned.trainer.is_world_process_zero():
        (folder / "result.json").write_text(json.dumps(asdict(result)), encoding="utf-8")
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return result


def _read(folder: Path) -> tuple[Job, list[Row], list[Row]]:
    try:
        job = Job.model_validate_json((folder / "job.json").read_text(encoding="utf-8"))
        rows, validation = (
            [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
            for name in ("rows.jsonl", "validation.jsonl")
        )
    except (OSError, ValidationError, ValueError) as error:
        raise TrainingError(f"{folder} is no training job: {str(error).splitlines()[0]}") from error
    return job, rows, validation


def _introduce(tokenizer: Any, rows: list[Encoded], dropped: list[str], config: TrainConfig, say: Say) -> None:
    say(str(count_tokens(rows)))
    if dropped:
        names = ", ".join(dropped[:20]) + (" …" if len(dropped) > 20 else "")
        say(f"left out, longer than max_length={config.max_length}: {len(dropped)} items: {names}")
    say("one row as the student sees it; it learns what stands behind →")
    for text, learned in show_masked(tokenizer, rows[0], config.loss_on):
        say(("→ " if learned else "") + text)


def _save(tuned: Tuned, tokenizer: Any, ends: set[int], job: Job, folder: Path) -> None:
    """Save the student; with several processes the trainer gathers the weights, and the first one writes."""
    trainer = tuned.trainer
    if job.config.has_adapter:
        trainer.save_model(str(folder / ADAPTER))
        if trainer.is_world_process_zero():
            merge_adapter(job.base, folder / ADAPTER, tokenizer, ends, folder / TUNED)
    elif trainer.accelerator.num_processes > 1:
        trainer.model.generation_config.eos_token_id = sorted(ends)
        trainer.save_model(str(folder / TUNED))
    else:
        save_whole(trainer.model, tokenizer, ends, folder / TUNED)
    trainer.accelerator.wait_for_everyone()


def _result(tuned: Tuned, rows: list[Encoded], dropped: list[str], plan: Plan, machine: Machine) -> TrainResult:
    return TrainResult(
        rows=len(rows),
        tokens=count_tokens(rows).tokens,
        steps=tuned.trainer.state.global_step,
        parameters=tuned.parameters,
        trained_parameters=tuned.trained_parameters,
        step_seconds=round(tuned.seconds, 2),
        tokens_per_second=round(tuned.tokens_per_second, 1),
        peak_memory=_peak_memory(machine),
        train_loss=tuned.losses("loss"),
        validation_loss=tuned.losses("eval_loss"),
        best_step=tuned.best_step,
        dropped=dropped,
        plan=list(plan.reasons),
    )


def _peak_memory(machine: Machine) -> int:
    if machine.device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
