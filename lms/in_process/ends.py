"""Where each answer of a batch ends: at an end token, at a stop string, or at its own limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import StoppingCriteria

from lms.in_process.job import Job

_SPARE = 8  # tokens that a stop string may lie across beyond one per byte, for tokens without text


class RowEnds(StoppingCriteria):
    """Tells `generate` which rows are done, and keeps where and why each of them was.

    Args:
        jobs: one per row of the batch.
        width: tokens of the padded prompts.
        end_tokens: every token that ends an answer.
        decode: tokens to text.

    Attributes:
        ends: per row the number of answer tokens, the end token not counted, and whether the answer stopped by itself.
    """

    def __init__(self, jobs: Sequence[Job], width: int, end_tokens: set[int], decode: Callable[[Sequence[int]], str]):
        self._jobs, self._width, self._end_tokens, self._decode = jobs, width, end_tokens, decode
        self.ends: list[tuple[int, bool] | None] = [None] * len(jobs)

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: Any) -> torch.Tensor:
        """Return one bool per row, true once the row is done; called after every token."""
        length = input_ids.shape[1] - self._width
        newest = input_ids[:, -1].tolist()
        for row, job in enumerate(self._jobs):
            if self.ends[row] is not None:
                continue
            if newest[row] in self._end_tokens:
                self.ends[row] = length - 1, True
            elif job.stop and self._meets_stop(input_ids[row], job.stop):
                self.ends[row] = length, True
            elif length >= job.max_tokens:
                self.ends[row] = length, False
        return torch.tensor([end is not None for end in self.ends], device=input_ids.device)

    def _meets_stop(self, ids: torch.Tensor, stops: Sequence[str]) -> bool:
        # A token has at least one byte of text, so a string that has just been completed lies within the last few.
        reach = max(len(stop.encode()) for stop in stops) + _SPARE
        text = self._decode(ids[max(self._width, len(ids) - reach) :].tolist())
        return any(stop in text for stop in stops)


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """Return the text before the stop string that comes first, all of it if there is none."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]
