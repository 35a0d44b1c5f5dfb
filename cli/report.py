"""`emoreason report` of several run folders: compared in the terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpus.errors import RunError, UsageError
from corpus.jsonl import write_text_atomically
from corpus.text import reason_of
from eval.baselines import say_baselines
from eval.comparison_page import BenchmarkScores, RunComparison, group_scores, render_comparison
from runs.comparison import compare_all

COMPARISON = Path("out/comparison.html")


def compare_and_write(paths: Sequence[Path], to: Path, emobench: str | None, console: Console) -> None:
    """Print the scores of the runs and how each compares with the first, and write the page.

    Raises:
        UsageError: a path is a file, or a run is named twice.
        RunError: a folder is no run, or its exam is not done, or the page cannot be written.
        DataError: items that must be compared cannot be read.
    """
    for path in paths:
        if path.is_file():
            raise UsageError(f"report: {path} is a file; name run folders to compare, or one recipe alone")
    comparison = compare_all(paths, emobench)
    for benchmark in group_scores(comparison):
        console.print(_tabulate(benchmark))
        for line in _say_baselines(benchmark):
            console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    for pair in comparison.pairs:
        one = pair.comparison
        console.print(
            f"{one.benchmark} {one.task}, {one.mode}, {pair.run} against {comparison.first}, {pair.n} items: "
            f"{': '.join(pair.said)}; p {one.p_adjusted:.3g} (Holm)",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    for name, runs in comparison.unpaired.items():
        said = f"{name}: not compared with {comparison.first}, for they were asked other items: {', '.join(runs)}"
        console.print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if comparison.differing:
        console.print(_tabulate_differing(comparison))
    else:
        console.print("the recipes are the same", highlight=False)
    try:
        write_text_atomically(to, render_comparison(comparison))
    except OSError as error:
        raise RunError(f"{to}: cannot be written ({reason_of(error)}); choose another file with --to") from error
    console.print(f"comparison: {to}", markup=False, highlight=False, soft_wrap=True)


def _tabulate(benchmark: BenchmarkScores) -> Table:
    title = f"\n{escape(benchmark.name)}: percent right"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("task", no_wrap=True)
    for name in ("n", "answered", "strict", "lenient", "95%", "chance"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in benchmark.groups:
        for run, row in group.rows.items():
            table.add_row(
                escape(run), f"{row.task} {row.mode}", str(row.n),
                *(f"{100 * share:.1f}" for share in (row.answered, row.strict, row.lenient)),
                f"{100 * row.interval[0]:.1f}–{100 * row.interval[1]:.1f}", f"{100 * row.chance:.1f}",
            )  # fmt: skip
    return table


def _say_baselines(benchmark: BenchmarkScores) -> list[str]:
    """Say once per task what no understanding scores, or once per run where the runs were asked other items."""
    lines = []
    for task in dict.fromkeys(group.task for group in benchmark.groups):
        own = {
            run: say_baselines(row.baselines)
            for group in benchmark.groups
            for run, row in group.rows.items()
            if group.task == task
        }
        alike = len(set(own.values())) == 1
        said = {"": next(iter(own.values()))} if alike else {f", {run}": line for run, line in own.items()}
        lines += [f"without understanding, {task}{where}: {line}" for where, line in said.items()]
    return lines


def _tabulate_differing(comparison: RunComparison) -> Table:
    table = Table(title="\nWhat differs", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("key", overflow="fold")
    for run in comparison.runs:
        table.add_column(escape(run.name), overflow="fold")
    for key, values in comparison.differing.items():
        table.add_row(escape(key), *map(escape, values))
    return table
