"""Optimizers that choose demonstrations: labelled, bootstrapped, and bootstrapped with a random search."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from typing import Any

import dspy
import dspy.teleprompt.random_search
import dspy.teleprompt.utils

from optimizers.attempt import Attempt
from optimizers.strategies.base import Fit, Knobs, Search, Sizes, Strategy, need
from optimizers.swapping import swapped


def shuffled(search: Search) -> list[dspy.Example]:
    """Return the cases to learn from in an order of the seed: DSPy's own orders are fixed."""
    return random.Random(search.seed).sample(search.train, len(search.train))


class Bounded:
    """A bootstrapper that gives up after ``sizes.tries`` cases, and keeps at most ``sizes.demos`` demonstrations.

    DSPy counts the cases that succeed: it goes through all that there are until enough did, and where a case asks only
    some of the predictors, one of them may have the demonstrations of all.
    """

    sizes: Sizes
    trainset: list[dspy.Example]

    def _bootstrap(self, *, max_bootstraps: int | None = None) -> None:
        self.trainset = self.trainset[: self.sizes.tries]
        super()._bootstrap(max_bootstraps=max_bootstraps)  # type: ignore[misc]

    def _train(self) -> Any:
        student = super()._train()  # type: ignore[misc]
        for predictor in student.predictors():
            predictor.demos = predictor.demos[: self.sizes.demos]
        return student


def bounded(sizes: Sizes) -> AbstractContextManager[None]:
    """Make DSPy's optimizers bootstrap within bounds while the context lasts."""
    within = type("BootstrapFewShot", (Bounded, dspy.BootstrapFewShot), {"sizes": sizes})
    return swapped("BootstrapFewShot", within, dspy.teleprompt.random_search, dspy.teleprompt.utils)


def _fit_labeled(sizes: Sizes, allowed: int) -> Fit:
    need("labeled", sizes.train + sizes.dev, allowed)
    return Fit({"k": sizes.demos}, sizes.train + sizes.dev)


def _run_labeled(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    """DSPy gives all predictors the same examples, so each predictor is compiled by itself, with its own."""
    rng, labels = random.Random(search.seed), search.labels(attempt)
    for name, predictor in attempt.named_predictors():
        own = labels.get(name, [])
        compiled = dspy.LabeledFewShot(k=knobs["k"]).compile(predictor, trainset=rng.sample(own, len(own)))
        predictor.demos = compiled.demos
    return attempt


def _fit_bootstrap(sizes: Sizes, allowed: int) -> Fit:
    need("bootstrap", 1 + sizes.dev, allowed)
    tries = min(sizes.train, allowed - sizes.dev)
    return Fit({"cases": sizes.bootstraps, "train": tries}, tries + sizes.dev)


def _run_bootstrap(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    compiled = dspy.BootstrapFewShot(
        metric=search.metric, max_bootstrapped_demos=knobs["cases"], max_labeled_demos=0, max_errors=1
    ).compile(attempt, trainset=shuffled(search)[: knobs["train"]])
    for predictor in compiled.predictors():
        predictor.demos = predictor.demos[: search.sizes.demos]
    return compiled


def _fit_random_search(sizes: Sizes, allowed: int) -> Fit:
    each = sizes.dev + sizes.tries  # the plain program and the unshuffled demonstrations come before any candidate
    need("random-search", sizes.dev + 2 * each, allowed)
    candidates = min(16, (allowed - sizes.dev) // each - 1)
    return Fit({"candidates": candidates}, sizes.dev + (candidates + 1) * each)


def _run_random_search(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=search.metric,
        max_bootstrapped_demos=search.sizes.bootstraps,
        max_labeled_demos=0,
        num_candidate_programs=knobs["candidates"],
        num_threads=search.threads,
        max_errors=1,
    )
    candidates = [number for number in range(-3, knobs["candidates"]) if number != -2]  # -2: labels, of which are none
    with bounded(search.sizes):
        return optimizer.compile(attempt, trainset=shuffled(search), valset=search.dev, restrict=candidates)


LABELED = Strategy(_fit_labeled, _run_labeled)
BOOTSTRAP = Strategy(_fit_bootstrap, _run_bootstrap)
RANDOM_SEARCH = Strategy(_fit_random_search, _run_random_search)
