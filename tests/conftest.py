"""Shared fixtures: the exam data, plans, and a scripted teacher without mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan
from lms.build import build_lm
from lms.spec import ModelSpec
from signatures.chat_adapter import ChatAdapter

ROOT = Path(__file__).resolve().parent.parent
OFFICIAL_EMOBENCH = ROOT.parent / "shared" / "emobench" / "data"
OFFICIAL_PROMPTS = ROOT.parent / "shared" / "emobench" / "configs"
OWN_EMOBENCH = ROOT / "tests" / "data" / "emobench"  # a handful of items of our own in the same schema


@pytest.fixture(scope="session")
def emobench_dir() -> Path:
    """The official test sets where they are at hand, our own handful elsewhere."""
    return OFFICIAL_EMOBENCH if OFFICIAL_EMOBENCH.is_dir() else OWN_EMOBENCH


@pytest.fixture(scope="session")
def plans() -> list[Plan]:
    """Twelve plans of seed 3, for MADS sessions."""
    return list(make_plans(PlanConfig(sessions=12), seed=3))


@pytest.fixture(scope="session")
def concise_plans() -> list[Plan]:
    """Twelve plans of seed 3, for concise sessions."""
    return list(make_plans(PlanConfig(sessions=12, method="concise"), seed=3))


@pytest.fixture
def flawless_teacher() -> Iterator[dspy.LM]:
    """The scripted teacher with all mistakes off, set as the model of the context."""
    lm = build_lm(ModelSpec(model="scripted/counsel", mistakes={}))
    with dspy.context(lm=lm, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True):
        yield lm
