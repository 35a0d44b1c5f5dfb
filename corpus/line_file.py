"""Append-only files of JSON lines: a row is one `write` of one line, so a kill leaves whole rows and one torn last."""

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


class LineFile:
    """A file of JSON lines; use as a context manager to append, from any number of threads.

    A torn last line is cut off when the file is opened to append.  Of a file that several processes share it is
    ended with a newline instead (`shared`), because another process may be about to write.

    Raises:
        RunError: the file cannot be read or written, or the disk is full.
    """

    def __init__(self, path: Path, shared: bool = False):
        self.path, self.shared = path, shared
        self._lock = threading.Lock()
        self._file: int | None = None
        self._end = 0  # where the next row of a file of our own goes
        self._torn = False  # whether a row was written in part, which a disk that fills up does

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines in file order; none when there is no file."""
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    yield line
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror})") from error

    def append(self, row: dict[str, Any]) -> tuple[int, int]:
        """Append one row; return the place of its first byte and its length."""
        # Half an emoji, which models write as an escape, has no UTF-8; with a backslash it is the same JSON.
        line = rest = (json.dumps(row, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        with self._lock:
            assert self._file is not None, "open the file with `with` before appending"
            try:
                if self._torn:
                    self._mend_torn_line(self._file)
                self._torn = True
                while rest:
                    rest = rest[os.write(self._file, rest) :]
                self._torn = False
                # Others may have written to a shared file in between; an own one ends where this row does.
                self._end = os.lseek(self._file, 0, os.SEEK_CUR) if self.shared else self._end + len(line)
                return self._end - len(line), len(line)
            except OSError as error:
                raise _explain(self.path, error) from error

    def read_at(self, place: int, length: int) -> bytes:
        """Return ``length`` bytes from ``place``."""
        assert self._file is not None, "open the file with `with` before reading places"
        try:
            return os.pread(self._file, length, place)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror})") from error

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._mend_torn_line(self._file)
        except OSError as error:
            raise _explain(self.path, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _mend_torn_line(self, file: int) -> None:
        end = size = os.fstat(file).st_size
        while end and os.pread(file, 1, end - 1) != b"\n":
            end -= 1
        self._end = end
        if end < size and self.shared:
            os.write(file, b"\n")
        elif end < size:
            os.ftruncate(file, end)


def _explain(path: Path, error: OSError) -> RunError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"{path}: the disk is full; nothing finished is lost: free space and run the same command again"
        )
    return RunError(f"{path}: cannot be written ({error.strerror}); check the folder's permissions")
