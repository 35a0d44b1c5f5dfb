"""Append-only JSONL journals: one row per unit of work, the latest row of an ID counts.

A row is one `write` of one line, so a kill leaves whole rows and at most one torn last line, which is cut off when
the journal is opened again.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from corpus.errors import RunError


class Journal:
    """An append-only file of JSON rows with an ``id``; use as a context manager to append."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._file: int | None = None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield whole rows in file order.

        Raises:
            RunError: a line other than a torn last one is not a row; the message names it.
        """
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        return
                    try:
                        row = json.loads(line)
                        row["id"]
                    except (ValueError, KeyError, TypeError) as error:
                        raise RunError(
                            f"{self.path}, line {number}: not a journal row; remove the line and run again"
                        ) from error
                    yield row
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror})") from error

    def latest(self) -> dict[str, dict[str, Any]]:
        """Return the last row of each ID."""
        return {row["id"]: row for row in self.rows()}

    def append(self, row: dict[str, Any]) -> None:
        """Append one row; raises RunError when the disk is full or the file cannot be written."""
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        assert self._file is not None, "open the journal with `with` before appending"
        try:
            with self._lock:
                while line:
                    line = line[os.write(self._file, line) :]
        except OSError as error:
            raise _explain(self.path, error) from error

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._cut_torn_line(self._file)
        except OSError as error:
            raise _explain(self.path, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _cut_torn_line(file: int) -> None:
        end = size = os.fstat(file).st_size
        while end and os.pread(file, 1, end - 1) != b"\n":
            end -= 1
        if end < size:
            os.ftruncate(file, end)


def _explain(path: Path, error: OSError) -> RunError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"{path}: the disk is full; nothing finished is lost: free space and run the same command again"
        )
    return RunError(f"{path}: cannot be written ({error.strerror}); check the folder's permissions")
