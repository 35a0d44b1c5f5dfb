"""Optimizers that choose instructions and demonstrations together: MIPROv2 and SIMBA."""

from __future__ import annotations

from typing import Any

import dspy

from optimizers.attempt import Attempt
from optimizers.strategies.base import Fit, Knobs, Search, Sizes, Strategy, need
from optimizers.strategies.demonstrations import bounded, shuffled

SUMMARIES = 11  # calls with which MIPROv2 describes the data, at the most
PER_PROPOSAL = 3  # it describes the program and the predictor anew before each of its proposals
BATCH, SAMPLES, CASES = 8, 3, 32  # of SIMBA: cases per step, programs per case, cases in all


def _fit_mipro(sizes: Sizes, allowed: int) -> Fit:
    need("mipro", 2 * sizes.tries + 4 * sizes.dev, allowed)
    # The plain program is tried once before the trials; half as many candidates as trials, all but one bootstrapped.
    candidates = max(3, min(8, allowed // (2 * (sizes.dev + sizes.tries))))
    bootstraps = (candidates - 1) * sizes.tries
    trials = max(3, min(30, (allowed - bootstraps) // sizes.dev - 1))
    proposals = SUMMARIES + PER_PROPOSAL * candidates * sizes.predictors
    return Fit({"candidates": candidates, "trials": trials}, bootstraps + (1 + trials) * sizes.dev, proposals)


def _run_mipro(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    optimizer = dspy.MIPROv2(
        metric=search.metric,
        prompt_model=search.reflection,
        auto=None,
        num_candidates=knobs["candidates"],
        max_bootstrapped_demos=search.sizes.bootstraps,
        max_labeled_demos=0,
        num_threads=search.threads,
        seed=search.seed + 1,  # it takes 0 for none
        max_errors=1,
    )
    with bounded(search.sizes):
        return optimizer.compile(
            attempt, trainset=shuffled(search), valset=search.dev, num_trials=knobs["trials"], minibatch=False
        )


def _fit_simba(sizes: Sizes, allowed: int) -> Fit:
    batch, cases = min(BATCH, sizes.train), min(CASES, sizes.train)
    # In the end it tries its programs on all cases, so that more cases leave fewer steps.
    step, last = batch * (2 * SAMPLES + 1), (SAMPLES + 1) * cases + sizes.dev
    need("simba", step + last, allowed)
    steps = min(8, (allowed - last) // step)
    knobs = {"batch": batch, "samples": SAMPLES, "steps": steps, "train": cases}
    return Fit(knobs, steps * step + last, steps * (SAMPLES + 1))


def _run_simba(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    return dspy.SIMBA(
        metric=search.metric.explain,
        bsize=knobs["batch"],
        num_candidates=knobs["samples"],
        max_steps=knobs["steps"],
        max_demos=search.sizes.demos,
        prompt_model=search.reflection,
        num_threads=search.threads,
    ).compile(attempt, trainset=search.train[: knobs["train"]], seed=search.seed)


MIPRO = Strategy(_fit_mipro, _run_mipro)
SIMBA = Strategy(_fit_simba, _run_simba)
