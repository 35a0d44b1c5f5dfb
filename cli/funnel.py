"""The funnel of a run as a table in the terminal."""

from __future__ import annotations

from rich.bar import Bar
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpus.funnel import FunnelStep, build_funnel
from runs.folder import Run

BAR = 12  # columns, so that reasons have room in a terminal of 80


def show_funnel(run: Run, console: Console) -> None:
    """Print the funnel of a run as far as its stages are done; raises RunError when `generate` is not done."""
    curated = run.finished("curate")
    steps = build_funnel(run.require("generate"), run.finished("verify"), curated)
    print_funnel(steps, curated["short"] if curated else {}, console)


def print_funnel(steps: list[FunnelStep], short: dict[str, int], console: Console) -> None:
    """Print each step with its count, its share of the step before, a bar, and what was lost; then the short cells."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", no_wrap=True)
    table.add_column("left", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", width=BAR, no_wrap=True)
    table.add_column("lost here", overflow="fold")
    scale = 0
    for step in steps:
        if step.of is None:  # another thing is counted from here on
            scale = step.count
        share = "" if step.share is None else f"{100 * step.share:.1f}%"
        lost = "\n".join(f"{count:,} {escape(reason)}" for reason, count in sorted(step.lost.items(), key=_most_first))
        table.add_row(step.name, f"{step.count:,}", share, Bar(max(scale, 1), 0, step.count, width=BAR), lost)
    console.print(table)
    if short:
        cells = ", ".join(f"{cell} {count:,}" for cell, count in short.items())
        console.print(f"fewer than asked for: {cells}", markup=False, highlight=False, soft_wrap=True)


def _most_first(loss: tuple[str, int]) -> tuple[int, str]:
    return -loss[1], loss[0]
