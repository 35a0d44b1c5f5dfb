"""What the calls of a run cost, call by call, and the limits that they may not pass.

One JSON line per call, appended when it ends, so that a kill loses nothing and a run that goes on knows what it has
spent.  A call is one request sent: a repeat counts again, an answer from the cache does not.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dspy import lm15

from corpus.errors import RunError
from corpus.line_file import LineFile
from lms.limits import LimitsConfig
from lms.spec import ModelSpec

MILLION = 1_000_000


class LimitReached(lm15.ConfigurationError):
    """A limit of the recipe is reached: no further call is begun."""


@dataclass
class Spent:
    """Calls, tokens, seconds of the server's work, money, and the calls that brought no answer by reason."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    money: float = 0.0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        """Take in one call."""
        self.calls += 1
        self.input_tokens += row["input_tokens"]
        self.output_tokens += row["output_tokens"]
        self.seconds += row["seconds"]
        self.money += row.get("money", 0.0)
        if failed := row.get("failed"):
            self.failed[failed] += 1

    def merge(self, other: Spent) -> None:
        """Take in the figures of another."""
        self.calls += other.calls
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.seconds += other.seconds
        self.money += other.money
        self.failed += other.failed

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON values, with sensible digits."""
        figures = {**vars(self), "seconds": round(self.seconds, 1), "money": round(self.money, 6)}
        return {**figures, "failed": dict(sorted(self.failed.items()))}


class Ledger:
    """Adds up calls by stage and role; thread-safe.  Use as a context manager when it has a file.

    Raises:
        RunError: the file cannot be read or written, or a line other than a torn last one is not a call.
    """

    def __init__(self, stage: str, path: Path | None = None, limits: LimitsConfig | None = None):
        self.stage, self.limits = stage, limits or LimitsConfig()
        self.spent: dict[tuple[str, str], Spent] = {}
        self._total = Spent()
        self._open_calls = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._file = LineFile(path) if path else None

    def __enter__(self) -> Self:
        if self._file is not None:
            for number, line in enumerate(self._file.lines(), 1):
                try:
                    self._take(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    message = f"{self._file.path}, line {number}: not a call; remove the line and run again"
                    raise RunError(message) from error
            self._file.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._file is not None:
            self._file.__exit__(kind, error, tb)

    @property
    def total(self) -> Spent:
        """All stages and roles together."""
        with self._lock:
            return replace(self._total, failed=self._total.failed.copy())

    def of_stage(self, stage: str) -> Spent:
        """All roles of one stage together."""
        with self._lock:
            summed = Spent()
            for (name, _), spent in self.spent.items():
                if name == stage:
                    summed.merge(spent)
            return summed

    def begin(self) -> None:
        """Ask leave for one call; raises LimitReached."""
        with self._lock:
            if reached := self._reached():
                raise LimitReached(reached)
            self._open_calls += 1

    def end(
        self, role: str, spec: ModelSpec, seconds: float, usage: lm15.Usage | None = None, failed: str = ""
    ) -> None:
        """Enter a call that was begun: what it read and wrote, and why it brought no answer, if it did not."""
        read, written = (usage.input_tokens or 0, usage.output_tokens or 0) if usage else (0, 0)
        row: dict[str, Any] = {"stage": self.stage, "role": role, "model": spec.identity, "seconds": round(seconds, 4)}
        row |= {"input_tokens": read, "output_tokens": written} | ({"failed": failed} if failed else {})
        if spec.prices:
            row["money"] = (read * spec.prices.input + written * spec.prices.output) / MILLION
        with self._lock:
            self._open_calls -= 1
            self._take(row)
        if self._file is not None:
            self._file.append(row)

    def as_json(self) -> dict[str, Any]:
        """Return stage → role → figures, with the sum of all under ``total``."""
        with self._lock:
            spent: dict[str, Any] = {}
            for (stage, role), figures in sorted(self.spent.items()):
                spent.setdefault(stage, {})[role] = figures.as_json()
            return {**spent, "total": self._total.as_json()}

    def _take(self, row: dict[str, Any]) -> None:
        self.spent.setdefault((row["stage"], row["role"]), Spent()).add(row)
        self._total.add(row)

    def _reached(self) -> str:
        limits, spent = self.limits, self._total
        tokens = spent.input_tokens + spent.output_tokens
        if limits.calls is not None and spent.calls + self._open_calls >= limits.calls:
            return f"limits.calls = {limits.calls:,} is reached"
        if limits.tokens is not None and tokens >= limits.tokens:
            return f"limits.tokens = {limits.tokens:,} is reached ({tokens:,} tokens)"
        if limits.money is not None and spent.money >= limits.money:
            return f"limits.money = {limits.money:g} is reached ({spent.money:.4g} spent)"
        if limits.minutes is not None and time.monotonic() - self._started >= 60 * limits.minutes:
            return f"limits.minutes = {limits.minutes:g} is reached"
        return ""
