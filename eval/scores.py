"""From marked answers to the rows of a score table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.baselines import best_constant, chance_level
from eval.config import Mode
from eval.statistics import Difference, paired_difference, wilson_interval

Stage = Literal["before", "after"]


class Mark(BaseModel):
    """One examined item: what was written, how it was read, whether it was right under both readings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    raw: str
    answered: bool
    strict: bool
    lenient: bool
    rules: tuple[str, ...]


class ScoreRow(BaseModel):
    """One line of the score table; shares in 0..1, ``interval`` is Wilson's on the lenient share."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    task: Task
    mode: Mode
    stage: Stage
    n: int
    answered: float
    strict: float
    lenient: float
    interval: tuple[float, float]
    chance: float
    best_constant: float


class Comparison(BaseModel):
    """Before against after on the same items, under both readings, and the verdict that may be printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    task: Task
    mode: Mode
    strict: Difference
    lenient: Difference
    verdict: str


def score_row(
    items: Sequence[UnderstandingItem | ApplicationItem],
    marks: Iterable[Mark],
    benchmark: str,
    mode: Mode,
    stage: Stage,
) -> ScoreRow:
    """Summarise the marks of one task; ``marks`` must hold one mark per item, in any order."""
    by_id = {mark.id: mark for mark in marks}
    own = [by_id[item.qid] for item in items]
    right = sum(mark.lenient for mark in own)
    return ScoreRow(
        benchmark=benchmark,
        task=items[0].task,
        mode=mode,
        stage=stage,
        n=len(own),
        answered=sum(mark.answered for mark in own) / len(own),
        strict=sum(mark.strict for mark in own) / len(own),
        lenient=right / len(own),
        interval=wilson_interval(right, len(own)),
        chance=chance_level(items),
        best_constant=best_constant(items),
    )


def compare(
    items: Sequence[UnderstandingItem | ApplicationItem],
    before: Iterable[Mark],
    after: Iterable[Mark],
    benchmark: str,
    mode: Mode,
    row: ScoreRow,
) -> Comparison:
    """Compare two examinations item by item; "improved" needs both readings' intervals above zero."""
    old, new = {m.id: m for m in before}, {m.id: m for m in after}
    clusters = [item.scenario for item in items]
    readings: dict[str, Difference] = {
        name: paired_difference(
            [getattr(old[i.qid], name) for i in items], [getattr(new[i.qid], name) for i in items], clusters
        )
        for name in ("strict", "lenient")
    }
    return Comparison(
        benchmark=benchmark,
        task=items[0].task,
        mode=mode,
        strict=readings["strict"],
        lenient=readings["lenient"],
        verdict=_judge(readings["strict"], readings["lenient"], row),
    )


def _judge(strict: Difference, lenient: Difference, after: ScoreRow) -> str:
    at_chance = after.interval[0] <= after.chance <= after.interval[1]
    if strict.is_gain and lenient.is_gain:
        return "improved"
    if strict.high < 0 and lenient.high < 0:
        return "worse"
    if at_chance:
        return "no change shown; at chance"
    return "no change shown"


def by_task(
    items: Iterable[UnderstandingItem | ApplicationItem],
) -> dict[Task, list[UnderstandingItem | ApplicationItem]]:
    """Group items by task."""
    groups: dict[Task, list[UnderstandingItem | ApplicationItem]] = defaultdict(list)
    for item in items:
        groups[item.task].append(item)
    return dict(groups)
