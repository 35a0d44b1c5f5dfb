"""Optimizers that choose demonstrations: labelled, bootstrapped, and bootstrapped with a random search."""

from __future__ import annotations

import random
from typing import Any

import dspy

from optimizers.attempt import Attempt
from optimizers.strategies.base import Fit, Knobs, Search, Sizes, Strategy, cut_demos, need


def shuffled(search: Search) -> list[dspy.Example]:
    """Return the cases to learn from in an order of the seed: DSPy's own orders are fixed."""
    return random.Random(search.seed).sample(search.train, len(search.train))


def _fit_labeled(sizes: Sizes, allowed: int) -> Fit:
    need("labeled", sizes.train, allowed)
    return Fit({"k": sizes.demos}, sizes.train)


def _run_labeled(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    """DSPy gives all predictors the same examples, so each predictor is compiled by itself, with its own."""
    rng, labels = random.Random(search.seed), search.labels(attempt)
    for name, predictor in attempt.named_predictors():
        own = labels.get(name, [])
        compiled = dspy.LabeledFewShot(k=knobs["k"]).compile(predictor, trainset=rng.sample(own, len(own)))
        predictor.demos = compiled.demos
    return attempt


def _fit_bootstrap(sizes: Sizes, allowed: int) -> Fit:
    need("bootstrap", 1, allowed)
    return Fit({"cases": sizes.bootstraps, "train": min(sizes.train, allowed)}, min(sizes.tries, allowed))


def _run_bootstrap(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    compiled = dspy.BootstrapFewShot(
        metric=search.metric, max_bootstrapped_demos=knobs["cases"], max_labeled_demos=0, max_errors=1
    ).compile(attempt, trainset=shuffled(search)[: knobs["train"]])
    return cut_demos(compiled, search.sizes.demos)


def _fit_random_search(sizes: Sizes, allowed: int) -> Fit:
    each = sizes.dev + sizes.tries  # the plain program and the unshuffled demonstrations come before any candidate
    need("random-search", sizes.dev + 2 * each, allowed)
    candidates = min(16, (allowed - sizes.dev) // each - 1)
    return Fit({"candidates": candidates}, sizes.dev + (candidates + 1) * each)


def _run_random_search(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    compiled = dspy.BootstrapFewShotWithRandomSearch(
        metric=search.metric,
        max_bootstrapped_demos=search.sizes.bootstraps,
        max_labeled_demos=0,
        num_candidate_programs=knobs["candidates"],
        num_threads=search.threads,
        max_errors=1,
    ).compile(
        attempt,
        trainset=shuffled(search),
        valset=search.dev,
        restrict=[number for number in range(-3, knobs["candidates"]) if number != -2],  # -2: labels, of which are none
    )
    return cut_demos(compiled, search.sizes.demos)


LABELED = Strategy(_fit_labeled, _run_labeled)
BOOTSTRAP = Strategy(_fit_bootstrap, _run_bootstrap)
RANDOM_SEARCH = Strategy(_fit_random_search, _run_random_search)
