"""`emoreason compare`: two prediction files, or two runs, item by item."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.score import Benchmark
from corpus.errors import DataError, UsageError
from eval.baselines import Posed, measure_baselines, say_baselines
from eval.config import HUB
from eval.predictions import Predictions, mark_predictions, read_predictions
from eval.scores import Comparison, Mark, adjust_together, compare
from eval.verdicts import explain, has_format_effect


@dataclass(frozen=True)
class Compared:
    """One task examined twice; ``alone`` are items that only one of the two answers, which are left out."""

    label: str
    items: Sequence[Posed]
    before: tuple[float, float]  # strict, lenient
    after: tuple[float, float]
    comparison: Comparison
    alone: int = 0

    @property
    def n(self) -> int:
        """The number of items that both were asked."""
        return len(self.items)

    @cached_property
    def baselines(self) -> dict[str, float]:
        """What the items give without understanding, in 0..1."""
        return measure_baselines(self.items).named

    def as_json(self) -> dict[str, Any]:
        """Return all figures; shares and differences in 0..1."""
        told = self.comparison.model_dump(mode="json", exclude={"against"})
        names = ("strict", "lenient")
        return {
            "label": self.label,
            "n": self.n,
            "only_in_one": self.alone,
            "before": dict(zip(names, self.before, strict=True)),
            "after": dict(zip(names, self.after, strict=True)),
            "baselines": self.baselines,
            **told,
            "is_format_effect": has_format_effect(self.comparison),
            "summary": explain(self.comparison),
        }


def compare_and_print(before: Path, after: Path, data: str | None, as_json: bool, console: Console) -> None:
    """Compare B with A and say whether it is better.

    Args:
        data: where EmoBench is; None: for runs where the recipe of A says, for files the hub.

    Raises:
        UsageError: one is a run and the other a file, or they have no task in common.
        DataError: a file cannot be read or marked.
        RunError: a run is not examined yet.
    """
    from runs.examination import PREDICTIONS, SETTINGS

    for path in (before, after):
        if not path.exists():
            raise DataError(f"{path}: cannot be read (it is not there); name two prediction files, or two runs")
        if (path / SETTINGS).exists():
            raise UsageError(f"compare: {path} is an exam of one model; name the files below {path / PREDICTIONS}")
    if before.is_dir() != after.is_dir():
        raise UsageError(f"compare: of {before} and {after} one is a folder; name two prediction files, or two runs")
    if before.is_dir():
        from runs.paired import compare_runs

        found = [
            Compared(one.label, one.items, _shares(one.before), _shares(one.after), one.comparison)
            for one in compare_runs(before, after, data)
        ]
    else:
        found = list(_compare_files(read_predictions(before), read_predictions(after), Benchmark(data or HUB)))
    if not found:
        raise UsageError(f"compare: {before} and {after} have no task in common")
    corrected = adjust_together([one.comparison for one in found])
    found = [replace(one, comparison=comparison) for one, comparison in zip(found, corrected, strict=True)]
    if as_json:
        console.print_json(json.dumps([one.as_json() for one in found], ensure_ascii=False))
        return
    for one in found:
        console.print(_tabulate(one))
        said = f"without understanding: {say_baselines(one.baselines)}"
        console.print(said, style="dim", markup=False, highlight=False, soft_wrap=True)
        console.print(f"{one.label}: {explain(one.comparison)}", markup=False, highlight=False, soft_wrap=True)
        if one.alone:
            said = f"{one.label}: {one.alone} items are answered by only one of the two, and left out"
            console.print(said, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _compare_files(
    before: Sequence[Predictions], after: Sequence[Predictions], benchmark: Benchmark
) -> Iterator[Compared]:
    others = {(one.task, one.lang): one for one in after}
    for one in before:
        if (other := others.get((one.task, one.lang))) is None:
            continue
        known = benchmark.items(one.task, one.lang)
        old, new = mark_predictions(one, known), mark_predictions(other, known)
        both = one.rows.keys() & other.rows.keys()
        items = [item for item in known if item.qid in both]
        if not items:
            continue
        old, new = [mark for mark in old if mark.id in both], [mark for mark in new if mark.id in both]
        comparison = compare(items, old, new, "EmoBench", "generate")
        alone = len(one.rows.keys() ^ other.rows.keys())
        label = f"EmoBench {one.task} {one.lang}"
        yield Compared(label, items, _shares(old), _shares(new), comparison, alone)


def _shares(marks: Sequence[Mark]) -> tuple[float, float]:
    return sum(mark.strict for mark in marks) / len(marks), sum(mark.lenient for mark in marks) / len(marks)


def _tabulate(one: Compared) -> Table:
    title = f"{escape(one.label)}, {one.n:,} items"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("reading", "A", "B", "B − A", "95%", "gained", "lost", "p", "Holm’s"):
        table.add_column(name, justify="left" if name == "reading" else "right", no_wrap=True)
    for place, (reading, difference) in enumerate(
        (("strict", one.comparison.strict), ("lenient", one.comparison.lenient))
    ):
        corrected = one.comparison.p_adjusted if reading == "lenient" else None
        table.add_row(
            reading, f"{one.before[place]:.1%}", f"{one.after[place]:.1%}", f"{100 * difference.delta:+.1f}",
            f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}", str(difference.gained),
            str(difference.lost), f"{difference.p_value:.2g}", "" if corrected is None else f"{corrected:.2g}",
        )  # fmt: skip
    return table
