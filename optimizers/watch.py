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
from dspy.utils.exceptions import AdapterParseError

from corpus.errors import EmoReasonError, LimitError, TeacherError
from corpus.text import reason_of
from programs.asking import AskFailed

FIRST = 8  # units of work before a share of failures means anything
IN_A_ROW = 4  # proposals without an answer, after which no better prompt can be hoped for


class Halted(BaseException):
    """The compilation ends here, for the reason that ``error`` gives."""

    def __init__(self, error: EmoReasonError):
        super().__init__(str(error))
        self.error = error


class Watch:
    """Counts units of work that got no answer; thread-safe.  Writing and judging have one each.

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
        self.done = self.failed = 0
        self.proposed = self.unproposed = self.in_a_row = 0
        self.halted: EmoReasonError | None = None
        self._unproposed_for: Exception | None = None
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
                self.halted = self.halted or self.explain(error, self.answered) or self._find_too_many(error)
            if self.halted:
                raise Halted(self.halted) from error
            raise
        except AskFailed:  # the model was there, and said what could not be used
            with self._lock:
                self.done += 1
            raise
        else:
            with self._lock:
                self.done += 1

    @property
    def answered(self) -> bool:
        """Whether any unit was answered."""
        return self.done > self.failed

    def note_proposal(self, error: dspy.LMError | None) -> None:
        """Take in how a call of the reflection model ended; the next unit of work is halted if it must be.

        Proposers have catch-alls of their own, so nothing is raised here.
        """
        with self._lock:
            if not error:
                self.proposed, self.in_a_row = self.proposed + 1, 0
                return
            self.unproposed, self.in_a_row = self.unproposed + 1, self.in_a_row + 1
            self._unproposed_for = error
            self.halted = self.halted or self.explain(error, True)
            if self.in_a_row >= IN_A_ROW:
                self.halted = self.halted or no_proposal(error)

    def note_reading(self, error: AdapterParseError) -> None:
        """Take in that an answer of the reflection model could not be read: it was counted, and is no proposal."""
        with self._lock:
            self.proposed, self.unproposed = self.proposed - 1, self.unproposed + 1
            self._unproposed_for = error

    def end_step(self) -> EmoReasonError | None:
        """Return why the optimizer that is done was kept from its work, if it was, and begin to count anew."""
        if self.unproposed and self.proposed <= 0 and self._unproposed_for:
            self.halted = self.halted or no_proposal(self._unproposed_for)
        self.proposed = self.unproposed = 0
        return self.halted

    def resume(self) -> None:
        """Go on after a limit was reached, where what comes next has a limit of its own."""
        if isinstance(self.halted, LimitError):
            self.halted = None

    def _find_too_many(self, error: dspy.LMError) -> EmoReasonError | None:
        if self.failed < 2 or self.done < FIRST or self.failed <= self.most * self.done:
            return None
        return self.too_many(self.failed, self.done, error)


def no_proposal(error: Exception) -> TeacherError:
    """Return the error for a reflection model without which nothing can be compiled."""
    return TeacherError(
        f"compile: the reflection model proposed nothing that could be used ({reason_of(error)}). "
        "All answers are kept: mend the model, or name another one for the role `reflection`, and run the command again"
    )
