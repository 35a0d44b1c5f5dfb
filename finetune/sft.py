"""The TRL stage: supervised fine-tuning on encoded rows.

Rows come encoded (finetune/tokens.py), so TRL neither cuts nor drops one; it packs them where the plan says so.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from logging import LogRecord, getLogger
from pathlib import Path
from typing import Any

from finetune.config import TrainConfig
from finetune.machine import Machine
from finetune.plan import Plan
from finetune.tokens import Encoded

OnStep = Callable[[int, int, dict[str, float]], None]
# Heads that are a plain projection: their loss may be computed at the answers alone (finetune/answer_loss.py).
_PLAIN_HEADS = {"llama", "mistral", "qwen2", "gemma"}


@dataclass(frozen=True)
class TrainResult:
    """What a finished training reports.

    ``tokens`` are those of all rows, once; ``step_seconds`` and ``tokens_per_second`` are those of the training steps,
    without padding, looks at the validation loss, and saving; ``peak_memory`` is in bytes, of the device or else of
    the process; losses are (step, loss) points.
    """

    rows: int
    tokens: int
    steps: int
    parameters: int
    trained_parameters: int
    step_seconds: float
    tokens_per_second: float
    peak_memory: int
    train_loss: list[tuple[int, float]]
    validation_loss: list[tuple[int, float]]
    best_step: int | None = None
    dropped: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tuned:
    """A trained model in memory, and what its trainer noted."""

    trainer: Any
    parameters: int
    trained_parameters: int
    seconds: float
    tokens_per_second: float
    best_step: int | None

    def losses(self, key: str) -> list[tuple[int, float]]:
        """Return the (step, value) points of ``loss`` or ``eval_loss``."""
        return [(entry["step"], entry[key]) for entry in self.trainer.state.log_history if key in entry]


def tune(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Encoded],
    validation: Sequence[Encoded],
    config: TrainConfig,
    plan: Plan,
    machine: Machine,
    seed: int,
    work: Path,
    on_step: OnStep,
) -> Tuned:
    """Train ``model``, or an adapter on it; a training that was killed goes on from its last whole checkpoint.

    Args:
        model: a causal language model, loaded as the plan says.
        rows: to learn from; validation: to look at the loss on, none for no looks.
        work: folder of the checkpoints.
        on_step: receives (step, steps in all, last logged values with ``tokens_per_second``).
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers import EarlyStoppingCallback, TrainerCallback, set_seed
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging
    from trl import SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from finetune.answer_loss import AnswerLossTrainer

    logging.disable_progress_bar()
    disable_progress_bars()
    if config.threads:
        torch.set_num_threads(config.threads)
    set_seed(seed)
    clock = _Clock()

    class Report(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.start(state.num_input_tokens_seen)

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.go_on()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.pause(state.num_input_tokens_seen)

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
            if state.is_world_process_zero:
                on_step(state.global_step, state.max_steps, logs | {"tokens_per_second": clock.speed})

    packs = plan.layout == "pack"
    short_loss = machine.device == "cpu" and plan.layout == "group" and model.config.model_type in _PLAIN_HEADS
    trainer_class = AnswerLossTrainer if short_loss else SFTTrainer
    callbacks: list[Any] = [Report()]
    if config.patience and validation:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=config.patience))
    # Liger's successor in TRL, kernels of the Hub, would be fetched from the network.
    warnings.filterwarnings("ignore", "`use_liger_kernel=True` is deprecated", FutureWarning)
    trainer = trainer_class(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([row.features(config.loss_on) for row in rows]),
        eval_dataset=Dataset.from_list([row.features("answer") for row in validation]) if validation else None,
        data_collator=None
        if packs
        else DataCollatorForLanguageModeling(
            tokenizer.pad_token_id, pad_to_multiple_of=config.max_length if plan.layout == "pad" else None
        ),
        peft_config=_adapter(config) if config.has_adapter else None,
        callbacks=callbacks,
        args=_arguments(config, plan, machine, seed, work, bool(validation)),
    )
    trainer.remove_callback(PrinterCallback)  # on_step reports
    logger = getLogger("transformers.trainer")
    logger.addFilter(_is_no_tied_head)
    weights = list(trainer.model.parameters())
    try:
        trainer.train(resume_from_checkpoint=find_checkpoint(work))
    finally:
        logger.removeFilter(_is_no_tied_head)
    best = trainer.state.best_model_checkpoint
    return Tuned(
        trainer=trainer,
        parameters=sum(weight.numel() for weight in weights),
        trained_parameters=sum(weight.numel() for weight in weights if weight.requires_grad),
        seconds=clock.seconds,
        tokens_per_second=clock.speed,
        best_step=int(best.rpartition("-")[2]) if best and config.keep == "best" else None,
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


def _is_no_tied_head(record: LogRecord) -> bool:
    """A head that is tied to the embedding is in no checkpoint; transformers reports it as missing."""
    return "missing keys in the checkpoint model loaded: ['lm_head.weight']" not in record.getMessage()


class _Clock:
    """Seconds and tokens of the training steps alone: no looks at the validation loss, no saving."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._first = self._last = 0
        self._since: float | None = None

    @property
    def speed(self) -> float:
        return (self._last - self._first) / self.seconds if self.seconds else 0.0

    def start(self, tokens: int) -> None:
        self._first = self._last = tokens

    def go_on(self) -> None:
        self._since = time.monotonic()

    def pause(self, tokens: int) -> None:
        if self._since is not None:
            self.seconds += time.monotonic() - self._since
        self._last = tokens


def _adapter(config: TrainConfig) -> Any:
    from peft import LoraConfig

    lora = config.lora
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
        task_type="CAUSAL_LM",
    )


def _arguments(config: TrainConfig, plan: Plan, machine: Machine, seed: int, work: Path, looks: bool) -> Any:
    from trl import SFTConfig

    has_gpu = machine.device == "cuda"
    keeps_best = looks and (config.keep == "best" or config.patience is not None)
    return SFTConfig(
        output_dir=str(work),
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_length=config.max_length,
        packing=plan.layout == "pack",
        eval_packing=False if plan.layout == "pack" else None,
        # Packing is TRL's; otherwise the rows are ready, and preparing them again would only copy them.
        dataset_kwargs=None if plan.layout == "pack" else {"skip_prepare_dataset": True},
        train_sampling_strategy="group_by_length" if plan.layout == "group" else "random",
        eval_strategy="steps" if looks else "no",
        eval_steps=config.checkpoint_steps,
        save_steps=config.checkpoint_steps,
        save_total_limit=2,
        load_best_model_at_end=keeps_best,
        metric_for_best_model="eval_loss" if keeps_best else None,
        restore_callback_states_from_checkpoint=config.patience is not None,
        logging_steps=10,
        report_to=config.tracker,
        include_num_input_tokens_seen="non_padding",
        disable_tqdm=True,
        use_cpu=machine.device == "cpu",
        bf16=plan.precision == "bf16",
        fp16=plan.precision == "fp16",
        use_liger_kernel=plan.liger,
        activation_checkpointing=plan.gradient_checkpointing,
        dataloader_pin_memory=has_gpu,
        seed=seed,
    )
