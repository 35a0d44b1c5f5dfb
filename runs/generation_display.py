"""What a user sees while sessions are written: rates, cost, failures, and the count of each category."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runs.progress import PLAIN_EVERY
from runs.tally import Cost, Tally

Show = Callable[[int], None]  # takes the number of sessions done
MAX_REASONS = 3


class Pace:
    """Rates since a start: what was there before does not count."""

    def __init__(self, done: int, cost: Cost):
        self.started, self.first, self.cost = time.monotonic(), done, cost

    def line(self, tally: Tally, done: int, total: int) -> str:
        """Say in one line how far and how fast; the ETA assumes the pace so far."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (done - self.first) / seconds
        cost = tally.cost
        eta = str(timedelta(seconds=round((total - done) / rate))) if rate else "unknown"
        calls = (cost.calls - self.cost.calls) / seconds
        line = (
            f"{done}/{total} sessions, {rate:.2f}/s, {cost.calls:,} calls ({calls:.1f}/s), "
            f"{cost.input_tokens:,} + {cost.output_tokens:,} tokens, {cost.retries:,} retries, ETA {eta}"
        )
        if failures := tally.failures:
            reasons = "; ".join(f"{reason} {count}" for reason, count in failures.most_common(MAX_REASONS))
            line += f"; failed {failures.total()}: {reasons}"
        return line


@contextmanager
def show_generation(console: Console, name: str, tally: Tally, done: int, total: int) -> Iterator[Show]:
    """Yield a function to call after each session: a live table on a terminal, a line now and then elsewhere."""
    pace = Pace(done, tally.cost)
    if console.is_terminal:

        def remember(count: int) -> None:
            nonlocal done
            done = count

        # The panel is made when the screen is refreshed, not after each session.
        with Live(get_renderable=lambda: _panel(name, pace, tally, done, total), console=console, transient=True):
            yield remember
        return
    last = time.monotonic()

    def show(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY:
            last = time.monotonic()
            console.print(f"{name}: {pace.line(tally, count, total)}", markup=False, highlight=False, soft_wrap=True)
            sound = ", ".join(f"{cell} {number}" for cell, number in sorted(tally.sound().items()))
            console.print(f"{name}: items by category: {sound}", markup=False, highlight=False, soft_wrap=True)

    yield show


def _panel(name: str, pace: Pace, tally: Tally, done: int, total: int) -> RenderableType:
    tables = []
    sound = sorted(tally.sound().items())
    half = (len(sound) + 1) // 2
    for part in (sound[:half], sound[half:]):
        table = Table("category", "items", box=None, padding=(0, 1))
        for cell, count in part:
            table.add_row(Text(cell), str(count))
        tables.append(table)
    head = Table.grid(padding=(0, 1))
    head.add_row(Text(name, style="bold"), ProgressBar(total=total, completed=done, width=40))
    return Group(head, Text(pace.line(tally, done, total)), Columns(tables, padding=(0, 3)))
