"""Concurrency: units of work on threads, each in a copy of the caller's context, a bounded number at a time.

DSPy's own pool re-submits stragglers and loses what is finished at `max_errors`; this one does neither.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


def run_units(
    units: Iterable[Unit],
    work: Callable[[Unit], Result],
    concurrency: int,
    on_stop: Callable[[], None] = lambda: None,
    one_core: bool = False,
) -> Iterator[Result]:
    """Yield results as they come; at most ``concurrency`` units are started and not yet yielded.

    An exception of ``work`` is raised here; units not yet started are then never started.  ``on_stop`` is called when
    the iteration ends while units are under way, so that they can be told to hurry: they are waited for.
    ``one_core`` is for units that wait for servers and compute in Python alone: see `_stay_on_one_core`.
    """
    waiting = iter(units)
    with (
        _heap_at_rest(),
        ThreadPoolExecutor(
            concurrency, thread_name_prefix="unit", initializer=_stay_on_one_core if one_core else None
        ) as pool,
    ):
        running: set[Future[Result]] = {
            pool.submit(copy_context().run, work, unit) for unit in islice(waiting, concurrency)
        }
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    running |= {pool.submit(copy_context().run, work, unit) for unit in islice(waiting, 1)}
                    yield result
        finally:
            if running:
                on_stop()
            for future in running:
                future.cancel()


@contextmanager
def _heap_at_rest() -> Iterator[None]:
    """Leave what was there before out of garbage collection: to look through all modules took 40% of a call's CPU."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _stay_on_one_core() -> None:
    """Keep the calling thread on one core, where the system can.

    Python runs one thread at a time anyway.  Where its lock goes from core to core, 64 threads that wait for a server
    took 40% more CPU for the same calls and eight times as many switches.
    """
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
