"""Optimizers that rewrite instructions: GEPA by reflection on feedback, COPRO by trial, infer-rules from examples."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.teleprompt.gepa import InstructionProposer
from dspy.utils.exceptions import AdapterParseError

from optimizers.attempt import Attempt
from optimizers.persistent import Persistent
from optimizers.strategies.base import Fit, Knobs, Search, Sizes, Strategy, need
from optimizers.strategies.demonstrations import Bounded, shuffled

MINIBATCH = 4  # cases that GEPA reflects on at a time
RULES, CANDIDATES = 10, 6  # of infer-rules


def _fit_gepa(sizes: Sizes, allowed: int) -> Fit:
    need("gepa", 2 * sizes.dev + 4 * MINIBATCH, allowed)
    step = 2 * MINIBATCH + sizes.dev // 2  # about every second proposal is tried on all development cases
    at_once = sizes.predictors if _reflects_on_all(sizes) else 1
    # It looks at the number between steps, and a step that has begun is finished.
    return Fit({"metric_calls": allowed - MINIBATCH * 2 - sizes.dev}, allowed, at_once * (allowed - sizes.dev) // step)


def _reflects_on_all(sizes: Sizes) -> bool:
    """Whether to reflect on all predictors of a minibatch at once: where a case asks only some of them."""
    return sizes.per_case < sizes.predictors


def _run_gepa(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    return dspy.GEPA(
        metric=search.metric,
        max_metric_calls=knobs["metric_calls"],
        reflection_lm=search.reflection,
        instruction_proposer=InstructionProposer(adapter=Persistent(dspy.JSONAdapter(), search.watch)),
        reflection_minibatch_size=MINIBATCH,
        component_selector="all" if _reflects_on_all(search.sizes) else "round_robin",
        num_threads=search.threads,
        seed=search.seed,
    ).compile(attempt, trainset=search.train, valset=search.dev)


def _fit_copro(sizes: Sizes, allowed: int) -> Fit:
    need("copro", 2 * 2 * sizes.predictors + sizes.dev, allowed)
    left = allowed - sizes.dev
    breadth = max(2, min(8, left // (sizes.predictors * sizes.train)))
    cases = min(sizes.train, left // (breadth * sizes.predictors))
    return Fit(
        {"breadth": breadth, "depth": 1, "train": cases}, breadth * sizes.predictors * cases + sizes.dev,
        (breadth - 1) * sizes.predictors,
    )  # fmt: skip


def _run_copro(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    return dspy.COPRO(
        prompt_model=search.reflection, metric=search.metric, breadth=knobs["breadth"], depth=knobs["depth"]
    ).compile(
        attempt,
        trainset=shuffled(search)[: knobs["train"]],
        eval_kwargs={
            "num_threads": search.threads, "display_progress": False, "display_table": False,
        },
    )  # fmt: skip


class _InferRules(Bounded, dspy.InferRules):
    """DSPy's, with examples of each predictor's own, and with rules that stay with the candidate they were made for.

    DSPy 3.4 shows the rule maker the fields of training examples, of which predictors within a program have none, and
    writes rules into signature classes that all candidates share, so that the best candidate has the last one's rules.
    An error of the rule maker it takes for a bug of its own.
    """

    labels: Mapping[tuple[str, ...], list[dspy.Example]]

    def get_predictor_demos(self, trainset: list[dspy.Example], predictor: dspy.Predict) -> list[dict[str, Any]]:
        """Return the examples of a predictor, as many as its demonstrations may be."""
        fields = tuple(predictor.signature.fields)
        return [{name: example[name] for name in fields if name in example} for example in self.labels.get(fields, [])]

    def induce_natural_language_rules(self, predictor: dspy.Predict, trainset: list[dspy.Example]) -> str:
        """Return rules, made of as many examples as the rule maker can read, and answer to in the form asked for."""
        examples = self.get_predictor_demos(trainset, predictor)
        while True:
            try:
                rules: str = self.rules_induction_program(self.format_examples(examples, predictor.signature))
            except (dspy.ContextWindowExceededError, AdapterParseError):
                if len(examples) < 2:
                    raise
                examples = examples[: len(examples) // 2]
            else:
                return rules

    def update_program_instructions(self, predictor: dspy.Predict, natural_language_rules: str) -> None:
        """Append rules to the instructions of a predictor, in a class of its own."""
        before = predictor.signature.instructions
        predictor.signature = predictor.signature.with_instructions(f"{before}\n\n{natural_language_rules}")


def _fit_infer_rules(sizes: Sizes, allowed: int) -> Fit:
    before = sizes.train + sizes.tries
    need("infer-rules", before + sizes.dev, allowed)
    candidates = min(CANDIDATES, (allowed - before) // sizes.dev)
    return Fit({"candidates": candidates}, before + candidates * sizes.dev, candidates * sizes.predictors)


def _run_infer_rules(attempt: Attempt, search: Search, knobs: Knobs) -> Any:
    labels, order = search.labels(attempt), random.Random(search.seed)
    optimizer = _InferRules(
        num_candidates=knobs["candidates"],
        num_rules=RULES,
        num_threads=search.threads,
        metric=search.metric,
        max_bootstrapped_demos=search.sizes.bootstraps,
        max_labeled_demos=0,
        max_errors=1,
    )
    optimizer.sizes = search.sizes
    # Not the optimizer's own, with which it would have the demonstrations written too.
    optimizer.rules_induction_program.teacher_settings = {"lm": search.reflection}
    optimizer.rules_induction_program.rng = random.Random(search.seed)
    optimizer.labels = {
        tuple(predictor.signature.fields): order.sample(own, len(own))[: 2 * RULES]
        for name, predictor in attempt.named_predictors()
        if (own := labels.get(name))
    }
    return optimizer.compile(attempt, trainset=shuffled(search), valset=search.dev)


GEPA = Strategy(_fit_gepa, _run_gepa)
COPRO = Strategy(_fit_copro, _run_copro)
INFER_RULES = Strategy(_fit_infer_rules, _run_infer_rules)
