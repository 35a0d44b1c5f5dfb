"""Keeping watch over a compilation: what cannot be mended stops it, whatever DSPy would rather swallow.

DSPy's optimizers take an exception in a program or a metric for a score of 0 and go on: with a dead server they return
the program that they were given, as if they had compiled it.  `Halted` is no `Exception`, so it passes them by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dspy

from corpus.errors import EmoReasonError

FIRST = 8  # units of work before a share of failures means anything
IN_A_ROW = 4  # proposals without an answer, after which no better prompt can be hoped for


class Halted(BaseException):
    """The compilation ends here, for the reason that ``error`` gives."""

    def __init__(self, error: EmoReasonError):
        super().__init__(str(error))
        self.error = error


class Watch:
    """Counts units of work that got no answer; thread-safe.

    Args:
        most: share of failures above which the compilation stops.
        explain: turns an error into the reason to stop at once (told whether anything was answered yet), or None for
            one that may pass.
        too_many: makes the error for too many failures of their number, the number of units, and the last error.
    """

    def __init__(
        self,
        most: float,
        explain: Callable[[dspy.LMError, bool], EmoReasonError | None],
        too_many: Callable[[int, int, dspy.LMError], EmoReasonError],
    ):
        self.most, self.explain, self.too_many = most, explain, too_many
        self.done = self.failed = self.unproposed = 0
        self.halted: EmoReasonError | None = None
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Watch:
        return self  # programs that carry it are copied for every candidate

    @contextmanager
    def unit(self) -> Iterator[None]:
        """Watch over one unit of work; its LM errors are counted and go on, unless they end everything.

        Raises:
            Halted: this error, too many, or an earlier one ends the compilation.
        """
        if self.halted:
            raise Halted(self.halted)
        try:
            yield
        except dspy.LMError as error:
            with self._lock:
                self.done += 1
                self.failed += 1
                self.halted = self.halted or self.explain(error, self.done > self.failed) or self._find_too_many(error)
            if self.halted:
                raise Halted(self.halted) from error
            raise
        else:
            with self._lock:
                self.done += 1

    def note_proposal(self, error: dspy.LMError | None) -> None:
        """Take in how a call of the reflection model ended; the next unit of work is halted if it must be.

        Proposers have catch-alls of their own, so nothing is raised here.
        """
        with self._lock:
            self.unproposed = self.unproposed + 1 if error else 0
            if error and not self.halted:
                self.halted = self.explain(error, True)
                if self.unproposed >= IN_A_ROW:
                    self.halted = self.halted or self.too_many(self.unproposed, self.unproposed, error)

    def _find_too_many(self, error: dspy.LMError) -> EmoReasonError | None:
        if self.failed < 2 or self.done < FIRST or self.failed <= self.most * self.done:
            return None
        return self.too_many(self.failed, self.done, error)
