"""What a user sees while sessions are written: rates, cost, failures, and the count of each category."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lms.build import Models
from runs.progress import PLAIN_EVERY
from runs.tally import Tally

Show = Callable[[int], None]  # takes the number of sessions done
MAX_REASONS = 3


class Pace:
    """Rates since a start: what was there before does not count."""

    def __init__(self, tally: Tally, models: Models, done: int):
        self.tally, self.models = tally, models
        self.started, self.first, self.calls = time.monotonic(), done, models.ledger.total.calls

    def line(self, done: int, total: int) -> str:
        """Say in one line how far and how fast; the ETA assumes the pace so far."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (done - self.first) / seconds
        spent = self.models.ledger.total
        eta = str(timedelta(seconds=round((total - done) / rate))) if rate else "unknown"
        calls = (spent.calls - self.calls) / seconds
        line = (
            f"{done}/{total} sessions, {rate:.2f}/s, {spent.calls:,} calls ({calls:.1f}/s), "
            f"{spent.input_tokens:,} + {spent.output_tokens:,} tokens, {self.tally.complaints.total():,} retries, "
            f"ETA {eta}{self._places()}"
        )
        if spent.money:
            line += f", {spent.money:.2f} spent"
        if spent.failed:
            line += f"; calls lost {_most_common(spent.failed)}"
        if failures := self.tally.failures:
            line += f"; failed {_most_common(failures)}"
        return line

    def _places(self) -> str:
        """Calls at once, where a server takes fewer than were offered."""
        narrow = [gate for gate in self.models.distinct_gates() if gate.limit < gate.most or gate.is_gone]
        return "".join(
            f", {gate.name}: {'gone' if gate.is_gone else f'{int(gate.limit)} of {gate.most} calls at once'}"
            for gate in narrow
        )


def _most_common(reasons: Counter[str]) -> str:
    return f"{reasons.total()}: " + "; ".join(f"{reason} {n}" for reason, n in reasons.most_common(MAX_REASONS))


@contextmanager
def show_generation(console: Console, name: str, tally: Tally, models: Models, done: int, total: int) -> Iterator[Show]:
    """Yield a function to call after each session: a live table on a terminal, a line now and then elsewhere."""
    pace = Pace(tally, models, done)
    if console.is_terminal:

        def remember(count: int) -> None:
            nonlocal done
            done = count

        # The panel is made when the screen is refreshed, not after each session.
        with Live(get_renderable=lambda: _panel(name, pace, done, total), console=console, transient=True):
            yield remember
        return
    last = time.monotonic()

    def show(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY:
            last = time.monotonic()
            console.print(f"{name}: {pace.line(count, total)}", markup=False, highlight=False, soft_wrap=True)
            sound = ", ".join(f"{cell} {number}" for cell, number in sorted(tally.sound().items()))
            console.print(f"{name}: items by category: {sound}", markup=False, highlight=False, soft_wrap=True)

    yield show


def _panel(name: str, pace: Pace, done: int, total: int) -> RenderableType:
    tables = []
    sound = sorted(pace.tally.sound().items())
    half = (len(sound) + 1) // 2
    for part in (sound[:half], sound[half:]):
        table = Table("category", "items", box=None, padding=(0, 1))
        for cell, count in part:
            table.add_row(Text(cell), str(count))
        tables.append(table)
    head = Table.grid(padding=(0, 1))
    head.add_row(Text(name, style="bold"), ProgressBar(total=total, completed=done, width=40))
    return Group(head, Text(pace.line(done, total)), Columns(tables, padding=(0, 3)))
