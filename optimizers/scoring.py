"""Scoring an attempt on many cases, with the verdicts kept case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from optimizers.attempt import Attempt
from optimizers.cases import Case, example_of
from optimizers.metric import Metric
from optimizers.quality.verdict import Quality


@dataclass(frozen=True)
class Scored:
    """A case, how good its attempt was, why it failed if it did, and the calls that it took (the judge's not)."""

    case: Case
    quality: Quality
    failure: str
    calls: int
    outcome: Any = None


def score(attempt: Attempt, cases: Sequence[Case], metric: Metric, threads: int) -> list[Scored]:
    """Try all cases, and return them in their order.

    Raises:
        Halted: see `Watch`.
    """
    evaluate = dspy.Evaluate(
        devset=[example_of(case) for case in cases],
        metric=metric,
        num_threads=threads,
        display_progress=False,
        max_errors=1,
    )
    return [
        Scored(case, made.quality, made.failure, made.calls, made.outcome)
        for case, (_, made, _) in zip(cases, evaluate(attempt).results, strict=True)
    ]


def mean_quality(scored: Sequence[Scored]) -> float:
    """Return the mean quality, 0..1."""
    return sum(found.quality.score for found in scored) / len(scored)
