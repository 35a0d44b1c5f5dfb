"""TRL's trainer with the vocabulary projected at the answer's positions alone.

On CPU TRL 1.16 projects every position and masks afterwards (its compact path is for Triton devices), which takes
two thirds of a tiny student's training time.  The loss is the same; tests/finetune/test_answer_loss.py compares.
Only for plain heads: no soft-capping, no logit scale.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy
from trl import SFTTrainer


class AnswerLossTrainer(SFTTrainer):
    """`SFTTrainer` for a plain causal model on CPU."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the summed negative log-likelihood of the answer tokens over their number."""
        labels = inputs["labels"][:, 1:]
        answer = labels != -100
        causal = model.get_base_model() if isinstance(model, PeftModel) else model
        states = causal.base_model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
        ).last_hidden_state[:, :-1]
        logits = causal.get_output_embeddings()(states[answer])
        total = cross_entropy(logits.float(), labels[answer], reduction="sum")
        loss = total / torch.as_tensor(answer.sum() if num_items_in_batch is None else num_items_in_batch)
        return (loss, {}) if return_outputs else loss
