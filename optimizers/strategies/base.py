"""What a strategy is given, and what it must say before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import dspy

from corpus.errors import RecipeError
from optimizers.attempt import Attempt
from optimizers.metric import Metric
from optimizers.watch import Watch

Knobs = dict[str, int]


@dataclass(frozen=True)
class Sizes:
    """How large the problem is: cases to learn from and to choose by, predictors, and predictors that one case asks."""

    train: int
    dev: int
    predictors: int
    per_case: int
    demos: int

    @property
    def bootstraps(self) -> int:
        """Cases that must succeed so that every predictor has its demonstrations."""
        return min(self.train, max(1, ceil(self.demos * self.predictors / self.per_case)))

    @property
    def tries(self) -> int:
        """Cases that are tried for that, when half of them succeed."""
        return min(self.train, 2 * self.bootstraps)


@dataclass(frozen=True)
class Fit:
    """Knobs that fit a budget, the cases that will be tried at most, and the calls of the reflection model."""

    knobs: Knobs
    cases: int
    proposals: int = 0


@dataclass(frozen=True)
class Search:
    """What a strategy searches with.

    ``labels`` gives, per predictor, the fields of asks whose outcome passed the metric: what labelled data are to a
    classifier.
    """

    train: list[dspy.Example]
    dev: list[dspy.Example]
    metric: Metric
    watch: Watch
    reflection: dspy.LM
    sizes: Sizes
    seed: int
    threads: int
    labels: Callable[[Attempt], Mapping[str, list[dspy.Example]]] = field(repr=False)


@dataclass(frozen=True)
class Strategy:
    """An optimizer: ``fit(sizes, metric calls)`` before, ``run(attempt, search, knobs)`` then.

    ``fit`` raises RecipeError when even its smallest search does not fit.
    """

    fit: Callable[[Sizes, int], Fit]
    run: Callable[[Attempt, Search, Knobs], Any]


def need(name: str, least: int, allowed: int) -> None:
    """Raise RecipeError unless ``allowed`` metric calls are enough for the smallest search."""
    if allowed < least:
        raise RecipeError(
            f"compile: {name} needs at least {least} metric calls, and {allowed} are left for it; "
            "raise compile.metric_calls or compile.budget, or lower compile.train and compile.dev"
        )
