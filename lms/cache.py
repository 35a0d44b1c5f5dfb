"""DSPy's response cache, kept as one append-only file of JSON lines.

DSPy looks answers up by the model's name, the messages, and the settings of a call; `lms.build` adds a fingerprint of
server, weights, and decisive settings to that name, so that no two models share answers.  The file is written before an
answer is used: a killed run asks again only for what was under way.  Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dspy
from dspy.clients.cache import Cache

from corpus.line_file import LineFile

ANSWERS = "answers.jsonl"


class AnswerCache(Cache):
    """A `dspy.cache` in a folder; use as a context manager.

    Args:
        folder: where `answers.jsonl` is, or will be.
        shared: whether other processes may write to it at the same time.

    Raises:
        RunError: the file cannot be read or written.
    """

    def __init__(self, folder: Path, shared: bool = True):
        super().__init__(enable_disk_cache=False, enable_memory_cache=False, disk_cache_dir=None)
        self.file = LineFile(folder / ANSWERS, shared)
        self._places: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> AnswerCache:
        place = 0
        for line in self.file.lines():
            # The key stands first, so that opening a cache does not parse its answers; torn lines have another end.
            if line.startswith(b'{"key": "') and line.endswith(b"}\n"):
                self._places[line[9:73].decode("ascii", "replace")] = (place, len(line))
            place += len(line)
        self.file.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.file.__exit__(*exc)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, request: dict[str, Any], ignored_args_for_cache_key: list[str] | None = None) -> Any:
        """Return the answer to a request, or None."""
        found = self._places.get(self.cache_key(request, ignored_args_for_cache_key))
        if found is None:
            return None
        try:
            return json.loads(self.file.read_at(*found))["answer"]
        except (ValueError, KeyError):  # a line that a kill or a full disk tore: as if it were not there
            return None

    def put(
        self,
        request: dict[str, Any],
        value: Any,
        ignored_args_for_cache_key: list[str] | None = None,
        enable_memory_cache: bool = True,
    ) -> None:
        """Keep an answer; it is in the file when this returns."""
        key = self.cache_key(request, ignored_args_for_cache_key)
        self._places[key] = self.file.append({"key": key, "answer": value})


@contextmanager
def use_cache(folder: Path | None, shared: bool = True) -> Iterator[None]:
    """Make DSPy keep its answers in ``folder`` while the context lasts; None changes nothing.  See `AnswerCache`."""
    if folder is None:
        yield
        return
    before = vars(dspy).get("cache")  # read so, because DSPy makes a cache in the home folder when it is asked for one
    with AnswerCache(folder, shared) as cache:
        dspy.cache = cache
        try:
            yield
        finally:
            if before is None:
                del dspy.cache
            else:
                dspy.cache = before
