"""Classical item analysis: how hard an item is, whether it tells strong examinees from weak, what each option does.

*Difficulty* p is the share of answers that are right (an answer that cannot be read is wrong).  *Discrimination* is the
corrected item-total correlation: the point-biserial correlation between being right on the item and the share right on
all other items (Lord & Novick, 1968, ch. 15; the item itself is left out, or a short test would praise every item).
An option that nobody chooses does nothing for an item (Haladyna & Downing, 1993), and one that draws more than the key
speaks for a wrong key or for two right answers (Haladyna & Rodriguez, 2013, ch. 17).  The bounds, p in [.2, .95] and
discrimination from .2, are common practice (Haladyna & Rodriguez; for generated items QG-SMS, arXiv 2503.05888).

Examinees here are models, each asked several times.  Answers of one model are alike, so that three models with four
answers each tell less than twelve examinees would; the interval of a discrimination takes them for twelve, and is
therefore the narrowest that can be claimed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import norm, pointbiserialr

from corpus.records import Item, Task, cell_of
from eval.resampling import CONFIDENCE
from eval.statistics import wilson_interval

Flag = Literal[
    "too easy", "too hard", "negative discrimination", "low discrimination", "distractor never chosen",
    "distractor above the key",
]  # fmt: skip
HARD, EASY = 0.2, 0.95
DISCRIMINATES = 0.2
MIN_EXAMINEES = 6  # fewer give no correlation worth a number: at 5 its 95% interval spans nearly all there is
QUESTIONS: dict[Task, tuple[str, ...]] = {"EU": ("emotion", "cause"), "EA": ("option",)}


class PanelAnswer(BaseModel):
    """One answer of one model to one item: the option chosen per question, or None where none could be read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    item: str
    model: str
    sample: int
    picks: tuple[str | None, ...]

    def is_right(self, item: Item) -> bool:
        """Whether every question of ``item`` got its key."""
        return self.picks == tuple(label for _, label in item.questions)


class QuestionAnalysis(BaseModel):
    """One question: the share right, and the share of the answers that each option drew, in the item's order.

    ``unread`` is the share without an option; ``unchosen`` and ``above_key`` name distractors by their text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str
    right: float
    key: int
    shares: tuple[float, ...]
    unread: float
    unchosen: tuple[str, ...]
    above_key: tuple[str, ...]


class ItemAnalysis(BaseModel):
    """One item; shares in 0..1, ``interval`` is Wilson's on the difficulty.

    ``discrimination`` is None where it cannot be estimated: fewer than six examinees answered, all alike, or all with
    the same score on the rest.  Its interval is Fisher's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    task: Task
    cell: str
    answers: int
    difficulty: float
    interval: tuple[float, float]
    discrimination: float | None
    discrimination_interval: tuple[float, float] | None
    questions: tuple[QuestionAnalysis, ...]
    flags: tuple[Flag, ...]


