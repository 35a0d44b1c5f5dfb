"""Calls per second of MADS sessions at a concurrency, in one process: `python -m benchmarks.concurrency SECONDS COUNT`.

Prints one JSON object.  The rate is taken while all places are filled: after the first sessions have begun and before
the last one has.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import dspy

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan
from lms.scripted.engine import ScriptedEngine
from programs.converter import ItemConverter
from programs.mads import TherapySession
from runs.pool import run_units
from signatures.chat_adapter import ChatAdapter

CONCURRENCY = 64
WARM_UP = 1.0  # seconds


class _Counting(ScriptedEngine):
    """Notes when each call ended."""

    def __init__(self, latency: float):
        super().__init__(latency=latency)
        self.ends: list[float] = []

    def complete(self, request: Any) -> Any:
        response = super().complete(request)
        self.ends.append(time.monotonic())
        return response


def measure(latency: float, sessions: int) -> dict[str, float]:
    """Return calls/s in the filled window, the ideal, and the window's seconds."""
    engine = _Counting(latency)
    plans = list(make_plans(PlanConfig(sessions=sessions, persona_uses=99), 5))
    hold, convert = TherapySession(), ItemConverter()
    drawn: list[float] = []

    def units() -> Iterator[Plan]:
        for plan in plans:
            drawn.append(time.monotonic())
            yield plan

    def work(plan: Plan) -> None:
        with dspy.context(trace=[], disable_history=True):
            convert(session=hold(plan=plan).session)

    lm = dspy.LM("scripted/counsel", engine=engine, cache=False)
    with dspy.context(lm=lm, adapter=ChatAdapter()):
        work(plans[0])  # frames and signatures are loaded once
        for _ in run_units(units(), work, CONCURRENCY, one_core=True):
            pass
    start, end = drawn[0] + WARM_UP, drawn[-1]
    calls = sum(start <= moment <= end for moment in engine.ends)
    return {"calls_per_second": calls / (end - start), "ideal": CONCURRENCY / latency, "seconds": end - start}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(float(sys.argv[1]), int(sys.argv[2]))) + "\n")
