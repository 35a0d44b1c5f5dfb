"""How much is said to models and by them, kept answers included: what a prompt costs whoever pays for it.

A ledger counts what was sent; a prompt with demonstrations costs more with every call, sent or answered from a cache.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback


@dataclass
class Said:
    """Calls, and characters read and written in them."""

    calls: int = 0
    read: int = 0
    written: int = 0


class _Meter(BaseCallback):
    def __init__(self, besides: str):
        self.besides, self.said = besides, Said()
        self._counted: set[str] = set()
        self._lock = threading.Lock()

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if self.besides and getattr(instance.engine, "role", "") == self.besides:
            return
        with self._lock:
            self._counted.add(call_id)
            self.said.calls += 1
            self.said.read += _count(inputs.get("messages") or inputs.get("prompt") or "")

    def on_lm_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        with self._lock:
            if call_id in self._counted:
                self._counted.discard(call_id)
                self.said.written += _count(outputs or "")


@contextmanager
def count_said(besides: str = "") -> Iterator[Said]:
    """Count the calls of all roles, or of all but one, while the context lasts."""
    meter = _Meter(besides)
    with dspy.context(callbacks=[*(dspy.settings.callbacks or []), meter]):
        yield meter.said


def _count(value: Any) -> int:
    """Characters of all texts within messages, parts, or outputs."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return _count(value.get("content") or value.get("text") or "")
    if isinstance(value, list | tuple):
        return sum(map(_count, value))
    return _count(getattr(value, "text", None) or getattr(value, "messages", None) or "")
