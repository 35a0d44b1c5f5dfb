"""What a training in a process of its own wrote: ``log.txt`` of the job folder."""

from __future__ import annotations

from collections import deque
from pathlib import Path

LOG = "log.txt"
SHOWN = 3  # lines of the log in an error


def read_end(file: Path, lines: int) -> list[str]:
    """Return the last lines of a file that are not empty; none when there is no such file."""
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return list(deque((line.rstrip() for line in text if line.strip()), lines))
    except FileNotFoundError:
        return []
