"""DSPy's optimizers without their surroundings: what they print goes into a file, and no call is sent twice.

DSPy's pool sends the last calls of an evaluation again after 120 seconds, which a local model often needs, and offers
optimizers no way to forbid it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import dspy.evaluate.evaluate
import dspy.predict.parallel
from dspy.utils.parallelizer import ParallelExecutor

from corpus.errors import RunError
from optimizers.swapping import swapped
from optimizers.watch import Halted

_POOLS = (dspy.evaluate.evaluate, dspy.predict.parallel)


class _Patient(ParallelExecutor):
    def __init__(self, **options: object):
        super().__init__(**{**options, "timeout": 0, "disable_progress_bar": True})
        self._halted: Halted | None = None
        self._under_way, self._change = 0, threading.Condition()

    def execute(self, function: Callable[[Any], Any], data: Sequence[Any]) -> list[Any]:
        """Do as DSPy does, and leave nothing under way when a compilation is halted: other limits may hold then."""
        try:
            results: list[Any] = super().execute(partial(self._count, function), data)
        except Halted:
            with self._change:
                self._change.wait_for(lambda: not self._under_way)
            raise
        return results

    def _count(self, function: Callable[[Any], Any], item: Any) -> Any:
        with self._change:
            if self._halted:
                raise self._halted
            self._under_way += 1
        try:
            return function(item)
        except Halted as halted:
            self._halted = halted
            raise
        finally:
            with self._change:
                self._under_way -= 1
                self._change.notify_all()


@contextmanager
def dspy_at_work(log: Path) -> Iterator[None]:
    """Append to ``log`` all that is printed while the context lasts, and let DSPy's pools wait for their last calls.

    Raises:
        RunError: the file cannot be written.
    """
    try:
        file = log.open("a", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{log}: cannot be written ({error.strerror}); check the folder's permissions") from error
    with file, redirect_stdout(file), redirect_stderr(file), swapped("ParallelExecutor", _Patient, *_POOLS):
        yield
