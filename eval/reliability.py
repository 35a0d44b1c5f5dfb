"""Whether likelihood is as often right as it is sure: reliability by equal-count bins, and the calibration error.

The confidence in an answer is the softmax of the scores by which it was picked: the probability of that option, if it
must be one of those.  For emotions, which are scored in total, it is just that.  Causes and options are scored by the
mean per token (see `eval.likelihood`), and the softmax of means is a rule of thumb: a mean hardly moves with the length
of a sentence, so such confidences lie near one another and near chance.  Totals would be true probabilities, but not of
the answer that was marked, which another score picked; so the scores that picked are kept, and the page names them.

Bins hold equally many answers (Nixon et al. 2019, arXiv 1904.01685), as few answers make bins of equal width empty.
The error is Naeini et al.'s (2015), the mean distance of share right and confidence over bins; it is above zero by
chance alone, so what a student who is calibrated would show stands beside it (Vaicenavicius et al. 2019,
arXiv 1902.06977).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from eval.exam import keys_of
from eval.examined import Examined
from eval.scores import STAGES, Stage
from eval.statistics import share_interval

BINS, FEWEST = 10, 10  # at most so many bins, with at least so many answers in each
DRAWS = 1000


@dataclass(frozen=True)
class Answer:
    """How sure a student was of an answer, in 0..1, whether it was right, and the scenario that it is about."""

    confidence: float
    right: bool
    scenario: str


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence: their mean confidence, their share right with its 95% interval, their number."""

    confidence: float
    share: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class Reliability:
    """The bins of one question and student, the least sure first.

    ``error`` is the expected calibration error in 0..1, ``by_chance`` what it would be on average for a student who is
    right exactly as often as its confidences say.
    """

    benchmark: str
    question: str
    stage: Stage
    bins: Sequence[Bin]
    error: float
    by_chance: float

    @property
    def n(self) -> int:
        """The number of answers."""
        return sum(one.n for one in self.bins)


def confidence_of(scores: Sequence[float]) -> float:
    """Return the softmax of the highest score."""
    most = max(scores)
    return 1 / sum(exp(score - most) for score in scores)


def by_confidence(examined: Iterable[Examined]) -> list[Reliability]:
    """Return the reliability of likelihood per benchmark, question, and student; of marks without scores nothing.

    The cause of EU is right or wrong by itself here, whatever the emotion was.
    """
    seen: dict[tuple[str, str, Stage], list[Answer]] = defaultdict(list)
    for one in examined:
        for stage in STAGES:
            mark = one.marks.get((stage, "likelihood"))
            if mark and mark.scores:
                names = ("EU emotion", "EU cause") if one.item.task == "EU" else ("EA",)
                for name, key, pick, scores in zip(names, keys_of(one.item), mark.picks, mark.scores, strict=True):
                    answer = Answer(confidence_of(scores), pick == key, one.item.scenario)
                    seen[one.benchmark, name, stage].append(answer)
    found = []
    for (benchmark, question, stage), answers in seen.items():
        groups = list(split_equally(answers))
        bins = [_fill(group) for group in groups]
        found.append(Reliability(benchmark, question, stage, bins, calibration_error(bins), error_by_chance(groups)))
    return sorted(found, key=lambda row: (row.benchmark, row.question, STAGES.index(row.stage)))


def split_equally(answers: Sequence[Answer], most: int = BINS, fewest: int = FEWEST) -> Iterator[list[Answer]]:
    """Yield groups of equally many answers, the least sure first; answers that are equally sure stay together."""
    ordered = sorted(answers, key=lambda answer: answer.confidence)
    count = max(1, min(most, len(ordered) // fewest))
    begin = 0
    for place in range(1, count + 1):
        end = place * len(ordered) // count
        while 0 < end < len(ordered) and ordered[end].confidence == ordered[end - 1].confidence:
            end += 1
        if end > begin:
            yield ordered[begin:end]
            begin = end


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the mean over answers of their bin's distance between share right and confidence."""
    return sum(one.n * abs(one.share - one.confidence) for one in bins) / sum(one.n for one in bins)


def error_by_chance(groups: Sequence[Sequence[Answer]], seed: int = 0) -> float:
    """Return the mean `calibration_error` where each answer is right with the probability that its confidence says."""
    random = np.random.default_rng(seed)
    gaps = np.zeros(DRAWS)
    for group in groups:
        confidences = np.array([answer.confidence for answer in group])
        right = random.random((DRAWS, len(group))) < confidences
        gaps += np.abs(right.sum(axis=1) - confidences.sum())
    return float(gaps.mean() / sum(map(len, groups)))


def _fill(group: Sequence[Answer]) -> Bin:
    right = [answer.right for answer in group]
    return Bin(
        confidence=sum(answer.confidence for answer in group) / len(group),
        share=sum(right) / len(group),
        interval=share_interval(right, [answer.scenario for answer in group]),
        n=len(group),
    )
