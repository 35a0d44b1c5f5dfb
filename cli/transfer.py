"""The table programs × teachers in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from cli.programs import clean
from corpus.markdown import count_of
from eval.statistics import Change
from runs.compiling.transfer import TABLE, describe, run_transfer
from runs.compiling.transfer_order import Transfer, plan_transfer
from runs.compiling.transfer_table import UNCOMPILED, Cell, Column, Row, Table, Verdict

NAMES_WIDTH, CELL_WIDTH = 30, 18  # characters of the first column, and of one teacher's
VERDICTS: tuple[Verdict, ...] = ("better", "no change shown", "worse")


def transfer_and_show(
    names: Sequence[str], lms: str, recipe: Path | None, overrides: Sequence[str], as_json: bool
) -> None:
    """Examine programs with several models and print the table; progress goes to stderr where JSON is wanted.

    Raises:
        UsageError, RunError, DataError, TeacherError, LimitError: see `plan_transfer` and `run_transfer`.
    """
    console = Console(stderr=as_json)
    transfer = plan_transfer(names, lms, recipe, overrides)
    for remark in transfer.remarks:
        _say(console, f"transfer: {remark}", "yellow")
    _say(
        console,
        f"transfer: {count_of(len(transfer.rows), 'program')} × {count_of(len(transfer.models), 'model')} × "
        f"{count_of(len(transfer.cases), 'case')}, "
        f"at most about {transfer.calls:,} calls; kept answers are not asked for again",
    )
    table = run_transfer(transfer, console)
    if as_json:
        Console().print_json(json.dumps(describe(transfer, table), ensure_ascii=False))
    else:
        print_transfer(transfer, table, console)


def print_transfer(transfer: Transfer, table: Table, console: Console) -> None:
    """Print a table, as many teachers side by side as there is room for, and what may be said of each program."""
    examined = [column for column in table.columns if not column.failed]
    beside = max(1, (console.width - NAMES_WIDTH) // CELL_WIDTH)
    for start in range(0, len(examined), beside):
        console.print(_lay_out(table, examined[start : start + beside]))
    for column in table.columns:
        if column.failed:
            _say(console, f"{column.name} ({column.model}) is not in the table: {column.failed}", "yellow")
    for cell in table.cells:
        if cell.unanswered:
            count = count_of(cell.unanswered, "case")
            _say(console, f"{cell.program} with {cell.teacher}: {count} without an answer count as 0", "yellow")
    _say(
        console,
        f"95% intervals, each by itself. Bold: the interval excludes zero, and still p < 0.05 when all "
        f"{table.comparisons} changes of the table are taken together (Holm).",
        "dim",
    )
    for row in table.rows:
        if row.name != UNCOMPILED:
            _say(console, say_verdict(table, row))
    _say(console, str(transfer.folder / TABLE))


def say_verdict(table: Table, row: Row) -> str:
    """Say whether a program survives a change of teacher, and with which it does not."""
    cells = [cell for column in table.columns if (cell := table.cell(row.name, column.name))]
    said = [
        f"{verdict} with {', '.join(names)}"
        for verdict in VERDICTS
        if (names := [cell.teacher for cell in cells if cell.verdict == verdict])
    ]
    if gone := [column.name for column in table.columns if column.failed]:
        said.append(f"not known with {', '.join(gone)}")
    compiled = f" (compiled with {row.compiled_with})" if row.compiled_with else ""
    return f"{row.name}{compiled} {_sum_up(table.survives(row.name), cells)}: {'; '.join(said)}"


def _sum_up(survives: bool | None, cells: Sequence[Cell]) -> str:
    if survives is not False:
        return "survives" if survives else "may survive"
    found = {cell.verdict for cell in cells}
    return "survives in part" if "better" in found and "worse" not in found else "does not survive"


def _lay_out(table: Table, columns: Sequence[Column]) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("quality", overflow="fold", max_width=NAMES_WIDTH)
    for column in columns:
        model = "" if column.model == column.name else f"\n{column.model}"
        grid.add_column(Text(clean(column.name + model)), justify="right", overflow="fold")
    for row in table.rows:
        cells = [cell for column in columns if (cell := table.cell(row.name, column.name))]
        for label, style, show in _lines(row):
            grid.add_row(Text(clean(label), style=style), *(show(cell) for cell in cells))
    return grid


def _lines(row: Row) -> Iterator[tuple[str, str, Callable[[Cell], Text]]]:
    """Yield the lines of a program: label, style, and what a cell shows there."""
    yield row.name, "bold", lambda cell: Text(f"{cell.quality.delta:.3f}")
    yield "  95% interval", "", lambda cell: Text(f"{cell.quality.low:.2f} to {cell.quality.high:.2f}")
    if row.name != UNCOMPILED:
        yield "  change", "", lambda cell: _mark(cell, lambda change: f"{change.delta:+.3f}")
        yield "  95% interval", "", lambda cell: _mark(cell, lambda change: f"{change.low:+.2f} to {change.high:+.2f}")
    yield "  calls per case", "", lambda cell: Text(f"{cell.calls:.2f}")
    yield "  characters read, written", "", lambda cell: Text(f"{cell.read:,.0f}, {cell.written:,.0f}")


def _mark(cell: Cell, show: Callable[[Change], str]) -> Text:
    assert cell.change is not None
    return Text(show(cell.change), style="" if cell.verdict == "no change shown" else "bold")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(clean(text)), style=style, highlight=False, soft_wrap=True)