class ModelSummary(BaseModel):
    """One model of the panel: over how many items and answers, the share right, and its 95% Wilson interval.

    The interval counts items, not answers: several answers to one item are no independent ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str
    items: int
    answers: int
    unread: float
    right: float
    interval: tuple[float, float]


def analyse_answers(items: Sequence[Item], answers: Iterable[PanelAnswer]) -> list[ItemAnalysis]:
    """Analyse the items that were answered, in their order.

    Args:
        items: the items that were asked.
        answers: at most one per item, model, and sample; an examinee is a model's sample, and may lack items.

    Raises:
        KeyError: an answer belongs to none of the items.
    """
    by_item: dict[str, list[PanelAnswer]] = {item.qid: [] for item in items}
    for answer in answers:
        by_item[answer.item].append(answer)
    asked = [item for item in items if by_item[item.qid]]
    examinees = sorted({(answer.model, answer.sample) for given in by_item.values() for answer in given})
    right = np.full((len(examinees), len(asked)), np.nan)
    places = {examinee: place for place, examinee in enumerate(examinees)}
    for column, item in enumerate(asked):
        for answer in by_item[item.qid]:
            right[places[answer.model, answer.sample], column] = answer.is_right(item)
    correlations = discriminations(right)
    return [
        _analyse(item, by_item[item.qid], right[:, column], correlations[column]) for column, item in enumerate(asked)
    ]


def discriminations(right: NDArray[np.float64]) -> list[float | None]:
    """Return the corrected item-total correlation of each column, None where it cannot be estimated.

    Args:
        right: examinees × items, 1 for right, 0 for wrong, NaN for not answered.
    """
    totals, counts = np.nansum(right, axis=1), np.sum(~np.isnan(right), axis=1)
    return [_discrimination(column, totals, counts) for column in right.T]


def _discrimination(column: NDArray[np.float64], totals: NDArray[np.float64], counts: NDArray[np.int_]) -> float | None:
    there = ~np.isnan(column) & (counts > 1)
    own = column[there]
    if len(own) < MIN_EXAMINEES:
        return None
    rest = (totals[there] - own) / (counts[there] - 1)
    if np.ptp(own) == 0 or np.ptp(rest) < 1e-9:  # a correlation with what does not vary is not defined
        return None
    return float(pointbiserialr(own, rest).statistic)


def correlation_interval(r: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of a correlation over ``n`` > 3 pairs, by Fisher's z (1921)."""
    if abs(r) >= 1 - 1e-12:
        return r, r
    half = float(norm.ppf(0.5 + CONFIDENCE / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def summarise_models(items: Sequence[Item], answers: Iterable[PanelAnswer]) -> list[ModelSummary]:
    """Summarise each model over the items that it answered, the best first."""
    by_qid = {item.qid: item for item in items}
    given: dict[str, list[PanelAnswer]] = defaultdict(list)
    for answer in answers:
        given[answer.model].append(answer)
    summaries = []
    for model, own in given.items():
        asked = len({answer.item for answer in own})
        right = sum(answer.is_right(by_qid[answer.item]) for answer in own) / len(own)
        summaries.append(
            ModelSummary(
                model=model, items=asked, answers=len(own), right=right,
                unread=sum(None in answer.picks for answer in own) / len(own),
                interval=wilson_interval(round(right * asked), asked),
            )
        )  # fmt: skip
    return sorted(summaries, key=lambda summary: (-summary.right, summary.model))


def _analyse(
    item: Item, answers: Sequence[PanelAnswer], right: NDArray[np.float64], discrimination: float | None
) -> ItemAnalysis:
    n = len(answers)
    questions = tuple(
        _analyse_question(name, choices, choices.index(label), [answer.picks[number] for answer in answers])
        for number, (name, (choices, label)) in enumerate(zip(QUESTIONS[item.task], item.questions, strict=True))
    )
    difficulty = float(np.nanmean(right))
    return ItemAnalysis(
        id=item.qid,
        task=item.task,
        cell=cell_of(item),
        answers=n,
        difficulty=difficulty,
        interval=wilson_interval(int(np.nansum(right)), n),
        discrimination=discrimination,
        discrimination_interval=None if discrimination is None else correlation_interval(discrimination, n),
        questions=questions,
        flags=tuple(_flags(difficulty, discrimination, questions)),
    )


def _analyse_question(name: str, choices: Sequence[str], key: int, picks: Sequence[str | None]) -> QuestionAnalysis:
    drawn = Counter(picks)
    label = choices[key]
    return QuestionAnalysis(
        question=name,
        right=drawn[label] / len(picks),
        key=key,
        shares=tuple(drawn[choice] / len(picks) for choice in choices),
        unread=drawn[None] / len(picks),
        unchosen=tuple(choice for choice in choices if choice != label and not drawn[choice]),
        above_key=tuple(choice for choice in choices if drawn[choice] > drawn[label]),
    )


def _flags(difficulty: float, discrimination: float | None, questions: Sequence[QuestionAnalysis]) -> Iterable[Flag]:
    if difficulty > EASY:
        yield "too easy"
    if difficulty < HARD:
        yield "too hard"
    if discrimination is not None and discrimination < 0:
        yield "negative discrimination"
    elif discrimination is not None and discrimination < DISCRIMINATES:
        yield "low discrimination"
    if any(question.unchosen for question in questions):
        yield "distractor never chosen"
    if any(question.above_key for question in questions):
        yield "distractor above the key"
