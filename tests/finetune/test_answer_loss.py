"""The short way to the loss and TRL's own give the same number and the same gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finetune.config import ScratchConfig
from finetune.scratch import make_student


@pytest.mark.parametrize("num_items", [None, 7])
def test_loss_and_gradients_are_those_of_trl(num_items: int | None, tmp_path: Path) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from finetune.answer_loss import AnswerLossTrainer

    make_student(
        ["one two three four"] * 3, ScratchConfig(vocabulary=300, hidden=32, layers=1, heads=2), 64, 1, tmp_path
    )
    rows = [
        {"prompt": [{"role": "user", "content": "one two"}], "completion": [{"role": "assistant", "content": text}]}
        for text in ("three", "four four four")
    ]

    def measure(trainer_class: type[SFTTrainer]) -> tuple[float, list[Any]]:
        trainer = trainer_class(
            model=AutoModelForCausalLM.from_pretrained(tmp_path),
            processing_class=AutoTokenizer.from_pretrained(tmp_path),
            train_dataset=Dataset.from_list(rows),
            args=SFTConfig(
                output_dir=str(tmp_path / "work"), use_cpu=True, bf16=False, report_to="none",
                activation_checkpointing=False, dataloader_pin_memory=False, per_device_train_batch_size=2,
            ),
        )  # fmt: skip
        batch = next(iter(trainer.get_train_dataloader()))
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=num_items)
        loss.backward()
        return loss.item(), [p.grad for p in trainer.model.parameters()]

    ours, our_gradients = measure(AnswerLossTrainer)
    theirs, their_gradients = measure(SFTTrainer)
    assert ours == pytest.approx(theirs, rel=1e-5)
    for mine, other in zip(our_gradients, their_gradients, strict=True):
        assert torch.allclose(mine, other, atol=1e-6)
