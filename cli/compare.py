"""`emoreason compare`: two prediction files, or two runs, item by item."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli.score import Benchmark
from corpus.errors import UsageError
from eval.predictions import Predictions, mark_predictions, read_predictions
from eval.scores import Comparison, Mark, adjust_together, compare
from eval.verdicts import explain, has_format_effect


@dataclass(frozen=True)
class Compared:
    """One task examined twice; ``alone`` are items that only one of the two answers, which are left out."""

    label: str
    n: int
    before: tuple[float, float]  # strict, lenient
    after: tuple[float, float]
    comparison: Comparison
    alone: int = 0

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
            **told,
            "is_format_effect": has_format_effect(self.comparison),
            "summary": explain(self.comparison),
        }


def compare_and_print(before: Path, after: Path, data: str, as_json: bool, console: Console) -> None:
    """Compare B with A and say whether it is better.

    Raises:
        UsageError: one is a run and the other a file, or they have no task in common.
        DataError: a file cannot be marked.
        RunError: a run is not examined yet.
    """
    if before.is_dir() != after.is_dir():
        raise UsageError(f"compare: of {before} and {after} one is a folder; name two prediction files, or two runs")
    if before.is_dir():
        from runs.paired import compare_runs

        found = [
            Compared(label, len(old), _shares(old), _shares(new), comparison)
            for label, old, new, comparison in compare_runs(before, after, data)
        ]
    else:
        found = list(_compare_files(read_predictions(before), read_predictions(after), Benchmark(data)))
    if not found:
        raise UsageError(f"compare: {before} and {after} have no task in common")
    corrected = adjust_together([one.comparison for one in found])
    found = [replace(one, comparison=comparison) for one, comparison in zip(found, corrected, strict=True)]
    if as_json:
        console.print_json(json.dumps([one.as_json() for one in found], ensure_ascii=False))
        return
    console.print(_tabulate(found))
    for one in found:
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
        yield Compared(f"EmoBench {one.task} {one.lang}", len(items), _shares(old), _shares(new), comparison, alone)


def _shares(marks: Sequence[Mark]) -> tuple[float, float]:
    return sum(mark.strict for mark in marks) / len(marks), sum(mark.lenient for mark in marks) / len(marks)


def _tabulate(found: Sequence[Compared]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("n", "reading", "A", "B", "B − A", "95%", "gained", "lost", "p", "p (Holm)"):
        table.add_column(name, justify="left" if name == "reading" else "right", no_wrap=True)
    for one in found:
        for place, (reading, difference) in enumerate(
            (("strict", one.comparison.strict), ("lenient", one.comparison.lenient))
        ):
            corrected = one.comparison.p_adjusted if reading == "lenient" else None
            table.add_row(
                one.label if not place else "", str(one.n) if not place else "", reading,
                f"{one.before[place]:.1%}", f"{one.after[place]:.1%}", f"{100 * difference.delta:+.1f}",
                f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}", str(difference.gained),
                str(difference.lost), f"{difference.p_value:.3g}", "" if corrected is None else f"{corrected:.3g}",
            )  # fmt: skip
    return table
