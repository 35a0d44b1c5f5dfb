"""One metric for Evaluate, bootstrapping, MIPROv2, SIMBA, and GEPA.

How DSPy calls it tells what it wants back: a number to score, a truth value with a trace (may this run become
demonstrations?), a number and a sentence with the name of a predictor (GEPA's reflection).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import dspy

from optimizers.attempt import UNREACHED
from optimizers.cases import Case
from optimizers.quality.verdict import Quality
from optimizers.watch import Watch

UNKNOWN = Quality((), 0.0)
UNTOLD = "A model gave no answer, so that nothing is known of this case; that is none of the prompt."


class Assessor(Protocol):
    """Says how good an attempt is; see `optimizers.quality`."""

    def __call__(self, case: Any, attempt: dspy.Prediction) -> Quality:
        """Return the quality; may ask the judge, whose LM errors go on."""
        ...


class Metric:
    """Callable as DSPy wants it, with two to five arguments.

    Args:
        assess: gives the quality of an attempt; asked once per attempt.
        threshold: quality from which a run may become demonstrations.
        watch: counts what the judge did not answer.
        on_case: called after each case that was assessed.
    """

    def __init__(self, assess: Assessor, threshold: float, watch: Watch, on_case: Callable[[], None] = lambda: None):
        self.assess, self.threshold, self.watch, self.on_case = assess, threshold, watch, on_case
        self.__name__ = "quality"  # DSPy prints it

    def __call__(
        self,
        gold: dspy.Example,
        pred: dspy.Prediction,
        trace: Any = None,
        pred_name: str | None = None,
        pred_trace: Any = None,
    ) -> Any:
        """Score an attempt; see the module docstring."""
        quality = self.quality(gold.case, pred)
        if pred_name is not None:
            return dspy.Prediction(score=quality.score, feedback=_say(quality, pred_name))
        if trace is not None:
            return quality.score >= self.threshold
        return quality.score

    def explain(self, gold: dspy.Example, pred: dspy.Prediction) -> dspy.Prediction:
        """Score an attempt and say why, as SIMBA reads it."""
        quality = self.quality(gold.case, pred)
        return dspy.Prediction(score=quality.score, feedback=_say(quality))

    def quality(self, case: Case, attempt: dspy.Prediction) -> Quality:
        """Return the quality of an attempt, which is kept with it.

        Raises:
            Halted: see `Watch`.
        """
        if "quality" not in attempt:
            attempt["quality"] = self._assess(case, attempt)
            self.on_case()
        quality: Quality = attempt["quality"]
        return quality

    def _assess(self, case: Case, attempt: dspy.Prediction) -> Quality:
        if attempt.failure == UNREACHED:
            return UNKNOWN
        try:
            with dspy.context(trace=None), self.watch.unit():
                return self.assess(case, attempt)
        except dspy.LMError:
            return UNKNOWN


def _say(quality: Quality, predictor: str = "") -> str:
    return UNTOLD if quality is UNKNOWN else quality.feedback(predictor)
