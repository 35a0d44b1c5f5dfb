"""Shared by the tests of optimizers: cases, held once, and all that a search needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from corpus.records import Plan
from lms.build import build_lm
from lms.spec import ModelSpec
from optimizers.cases import ItemCase
from programs.converter import excerpt_of
from programs.writer import SessionWriter
from tests.optimizers.searching import Bench, bench

PER_SESSION = 4


@pytest.fixture(scope="session")
def item_cases(concise_plans: list[Plan]) -> list[ItemCase]:
    """Twelve moments of three sessions, understanding and application in turn."""
    cases: list[ItemCase] = []
    lm = build_lm(ModelSpec(model="scripted/counsel", mistakes={}))
    with dspy.context(lm=lm, roles={}, trace=[], disable_history=True):
        for plan in concise_plans[:3]:
            session = SessionWriter(("concise",))(plan=plan).session
            told = sorted((m for m in session.plan.moments if excerpt_of(session, m)), key=lambda m: m.task)
            for moments in list(zip(told, reversed(told), strict=True))[: PER_SESSION // 2]:
                cases += [ItemCase(session, moment) for moment in moments]
    return cases


@pytest.fixture
def searching(tmp_path: Path) -> Iterator[Bench]:
    """Models of four roles around the scripted teacher."""
    with bench(tmp_path) as made:
        yield made
