"""Sampling whose outcome depends on a request's own seed alone, whatever else is in the batch.

The Gumbel-max trick: with noise drawn from the standard Gumbel distribution added to each logit, the place of the
largest sum is distributed as the softmax of the logits (Maddison, Tarlow & Minka 2014, "A* Sampling", arXiv
1411.0030, section 2).  So each row of a batch gets noise from a generator of its own, and the batch as a whole is
decoded greedily: rows with and without a temperature go together, and none uses up another's random numbers.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from lms.in_process.job import Job

_TINY = torch.finfo(torch.float32).tiny


class GumbelMax(LogitsProcessor):
    """Turns the logits of the rows with a temperature into scores whose argmax is a sample; leaves the others alone.

    Args:
        jobs: one per row of the batch.
        device: where the logits are; a seed draws other numbers on a GPU than on a CPU.
    """

    def __init__(self, jobs: Sequence[Job], device: torch.device):
        self._rows = [(row, job, _generator(job.seed, device)) for row, job in enumerate(jobs) if job.temperature]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores, shape (rows, vocabulary), changed in place."""
        for row, job, generator in self._rows:
            scores[row] = _choices(scores[row], job) + _gumbel(scores.shape[-1], generator)
        return scores


def _generator(seed: int | None, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed((secrets.randbits(63) if seed is None else seed) % 2**63)


def _choices(logits: torch.Tensor, job: Job) -> torch.Tensor:
    """Scale the logits of one row by the temperature; what top_k and then top_p leave out becomes -inf."""
    # Less the largest, no quotient can overflow, however low the temperature.
    scaled = (logits - logits.max()) / job.temperature
    if job.top_k is None and job.top_p is None:
        return scaled
    # A stable sort: among equals the first stays first, so that top_k=1 is what greedy decoding takes.
    ranked, places = scaled.sort(descending=True, stable=True)
    if job.top_k is not None:
        ranked[job.top_k :] = -torch.inf
    if job.top_p is not None:
        chances = ranked.softmax(-1)
        beyond = chances.cumsum(-1) - chances >= job.top_p  # what comes before it is enough
        beyond[0] = False
        ranked[beyond] = -torch.inf
    return torch.empty_like(scaled).scatter_(0, places, ranked)


def _gumbel(size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw standard Gumbel noise: minus the logarithm of waiting times that are exponentially distributed."""
    waits = torch.empty(size, dtype=torch.float32, device=generator.device).exponential_(generator=generator)
    return -waits.clamp_min(_TINY).log()
