"""Sessions and cases of the scripted teacher, and attempts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Method, Session
from lms.build import build_lm
from lms.spec import ModelSpec
from optimizers.attempt import Attempt
from optimizers.cases import Case, ItemCase, SessionCase
from optimizers.watch import Watch
from programs.converter import ItemConverter, excerpt_of
from programs.writer import SessionWriter
from signatures.chat_adapter import ChatAdapter

Tried = Callable[..., dspy.Prediction]


def teacher(**mistakes: float) -> dspy.LM:
    return build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes))


def attempt_on(case: Case, program: dspy.Module, **mistakes: float) -> dspy.Prediction:
    """Let a teacher with these mistakes try a case."""
    watch = Watch(0.5, lambda error, answered: None, lambda failed, done, error: AssertionError(str(error)))
    with dspy.context(lm=teacher(**mistakes)):
        return Attempt(program, watch)(case=case)


@pytest.fixture(autouse=True)
def judged() -> Iterator[None]:
    """The scripted judge, in the formats of a run."""
    lm = teacher()
    adapter = ChatAdapter(use_json_adapter_fallback=False)
    with dspy.context(lm=lm, roles={}, adapter=adapter, trace=[], disable_history=True):
        yield


@pytest.fixture(scope="session")
def session_cases() -> dict[Method, list[SessionCase]]:
    """Eight cases of each method."""
    return {
        method: [SessionCase(plan) for plan in make_plans(PlanConfig(sessions=8, method=method), seed=31)]
        for method in ("mads", "concise")
    }


@pytest.fixture(scope="session")
def sessions(session_cases: dict[Method, list[SessionCase]]) -> dict[Method, Session]:
    """A session of each method without a mistake."""
    adapter = ChatAdapter(use_json_adapter_fallback=False)
    with dspy.context(lm=teacher(), roles={}, adapter=adapter, trace=[], disable_history=True):
        return {
            method: SessionWriter()(plan=next(case.plan for case in cases if not case.plan.risk_turn)).session
            for method, cases in session_cases.items()
        }


@pytest.fixture(scope="session")
def item_cases(session_cases: dict[Method, list[SessionCase]]) -> list[ItemCase]:
    """The told moments of eight concise sessions."""
    adapter = ChatAdapter(use_json_adapter_fallback=False)
    with dspy.context(lm=teacher(), roles={}, adapter=adapter, trace=[], disable_history=True):
        told = [SessionWriter()(plan=case.plan).session for case in session_cases["concise"]]
    return [
        ItemCase(session, moment) for session in told for moment in session.plan.moments if excerpt_of(session, moment)
    ]


@pytest.fixture
def try_item() -> Tried:
    """``try_item(case, **mistakes)``: an attempt at an item."""
    return lambda case, **mistakes: attempt_on(case, ItemConverter(), **mistakes)


@pytest.fixture
def try_session() -> Tried:
    """``try_session(case, **mistakes)``: an attempt at a session."""
    return lambda case, **mistakes: attempt_on(case, SessionWriter(), **mistakes)


@pytest.fixture
def attempted() -> Tried:
    """``attempted(outcome, …)``: an attempt with an outcome that was made by hand."""

    def make(outcome: Any, **changes: Any) -> dspy.Prediction:
        values = {"failure": "", "calls": 1, "retries": 0, "complaints": {}, "shown": ()}
        return dspy.Prediction(outcome=outcome, **values | changes)

    return make
