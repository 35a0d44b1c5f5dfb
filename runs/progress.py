"""Progress of a stage: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_EVERY = 10.0  # seconds between plain lines


@contextmanager
def show_progress(console: Console, stage: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """Yield ``update(done, note)``."""
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(stage, total=total, completed=done, note="")
            yield lambda count, note: bar.update(task, completed=count, note=note)
        return
    last = time.monotonic()

    def update(count: int, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY:
            last = time.monotonic()
            console.print(f"{stage}: {count}/{total} {note}".rstrip(), highlight=False)

    yield update
