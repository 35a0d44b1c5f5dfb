"""Compiled programs with cases, as a compilation leaves them, for tables of programs × teachers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dspy
import yaml

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan, Session
from lms.build import build_lm
from lms.scripted.mistakes import KINDS
from lms.spec import ModelSpec
from optimizers.case_files import Cases, write_cases
from optimizers.cases import Case, ItemCase, SessionCase
from optimizers.config import Kind
from programs.converter import ItemConverter, excerpt_of
from programs.writer import SessionWriter
from signatures.chat_adapter import ChatAdapter
from tests.optimizers.handmade import write_program
from tests.runs.compiled import instruct

# Mistakes that rules find, and what the compiled program says against them.
LEAKS, LONG = {"names_emotion": 0.9}, {"long_key": 0.9}
RULES = f"{KINDS['names_emotion'].rule} {KINDS['long_key'].rule}"
TRAIN, DEV, FINAL = 2, 2, 12
RECIPE: dict[str, Any] = {
    "name": "home",
    "seed": 3,
    "lms": {"teacher": {"model": "scripted/counsel", "mistakes": LEAKS}},
    "panel": {
        "a": {"model": "scripted/counsel", "mistakes": LEAKS},
        "b": {"model": "scripted/counsel", "mistakes": LONG},
        "sound": {"model": "scripted/counsel", "mistakes": {}},
    },
    "compile": {"judge": False},
}


@cache
def hold_sessions(count: int = TRAIN + DEV + FINAL) -> list[Session]:
    """Hold concise sessions without a mistake."""
    lm, writer = build_lm(ModelSpec(model="scripted/counsel", mistakes={})), SessionWriter(["concise"])
    with dspy.context(lm=lm, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True):
        return [writer(plan=plan).session for plan in draw_plans(count)]


def draw_plans(count: int) -> list[Plan]:
    """Draw plans of concise sessions."""
    return list(make_plans(PlanConfig(sessions=count, method="concise"), seed=3))


def parts(cases: Sequence[Case]) -> Cases:
    """Share cases out."""
    train, dev = list(cases[:TRAIN]), list(cases[TRAIN : TRAIN + DEV])
    return Cases(train, dev, list(cases[TRAIN + DEV :]))


def item_case(session: Session) -> ItemCase:
    """Take the first moment on understanding that a session tells: all mistakes of these tests are possible there."""
    told = (moment for moment in session.plan.moments if moment.task == "EU" and excerpt_of(session, moment))
    return ItemCase(session, next(told))


def put_away(
    root: Path, name: str, cases: Cases | None, program: dspy.Module | None = None, kind: Kind = "items", **facts: Any
) -> Path:
    """Save a program with cases and a recipe; by default a converter that knows the rules."""
    made = program or instruct(ItemConverter(), RULES)
    folder = write_program(root, name, made, kind=kind, **facts)
    if cases:
        write_cases(folder / "cases.jsonl", cases)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return folder


def session_cases(more: int = 0) -> list[SessionCase]:
    """Plans of concise sessions as cases, the last one by many agents."""
    plans = draw_plans(TRAIN + DEV + 10 + more)
    return [SessionCase(plan) for plan in (*plans[:-1], plans[-1].model_copy(update={"method": "mads"}))]


def copy_programs(stock: Path, to: Path) -> Path:
    """Copy saved programs to out/programs of a folder."""
    return Path(shutil.copytree(stock, to / "out" / "programs"))
