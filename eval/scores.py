"""From marked answers to the rows of a score table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.baselines import NAMES, Baselines, best_constant, chance_level, say_baselines
from eval.config import Mode
from eval.statistics import Change, Difference, adjust, paired_change, paired_difference, share_interval

# Untuned with the plain prompt, untuned with a compiled one, tuned: in this order they stand in tables.
Stage = Literal["before", "prompted", "after"]
STAGES: tuple[Stage, ...] = get_args(Stage)
IMPROVED, WORSE = "improved", "worse"
LEVEL = 0.05  # above it, Holm's p takes a verdict back


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
    """One line of the score table; shares in 0..1, ``interval`` is that of `share_interval` on the lenient share.

    The last four are what no understanding scores on these items, see `eval.baselines`; those that rows of earlier
    versions lack are None.
    """

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
    longest_option: float | None = None
    choices_only: float | None = None

    @property
    def baselines(self) -> dict[str, float]:
        """What no understanding scores, by the names under which it is printed, as far as it is known."""
        known = {said: getattr(self, name) for name, said in NAMES.items()}
        return {said: share for said, share in known.items() if share is not None}


class Comparison(BaseModel):
    """The tuned student against an untuned one on the same items, and the verdict that may be printed.

    ``against`` is the prompt of the untuned one: the plain one (before), or a compiled one (prompted).
    ``answered_twice`` compares the lenient readings of the items that were answered both times, so that a student who
    merely answers more, or in a readable form, is not taken for one who understands more; None when there are none.
    ``format_effect`` is the part of the strict difference that the lenient reading does not see: what the official
    scorer takes for understanding, and is form.  ``p_adjusted`` is Holm's, over all comparisons made at once, and the
    verdict heeds it, see `adjust_together`.
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
    baselines: Baselines,
) -> ScoreRow:
    """Summarise the marks of one task.

    Args:
        marks: one per item, in any order; baselines: those of the items.
    """
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
        **asdict(baselines),
    )


def compare(
    items: Sequence[UnderstandingItem | ApplicationItem],
    before: Iterable[Mark],
    after: Iterable[Mark],
    benchmark: str,
    mode: Mode,
    against: Stage = "before",
) -> Comparison:
    """Compare two examinations item by item; see `_judge` for what may be called an improvement.

    Args:
        before: marks of the untuned student at stage ``against``; after: those of the tuned one.
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
        verdict=_judge(items, strict, lenient, answered_twice, [new[item.qid].lenient for item in items]),
        against=against,
        format_effect=paired_change(
            [old[item.qid].strict - old[item.qid].lenient for item in items],
            [new[item.qid].strict - new[item.qid].lenient for item in items],
            [item.scenario for item in items],
        ),
    )


def adjust_together(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Give comparisons that are made at once the p of their lenient difference, corrected for all of them.

    "Improved" and "worse" are taken back where that p lies above `LEVEL`: of twenty comparisons one shows a difference
    by chance.
    """
    corrected = adjust([comparison.lenient.p_value for comparison in comparisons])
    return [_correct(one, p, len(comparisons)) for one, p in zip(comparisons, corrected, strict=True)]


def _correct(comparison: Comparison, p: float, count: int) -> Comparison:
    verdict = comparison.verdict
    if verdict in (IMPROVED, WORSE) and p > LEVEL:
        verdict = f"{verdict}, were it the only comparison; no difference shown among all {count}"
    return comparison.model_copy(update={"p_adjusted": p, "verdict": verdict})


def tabulate(
    items: Sequence[UnderstandingItem | ApplicationItem],
    marks: Mapping[Stage, Sequence[Mark]],
    benchmark: str,
    mode: Mode,
    baselines: Baselines,
) -> tuple[list[ScoreRow], list[Comparison]]:
    """Return the rows of all examinations of one task in one mode, and what tuning changed against each untuned one.

    Args:
        marks: those of the stages that were examined; ``before`` and ``after`` are among them.
        baselines: those of the items.
    """
    rows = {
        stage: score_row(items, marks[stage], benchmark, mode, stage, baselines) for stage in STAGES if stage in marks
    }
    comparisons = [
        compare(items, marks[stage], marks["after"], benchmark, mode, stage) for stage in rows if stage != "after"
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


def _judge(
    items: Sequence[UnderstandingItem | ApplicationItem],
    strict: Difference,
    lenient: Difference,
    answered_twice: Difference | None,
    right: Sequence[bool],
) -> str:
    """Say "improved" only for a gain under both readings that answering more does not explain, above what is for free.

    For free are chance, above which the whole interval must lie, and the best answer that is always the same letter.

    Args:
        right: whether the tuned student was, read leniently, per item.
    """
    if strict.high < 0 and lenient.high < 0:
        return WORSE
    low, high = share_interval(right, [item.scenario for item in items])
    chance = chance_level(items)
    if not (strict.is_gain and lenient.is_gain):
        return "no change shown; at chance" if low <= chance <= high else "no change shown"
    if low <= chance:
        return "answers more; not above chance"
    if answered_twice is None or not answered_twice.is_gain:
        return "answers more; not shown to be better"
    if sum(right) / len(right) <= best_constant(items):
        return "more answers right; not above the best constant answer"
    return IMPROVED


def say_rows(rows: Iterable[ScoreRow]) -> list[str]:
    """Return a line per task that says what no understanding scores on the items of rows of one benchmark."""
    known = {row.task: row.baselines for row in rows}
    return [f"without understanding, {task}: {say_baselines(baselines)}" for task, baselines in known.items()]


def by_task(
    items: Iterable[UnderstandingItem | ApplicationItem],
) -> dict[Task, list[UnderstandingItem | ApplicationItem]]:
    """Group items by task."""
    groups: dict[Task, list[UnderstandingItem | ApplicationItem]] = defaultdict(list)
    for item in items:
        groups[item.task].append(item)
    return dict(groups)
