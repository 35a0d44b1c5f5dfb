"""The pool: bounded, context-carrying, and honest about exceptions."""

from __future__ import annotations

import gc
import os
import sys
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


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no affinity of threads")
def test_units_that_compute_in_python_alone_stay_on_one_core_and_nobody_else_does() -> None:
    everywhere = os.sched_getaffinity(0)
    pinned = list(run_units(range(6), lambda number: os.sched_getaffinity(0), 3, one_core=True))
    assert {len(cores) for cores in pinned} == {1}
    assert len({*map(frozenset, pinned)}) == 1
    free = list(run_units(range(6), lambda number: os.sched_getaffinity(0), 3))
    assert all(cores == everywhere for cores in free)
    assert os.sched_getaffinity(0) == everywhere


def test_what_was_there_before_is_left_out_of_collection_while_units_run() -> None:
    frozen = list(run_units(range(3), lambda number: gc.get_freeze_count(), 2))
    assert min(frozen) > 1000
    assert gc.get_freeze_count() == 0


def test_units_under_way_are_told_when_the_iteration_ends_early() -> None:
    told = threading.Event()
    units = run_units(range(9), lambda number: told.wait(5) if number else True, 3, told.set)
    assert next(units) is True
    units.close()
    assert told.is_set()
    quiet = threading.Event()
    assert len(list(run_units(range(4), lambda number: number, 2, quiet.set))) == 4
    assert not quiet.is_set(), "nobody was under way"
