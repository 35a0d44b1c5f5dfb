"""A first training of a student from scratch, as a language model on plain text, so that it knows the language.

Random weights frozen under an adapter learn little; after this an adapter has something to adapt.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from finetune.config import TrainConfig
from finetune.machine import look
from finetune.merge import save_whole
from finetune.plan import make_plan
from finetune.sft import OnStep, tune
from finetune.tokens import encode_texts
from lms.in_process.chat import Chat

LEARNING_RATE = 2e-3  # what random weights of this size bear; measured in docs/log.md
PIECE = 256  # tokens


def warm_up(random: Path, texts: Sequence[str], config: TrainConfig, seed: int, folder: Path, on_step: OnStep) -> None:
    """Train the model in ``random`` on ``texts`` and save it to ``folder``; one that was killed goes on.

    Raises:
        TrainingError: the machine lacks what the recipe asks for.
    """
    from finetune.loading import load_model, load_tokenizer

    own = config.model_copy(
        update={
            "method": "full",
            "loss_on": "all",
            "layout": "group",
            "epochs": config.scratch.warm_up_epochs,
            "max_steps": -1,
            "learning_rate": LEARNING_RATE,
            "batch_size": 8,
            "accumulate": 1,
            "patience": None,
            "keep": "last",
            "warmup_steps": 20,
            "checkpoint_steps": 200,
        }
    )
    machine = look()
    plan = make_plan(own, machine)
    tokenizer = load_tokenizer(str(random))
    pieces = encode_texts(
        Chat(str(random), tokenizer, None), texts, tokenizer.eos_token_id, min(PIECE, config.max_length)
    )
    work = folder.with_name("warm-up")
    model = load_model(str(random), own, plan)
    tuned = tune(model, tokenizer, pieces, (), own, plan, machine, seed, work, on_step)
    save_whole(tuned.trainer.model, tokenizer, [tokenizer.eos_token_id], folder)
    shutil.rmtree(work, ignore_errors=True)
