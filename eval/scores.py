"""From marked answers to the rows of a score table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.baselines import best_constant, chance_level
from eval.config import Mode
from eval.statistics import Change, Difference, adjust, paired_change, paired_difference, share_interval

# Untuned with the plain prompt, untuned with a compiled one, tuned: in this order they stand in tables.
Stage = Literal["before", "prompted", "after"]
STAGES: tuple[Stage, ...] = get_args(Stage)
IMPROVED, WORSE = "improved", "worse"


class Mark(BaseModel):
    """One examined item: what was written, how it was read, whether it was right under both readings.

    ``picks`` are the options of each question as read leniently, by index; empty in journals of earlier versions.
    ``scores`` are, per question, those by which likelihood picked, one per option in the order of the item; empty for
    written answers and in journals of earlier versions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    raw: str
    answered: bool
    strict: bool
    lenient: bool
    rules: tuple[str, ...]
    picks: tuple[int | None, ...] = ()
    scores: tuple[tuple[float, ...], ...] = ()


class ScoreRow(BaseModel):
    """One line of the score table; shares in 0..1, ``interval`` is that of `share_interval` on the lenient share."""

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
    """The tuned student against an untuned one on the same items, and the verdict that may be printed.

    ``against`` is the prompt of the untuned one: the plain one (before), or a compiled one (prompted).
    ``answered_twice`` compares the lenient readings of the items that were answered both times, so that a student who
    merely answers more, or in a readable form, is not taken for one who understands more; None when there are none.
    ``format_effect`` is the part of the strict difference that the lenient reading does not see: what the official
    scorer takes for understanding, and is form.  ``p_adjusted`` is Holm's, over all comparisons made at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    task: Task
    mode: Mode
    strict: Difference
    lenient: Difference
    answered_twice: Difference | None
    verdict: str
    against: Stage = "before"
    format_effect: Change | None = None  # None in what earlier versions stored
    p_adjusted: float | None = None


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
    right = [mark.lenient for mark in own]
    return ScoreRow(
        benchmark=benchmark,
        task=items[0].task,
        mode=mode,
        stage=stage,
        n=len(own),
        answered=sum(mark.answered for mark in own) / len(own),
        strict=sum(mark.strict for mark in own) / len(own),
        lenient=sum(right) / len(own),
        interval=share_interval(right, [item.scenario for item in items]),
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
    against: Stage = "before",
) -> Comparison:
    """Compare two examinations item by item; see `_judge` for what may be called an improvement.

    Args:
        before: marks of the untuned student at stage ``against``; after, row: those of the tuned one.
    """
    old, new = {m.id: m for m in before}, {m.id: m for m in after}

    def difference(name: str, among: Sequence[UnderstandingItem | ApplicationItem]) -> Difference:
        return paired_difference(
            [getattr(old[item.qid], name) for item in among],
            [getattr(new[item.qid], name) for item in among],
            [item.scenario for item in among],
        )

    strict, lenient = difference("strict", items), difference("lenient", items)
    twice = [item for item in items if old[item.qid].answered and new[item.qid].answered]
    answered_twice = difference("lenient", twice) if twice else None
    return Comparison(
        benchmark=benchmark,
        task=items[0].task,
        mode=mode,
        strict=strict,
        lenient=lenient,
        answered_twice=answered_twice,
        verdict=_judge(strict, lenient, answered_twice, row),
        against=against,
        format_effect=paired_change(
            [old[item.qid].strict - old[item.qid].lenient for item in items],
            [new[item.qid].strict - new[item.qid].lenient for item in items],
            [item.scenario for item in items],
        ),
    )


def adjust_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Give comparisons that are made at once the p of their lenient difference, corrected for all of them."""
    corrected = adjust([comparison.lenient.p_value for comparison in comparisons])
    return [
        comparison.model_copy(update={"p_adjusted": p}) for comparison, p in zip(comparisons, corrected, strict=True)
    ]


def tabulate(
    items: Sequence[UnderstandingItem | ApplicationItem],
    marks: Mapping[Stage, Sequence[Mark]],
    benchmark: str,
    mode: Mode,
) -> tuple[list[ScoreRow], list[Comparison]]:
    """Return the rows of all examinations of one task in one mode, and what tuning changed against each untuned one.

    Args:
        marks: those of the stages that were examined; ``before`` and ``after`` are among them.
    """
    rows = {stage: score_row(items, marks[stage], benchmark, mode, stage) for stage in STAGES if stage in marks}
    comparisons = [
        compare(items, marks[stage], marks["after"], benchmark, mode, rows["after"], stage)
        for stage in rows
        if stage != "after"
    ]
    plain, rival = comparisons[0], comparisons[-1]  # one and the same where no compiled prompt was tried
    return list(rows.values()), [weigh(plain, rival), *comparisons[1:]]


def weigh(comparison: Comparison, rival: Comparison) -> Comparison:
    """Take "improved" back where a compiled prompt does as well without any tuning.

    Args:
        comparison: tuned against the plain prompt; rival: tuned against the compiled one, on the same items.
    """
    if comparison.verdict != IMPROVED or rival.verdict == IMPROVED:
        return comparison
    worse = rival.verdict == WORSE
    beside = "worse than the compiled one" if worse else "not shown to be better than the compiled one"
    return comparison.model_copy(update={"verdict": f"better than the plain prompt; {beside}"})


def _judge(strict: Difference, lenient: Difference, answered_twice: Difference | None, after: ScoreRow) -> str:
    """Say "improved" only for a gain under both readings, above chance, that answering more does not explain."""
    if strict.high < 0 and lenient.high < 0:
        return WORSE
    if not (strict.is_gain and lenient.is_gain):
        at_chance = after.interval[0] <= after.chance <= after.interval[1]
        return "no change shown; at chance" if at_chance else "no change shown"
    if after.interval[0] <= after.chance:
        return "answers more; not above chance"
    if answered_twice is None or not answered_twice.is_gain:
        return "answers more; not shown to be better"
    return IMPROVED


def by_task(
    items: Iterable[UnderstandingItem | ApplicationItem],
) -> dict[Task, list[UnderstandingItem | ApplicationItem]]:
    """Group items by task."""
    groups: dict[Task, list[UnderstandingItem | ApplicationItem]] = defaultdict(list)
    for item in items:
        groups[item.task].append(item)
    return dict(groups)
