"""The TRL stage: supervised fine-tuning on prompt/completion rows, loss on the completion alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import TrainingError
from finetune.config import SCRATCH, TrainConfig
from finetune.rows import Row


@dataclass(frozen=True)
class TrainResult:
    """What a finished training reports: rows, trained tokens, steps, and (step, loss) points."""

    rows: int
    tokens: int
    steps: int
    parameters: int
    train_loss: list[tuple[int, float]]
    validation_loss: list[tuple[int, float]]


def train_student(
    base: str,
    train_rows: Sequence[Row],
    validation_rows: Sequence[Row],
    config: TrainConfig,
    seed: int,
    work: Path,
    tuned: Path,
    on_step: Callable[[int, int, dict[str, float]], None],
) -> TrainResult:
    """Tune ``base`` on the rows and save the student, adapter merged, to ``tuned``.

    Checkpoints go to ``work``; a training that was killed goes on from the last whole one.  ``on_step`` receives
    (step, steps in all, last logged values).

    Raises:
        TrainingError: the base cannot be loaded, or a row is longer than ``max_length``.
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging
    from trl import SFTConfig, SFTTrainer

    from finetune.answer_loss import AnswerLossTrainer

    logging.disable_progress_bar()
    disable_progress_bars()
    if config.threads:
        torch.set_num_threads(config.threads)
    set_seed(seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise TrainingError(f"train.base {base!r} cannot be loaded: {str(error).splitlines()[0]}") from error
    if tokenizer.chat_template is None:
        raise TrainingError(f"train.base {base!r} has no chat template; choose an instruction-tuned model")
    tokens = _count_tokens(tokenizer, [*train_rows, *validation_rows], config.max_length)

    class Report(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            on_step(state.global_step, state.max_steps, logs)

    has_gpu = torch.cuda.is_available()
    trainer_class = AnswerLossTrainer if config.base == SCRATCH and not has_gpu else SFTTrainer
    trainer = trainer_class(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(list(train_rows)),
        eval_dataset=Dataset.from_list(list(validation_rows)),
        peft_config=LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear")
        if config.method == "lora"
        else None,
        callbacks=[Report()],
        args=SFTConfig(
            output_dir=str(work),
            num_train_epochs=config.epochs,
            max_steps=config.max_steps,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.warmup_steps,
            max_length=config.max_length,
            completion_only_loss=True,
            train_sampling_strategy="group_by_length",
            eval_strategy="steps",
            eval_steps=config.checkpoint_steps,
            save_steps=config.checkpoint_steps,
            save_total_limit=2,
            logging_steps=10,
            report_to="none",
            disable_tqdm=True,
            use_cpu=not has_gpu,
            bf16=has_gpu,
            activation_checkpointing=False,
            dataloader_pin_memory=has_gpu,
            seed=seed,
        ),
    )
    if len(trainer.train_dataset) != len(train_rows):
        dropped = len(train_rows) - len(trainer.train_dataset)
        raise TrainingError(f"TRL dropped {dropped} of {len(train_rows)} rows; raise train.max_length")
    trainer.remove_callback(PrinterCallback)  # on_step reports
    trainer.train(resume_from_checkpoint=find_checkpoint(work))
    history = trainer.state.log_history
    finished = trainer.model.merge_and_unload() if config.method == "lora" else trainer.model
    partial = tuned.with_name(tuned.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    finished.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(tuned, ignore_errors=True)
    partial.rename(tuned)
    return TrainResult(
        rows=len(train_rows),
        tokens=tokens,
        steps=trainer.state.global_step,
        parameters=sum(p.numel() for p in finished.parameters()),
        train_loss=[(entry["step"], entry["loss"]) for entry in history if "loss" in entry],
        validation_loss=[(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry],
    )


def find_checkpoint(work: Path) -> str | None:
    """Return the newest whole checkpoint in ``work``, or None.

    The trainer writes `trainer_state.json` last, so a checkpoint without a readable one was cut off by a kill.
    """
    found = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for path in found:
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            continue
        return str(path)
    return None


def _count_tokens(tokenizer: Any, rows: Sequence[Row], max_length: int) -> int:
    """Count the tokens of all rows; refuse rows that would be cut, and rows that do not end where the model stops."""
    tokens, too_long = 0, 0
    for row in rows:
        ids = tokenizer.apply_chat_template([*row["prompt"], *row["completion"]], return_dict=True)["input_ids"]
        tokens += len(ids)
        too_long += len(ids) > max_length
        if tokenizer.eos_token_id not in ids[-2:]:
            raise TrainingError(
                f"the chat template does not end an answer with {tokenizer.eos_token!r}; "
                "a student tuned on it would never stop"
            )
    if too_long:
        raise TrainingError(f"{too_long} of {len(rows)} rows are longer than train.max_length={max_length}; raise it")
    return tokens
