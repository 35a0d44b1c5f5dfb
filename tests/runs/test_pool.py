"""The pool: bounded, context-carrying, and honest about exceptions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from runs.pool import run_units

SETTING: ContextVar[str] = ContextVar("SETTING", default="unset")


def test_every_unit_is_done_once() -> None:
    assert sorted(run_units(range(200), lambda n: n * n, 8)) == [n * n for n in range(200)]


def test_workers_see_the_callers_context() -> None:
    SETTING.set("mine")
    assert set(run_units(range(10), lambda _: SETTING.get(), 3)) == {"mine"}


def test_no_more_units_run_at_once_than_asked_for() -> None:
    running, most, lock = 0, 0, threading.Lock()
    gate = threading.Barrier(4, timeout=5)

    def work(n: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait()  # passes only when four run at once
        with lock:
            running -= 1

    list(run_units(range(12), work, 4))
    assert most == 4


def test_units_are_drawn_as_they_are_needed() -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for n in range(1000):
            drawn.append(n)
            yield n

    results = run_units(source(), lambda n: n, 2)
    next(results)
    assert len(drawn) <= 4
    results.close()


def test_a_failure_is_raised_and_stops_new_units() -> None:
    started = []

    def work(n: int) -> int:
        started.append(n)
        if n == 3:
            raise ValueError("unit 3")
        return n

    with pytest.raises(ValueError, match="unit 3"):
        list(run_units(range(1000), work, 2))
    assert len(started) < 20
