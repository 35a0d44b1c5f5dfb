"""Progress of a stage: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_EVERY = 15.0  # seconds between plain lines
Update = Callable[[int, int, str], None]  # (done, total, note)


@contextmanager
def show_progress(console: Console, stage: str) -> Iterator[Update]:
    """Yield ``update(done, total, note)``."""
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(stage, total=None, note="")
            yield lambda done, total, note: bar.update(task, completed=done, total=total, note=note)
        return
    last = time.monotonic()

    def update(done: int, total: int, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY:
            last = time.monotonic()
            console.print(f"{stage}: {done}/{total} {note}".rstrip(), highlight=False, soft_wrap=True)

    yield update
