"""An interrupt at the keyboard, told as one line by every command that can go on later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def told_when_stopped(kept: str) -> Iterator[None]:
    """End the command with exit code 1 when it is interrupted; ``kept`` says what is not lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {kept} is lost: the same command goes on from here", err=True)
        raise typer.Exit(1) from None
