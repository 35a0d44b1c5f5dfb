"""`emoreason run` with a recipe of several rounds: after each, how all rounds so far compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli.compile import compile_and_show, name_weak
from eval.scores import Comparison, ScoreRow, say_rows
from optimizers.config import Kind
from runs.compiling.order import Order
from runs.feedback import heed_feedback
from runs.folder import Run
from runs.marks import EMOBENCH, HELDOUT
from runs.recipe import Recipe
from runs.rounds import Round, run_rounds


def run_and_print_rounds(recipe: Recipe, path: Path, console: Console) -> None:
    """Run the rounds of a recipe and print their table after each; raises EmoReasonError, see `run_rounds`."""
    run_rounds(recipe, path, console, compile_kind, lambda rounds: print_rounds(rounds, console))
    console.print(f"all figures: {path / 'rounds.json'}", soft_wrap=True, highlight=False)


def compile_kind(recipe: Recipe, kind: Kind, console: Console, *, feedback: Run) -> Path:
    """Compile a program for the round after ``feedback``, print what it brought, and return its folder.

    The exam prompt is compiled on the training items of that round.
    """
    order = Order(heed_feedback(recipe, feedback), kind, run=feedback if kind == "exam" else None)
    compile_and_show(order, console, dry_run=False)
    return order.root / order.name


def print_rounds(rounds: Sequence[Round], console: Console) -> None:
    """Print sizes and scores of all rounds, how each compares with the one before, and what the next one plans."""

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    console.print(_sizes(rounds))
    console.print(_scores(rounds))
    last = rounds[-1]
    for name, rows in (
        ("held-out of round 1", last.yardstick),
        (EMOBENCH, [row for row in last.scores if row.benchmark == EMOBENCH]),
    ):
        for line in say_rows(rows):
            say(f"{name}, {line}")
    for one in rounds[1:]:
        for change in one.changes:
            say(_describe(one, change))
    say(f"weak in round {last.number}: {name_weak(last.weaknesses)}")
    more = [f"{cell} ×{weight:g}" for cell, weight in last.next_weights.items() if weight != last.weights.get(cell)]
    say(f"weights that the next round would change: {', '.join(more) or 'none'}")


def _sizes(rounds: Sequence[Round]) -> Table:
    table = _table("Rounds")
    for column in ("round", "sessions", "items", "trained on"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in rounds:
        table.add_row(*(f"{count:,}" for count in (one.number, one.sessions, one.items, one.trained_on)))
    return table


def _scores(rounds: Sequence[Round]) -> Table:
    """Percent right of each round's student, as read leniently, with its interval (`share_interval`)."""
    examined = any(row.benchmark == EMOBENCH for one in rounds for row in one.scores)
    table = _table("Tuned student: percent right, 95% interval")
    table.add_column("test", no_wrap=True)
    for column in ("round", "own held-out", "held-out of round 1", *([EMOBENCH] if examined else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for task, mode in dict.fromkeys((row.task, row.mode) for row in rounds[0].yardstick):
        for one in rounds:
            own, bench = (
                [row for row in one.scores if row.benchmark == name and (row.task, row.mode) == (task, mode)]
                for name in (HELDOUT, EMOBENCH)
            )
            yardstick = [row for row in one.yardstick if (row.task, row.mode) == (task, mode)]
            cells = [_percent(own), _percent(yardstick), *([_percent(bench)] if examined else [])]
            table.add_row(f"{task} {mode}", str(one.number), *cells)
    return table


def _table(title: str) -> Table:
    return Table(title=f"\n{title}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)


def _percent(rows: Sequence[ScoreRow]) -> str:
    return ", ".join(f"{100 * row.lenient:.1f} ({_range(row)})" for row in rows)


def _range(row: ScoreRow) -> str:
    return f"{100 * row.interval[0]:.1f}–{100 * row.interval[1]:.1f}"


def _describe(one: Round, change: Comparison) -> str:
    found = change.lenient
    return (
        f"round {one.number} against {one.number - 1}, {change.task} {change.mode}: {100 * found.delta:+.1f} points, "
        f"95% {100 * found.low:+.1f} to {100 * found.high:+.1f}: [bold]{change.verdict}[/]"
    )
