"""What is found about one case, criterion by criterion, and the one number that optimizers climb.

quality = Π over criteria of (1 - weight × (1 - score))

A weight is the share of the quality that is lost when the criterion fails.  A mean would let a fluent explanation make
up for a wrong key; here a case that fails a criterion of weight 1 is worth nothing, as `curate` would drop it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Verdict:
    """A criterion's score in 0..1, a sentence that says why it is not 1, and the predictors that can mend it.

    ``asks`` holds names of predictors, or ends of such names (``write_understanding``); none stands for all.
    """

    criterion: str
    score: float
    feedback: str = ""
    asks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quality:
    """The verdicts on one case, and its quality in 0..1."""

    verdicts: tuple[Verdict, ...]
    score: float

    @property
    def scores(self) -> dict[str, float]:
        """Criterion → score."""
        return {verdict.criterion: verdict.score for verdict in self.verdicts}

    def feedback(self, predictor: str = "") -> str:
        """Return what a reflection model is told about the work of ``predictor`` (all of it by default)."""
        said = [
            verdict.feedback
            for verdict in self.verdicts
            if verdict.feedback and (not predictor or not verdict.asks or predictor.endswith(verdict.asks))
        ]
        return " ".join(said) or "Nothing to object to; keep what makes it so."


def combine(verdicts: tuple[Verdict, ...], weights: Mapping[str, float]) -> Quality:
    """Weigh verdicts into a quality; see the module docstring for the formula."""
    return Quality(verdicts, prod(1 - weights[found.criterion] * (1 - found.score) for found in verdicts))
