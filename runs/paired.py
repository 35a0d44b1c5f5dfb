"""Two runs compared: their tuned students, on every benchmark that both examined in the same mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.records import ApplicationItem, UnderstandingItem
from eval.config import HUB
from eval.emobench import load_emobench
from eval.scores import Comparison, Mark, ScoreRow, by_task, compare
from runs.examined import read_benchmark
from runs.folder import Run, read_run
from runs.marks import EMOBENCH, read_marks

Items = Sequence[UnderstandingItem | ApplicationItem]


@dataclass(frozen=True)
class Paired:
    """One task of a benchmark that two examinees were asked in one mode: the items of both, and what each answered."""

    label: str
    items: Items
    before: Sequence[Mark]
    after: Sequence[Mark]
    comparison: Comparison


def compare_runs(before: Path, after: Path, data: str | None = None) -> Iterator[Paired]:
    """Compare the tuned student of B with that of A, per benchmark, task, and mode.

    Args:
        data: where EmoBench is; None: where the recipe of A says.

    Held-out items, be they their own or another run's, are compared only where both runs were asked the same ones.

    Raises:
        RunError: a run is not examined.
        DataError: EmoBench is needed and cannot be had from ``data``, or a file of items cannot be read.
    """
    one, other = read_run(before), read_run(after)
    asked = [[ScoreRow.model_validate(row) for row in run.require("exam")["exam"]] for run in (one, other)]
    keys = [{(row.benchmark, row.task, row.mode) for row in rows if row.stage == "after"} for rows in asked]
    shared = [key for key in dict.fromkeys((r.benchmark, r.task, r.mode) for r in asked[0]) if key in keys[0] & keys[1]]
    emobench = data or one.recipe.exam.emobench or HUB
    items = {name: _items(name, one, other, emobench) for name in dict.fromkeys(name for name, _, _ in shared)}
    for name, task, mode in shared:
        known = by_task(items[name]).get(task, [])
        old, new = (read_marks(run, "after", mode, name) for run in (one, other))
        both = [item for item in known if item.qid in old and item.qid in new]
        if not both:
            continue
        first, second = ([marked[item.qid] for item in both] for marked in (old, new))
        yield Paired(f"{name} {task}, {mode}", both, first, second, compare(both, first, second, name, mode))


def _items(name: str, one: Run, other: Run, data: str) -> Items:
    if name == EMOBENCH:
        return load_emobench(data)
    theirs = {item.qid: item for item in read_benchmark(other, name)}
    return [item for item in read_benchmark(one, name) if theirs.get(item.qid) == item]
