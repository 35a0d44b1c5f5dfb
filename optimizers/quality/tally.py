"""Keeping count of what is found about one case, and saying it so that a reflection model learns from it.

A sentence begins with the fault in general words, those of the judge's rubric where it has the fault too, and goes on
with what was seen in this case: rules, judge, and feedback speak of one fault in one way.
"""

from __future__ import annotations

from collections.abc import Mapping

from corpus.text import one_line
from optimizers.quality.verdict import Quality, Verdict, combine

UNJUDGED = "The judge gave no usable answer about this case, which counts as a fault but is none of the prompt."
MAX_SEEN = 300  # characters of a text that a sentence quotes


class Tally:
    """Scores and sentences by criterion.  A criterion that nobody looked at has no score.

    Args:
        weights: weight of every criterion.
    """

    def __init__(self, weights: Mapping[str, float]):
        self.weights = weights
        self._scores: dict[str, float] = {}
        self._said: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def look(self, *criteria: str) -> None:
        """Enter criteria that have been looked at: they are met, as far as no fault is found."""
        for criterion in criteria:
            self._scores.setdefault(criterion, 1.0)

    def find(self, criterion: str, factor: float, sentence: str, asks: tuple[str, ...] = ()) -> None:
        """Enter a fault, which leaves ``factor`` of the criterion's score; ``asks`` as in `Verdict`."""
        self._scores[criterion] = self._scores.get(criterion, 1.0) * factor
        self._said.setdefault((criterion, asks), []).append(sentence)

    @property
    def score(self) -> float:
        """The quality so far, 0..1."""
        return combine(tuple(Verdict(name, score) for name, score in self._scores.items()), self.weights).score

    @property
    def quality(self) -> Quality:
        """The verdicts in the order of the weights.

        Where several predictors share in the faults of a criterion there is a verdict for each of them, and each has
        the criterion's whole score, so that a predictor is told of its own faults and `Quality.scores` holds.
        """
        verdicts: list[Verdict] = []
        for name in (name for name in self.weights if name in self._scores):
            said = {asks: " ".join(said) for (criterion, asks), said in self._said.items() if criterion == name}
            verdicts += [Verdict(name, self._scores[name], text, asks) for asks, text in (said or {(): ""}).items()]
        return Quality(tuple(verdicts), self.score)


def say(fault: str, seen: str = "") -> str:
    """Return a sentence of a fault in general words (lower case, no full stop), and what was seen here."""
    return f"{fault[0].upper()}{fault[1:]}{f': {seen}' if seen else ''}{'' if seen.endswith('.') else '.'}"


def quote(text: str) -> str:
    """Return a text between quotation marks, on one line, its end left out where it is long."""
    plain = one_line(text)
    return f"“{plain if len(plain) <= MAX_SEEN else plain[: MAX_SEEN - 2].rstrip() + ' …'}”"
