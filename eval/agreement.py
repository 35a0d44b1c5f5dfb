"""How far people agree about items: raw agreement, and agreement beyond chance with a bootstrap interval.

Cohen's κ (Cohen 1960) where two people answered the same items; Krippendorff's α for nominal data (Krippendorff 2011,
"Computing Krippendorff's Alpha-Reliability") where there are more people, or gaps.  The interval is the percentile
bootstrap over items (Efron & Tibshirani 1993, ch. 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import krippendorff
import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import cohens_kappa

from corpus.human import ASPECTS, Aspect, HumanVerdict

RESAMPLES = 2000
CONFIDENCE = 0.95

Measure = Literal["Cohen's κ", "Krippendorff's α"]
Rows = NDArray[np.int64]
Coefficient = Callable[[Rows], float | None]


@dataclass(frozen=True)
class Answer:
    """What one person said."""

    annotator: str
    answer: bool


@dataclass(frozen=True)
class Disagreement:
    """An item about which people differ, with all answers to the question."""

    id: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Agreement:
    """Agreement on one question.

    ``items`` counts those that two or more people answered; all figures are about these.  ``raw`` is the share of
    pairs of people who gave the same answer, averaged over items.  Where a figure does not exist it is None, and
    ``remark`` says why.
    """

    aspect: Aspect
    annotators: tuple[str, ...]
    items: int = 0
    raw: float | None = None
    measure: Measure | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    remark: str = ""
    disagreements: tuple[Disagreement, ...] = ()


def measure_agreement(verdicts: Iterable[HumanVerdict], seed: int = 0) -> tuple[Agreement, ...]:
    """Measure the agreement on each question, in the order of `corpus.human.ASPECTS`.

    Args:
        verdicts: one per person and item, as `corpus.human.read_verdicts` returns them.
        seed: of the bootstrap.
    """
    given = list(verdicts)
    return tuple(_measure(aspect, given, seed) for aspect in ASPECTS)


def _measure(aspect: Aspect, verdicts: list[HumanVerdict], seed: int) -> Agreement:
    by_item: dict[str, dict[str, bool]] = {}
    for verdict in verdicts:
        if (answer := verdict.answers[aspect]) is not None:
            by_item.setdefault(verdict.id, {})[verdict.annotator] = answer
    annotators = tuple(sorted({name for answers in by_item.values() for name in answers}))
    shared = {name: by_item[name] for name in sorted(by_item) if len(by_item[name]) > 1}
    if not shared:
        remark = "no item was answered by two people" if annotators else "nobody answered"
        return Agreement(aspect, annotators, remark=remark)
    counts = np.array([_count(answers) for answers in shared.values()], dtype=np.int64)
    people = counts.sum(axis=1)
    found = Agreement(
        aspect,
        annotators,
        items=len(shared),
        raw=float(np.mean((counts * (counts - 1)).sum(axis=1) / (people * (people - 1)))),
        disagreements=tuple(
            Disagreement(name, tuple(Answer(who, answers[who]) for who in sorted(answers)))
            for name, answers in shared.items()
            if len(set(answers.values())) > 1
        ),
    )
    if len(annotators) == 2 and len(shared) == len(by_item):
        pairs = [[answers[who] for who in annotators] for answers in shared.values()]
        return _with_coefficient(found, "Cohen's κ", _kappa, np.array(pairs, dtype=np.int64), seed)
    return _with_coefficient(found, "Krippendorff's α", _alpha, counts, seed)


def _count(answers: dict[str, bool]) -> tuple[int, int]:
    """Return how many said no, and yes."""
    yes = sum(answers.values())
    return len(answers) - yes, yes


def _with_coefficient(found: Agreement, measure: Measure, compute: Coefficient, rows: Rows, seed: int) -> Agreement:
    value = compute(rows)
    if value is None:
        remark = "undefined, for all answers are the same, and chance alone would agree as well"
        return replace(found, measure=measure, remark=remark)
    draws = np.random.default_rng(seed).integers(0, len(rows), size=(RESAMPLES, len(rows)))
    values = [again for draw in draws if (again := compute(rows[draw])) is not None]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    missing = RESAMPLES - len(values)
    remark = f"interval without {missing} of {RESAMPLES} resamples, which held one answer only" if missing else ""
    return replace(found, measure=measure, value=value, low=float(low), high=float(high), remark=remark)


def _kappa(rows: Rows) -> float | None:
    """Cohen's κ of an items × 2 array of answers; None when all answers are the same."""
    table = np.bincount(rows[:, 0] * 2 + rows[:, 1], minlength=4).reshape(2, 2)
    if len(rows) in (table[0, 0], table[1, 1]):
        return None
    return float(cohens_kappa(table, return_results=False))


def _alpha(counts: Rows) -> float | None:
    """Krippendorff's α of an items × 2 array of how many said no and yes; None when all answers are the same."""
    if not counts.sum(axis=0).all():
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
