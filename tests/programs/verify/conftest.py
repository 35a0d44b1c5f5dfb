"""Drafts that the scripted teacher wrote without mistakes, of both tasks."""

from __future__ import annotations

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Draft, Session, Turn
from lms.build import build_lm
from lms.spec import ModelSpec
from programs.converter import ItemConverter
from signatures.chat_adapter import ChatAdapter


def told_sessions() -> list[Session]:
    """Sessions of which nothing but the moments is known; the scripted converter needs no more."""
    return [
        Session(
            id=plan.id, plan=plan, background="…", looks=(),
            turns=tuple(Turn(speaker="CLIENT", text="…", moment=moment.id) for moment in plan.moments),
        )
        for plan in make_plans(PlanConfig(sessions=12), seed=29)
    ]  # fmt: skip


def write_drafts(**mistakes: float) -> list[Draft]:
    """The same drafts each time, but for the mistakes."""
    lm = build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes))
    convert = ItemConverter()
    with dspy.context(lm=lm, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True):
        return [draft for session in told_sessions() for draft in convert(session=session).drafts]


@pytest.fixture(scope="session")
def drafts() -> list[Draft]:
    """About 85 drafts of 12 plans."""
    return write_drafts()


@pytest.fixture(params=["EU", "EA"])
def draft(request: pytest.FixtureRequest, drafts: list[Draft]) -> Draft:
    """One draft of each task."""
    return next(draft for draft in drafts if draft.task == request.param)
