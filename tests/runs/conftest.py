"""A small recipe that goes the whole road in seconds, and rows as the journals hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus.records import ApplicationDraft, Draft, Moment, Plan, Session, Turn, UnderstandingDraft

TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 5,
    "lms": {"teacher": {"model": "scripted/counsel"}},
    "plan": {"sessions": 12, "moments": [6, 7]},
    "train": {
        "scratch": {"vocabulary": 600, "hidden": 32, "layers": 1, "heads": 2},
        "batch_size": 8,
        "max_steps": 6,
        "checkpoint_steps": 3,
        "warmup_steps": 0,
        "learning_rate": 1.0e-3,
        "threads": 1,
    },
    "exam": {"emobench": None, "limit": 4, "max_tokens": 8},
}


@pytest.fixture(scope="session")
def tiny() -> str:
    """The tiny recipe as text."""
    return yaml.safe_dump(TINY)


@pytest.fixture
def tiny_recipe(tiny: str, tmp_path: Path) -> Path:
    """The tiny recipe as a file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny, encoding="utf-8")
    return path


Row = dict[str, Any]
SCENE = (
    "After the market {name} carried the wooden chair back into the empty hall, wiped the seat twice with a sleeve, "
    "and set it beside the window where the others had waited all morning."
)
REST = "So it is not that nobody had asked for the key. Answer: Relief & Guilt, because the hall was empty again."
CHOICES = ("the hall was empty again", "nobody had asked for the key", "two letters came too late", "rain hit the roof")


@pytest.fixture(scope="session")
def session_row() -> Callable[..., Row]:
    """``session_row(plan, **changes)``: a row of the sessions journal for a session of one exchange."""

    def make(plan: Plan, **changes: Any) -> Row:
        turns = (Turn(speaker="CLIENT", text="It was late."), Turn(speaker="THERAPIST", text="How late was it?"))
        session = Session(id=plan.id, plan=plan, background="A hall.", turns=turns, looks=())
        costs = {"calls": 3, "retries": 1, "complaints": {"client: too long": 1}}
        return {"id": plan.id, "ok": True, **costs, "session": session.model_dump(mode="json"), **changes}

    return make


@pytest.fixture(scope="session")
def drafts_row() -> Callable[..., Row]:
    """``drafts_row(plan, tail, **changes)``: a row of the drafts journal; ``tail`` ends every scenario."""

    def make(plan: Plan, tail: str = "", **changes: Any) -> Row:
        drafts = [_draft(moment, tail).model_dump(mode="json") for moment in plan.moments]
        costs = {"calls": 7, "retries": 2, "complaints": {"client: too long": 1, "converter: unreadable answer": 1}}
        return {"id": plan.id, **costs, "failures": {}, "drafts": drafts, **changes}

    return make


def _draft(moment: Moment, tail: str) -> Draft:
    told = {
        "id": moment.id,
        "session": moment.id.rpartition("-")[0],
        "scenario": SCENE.format(name=moment.subject.name) + tail,
        "subject": moment.subject.name,
        "misreadings": ("one", "two", "three"),
        "explanation": f"“{SCENE.format(name=moment.subject.name)}” {REST}",
    }
    if moment.task == "EA":
        return ApplicationDraft(
            **told, category=moment.category, question_type=moment.question_type, best=CHOICES[0], wrong=CHOICES[1:]
        )
    return UnderstandingDraft(
        **told, coarse_category=moment.category, finegrained_category=moment.sub_category, emotion="Relief & Guilt",
        wrong_emotions=("Joy", "Anger", "Boredom", "Pride & Sadness", "Curiosity"),
        cause=CHOICES[0], wrong_causes=CHOICES[1:],
    )  # fmt: skip
