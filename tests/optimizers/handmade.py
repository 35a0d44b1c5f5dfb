"""Compiled programs made by hand, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dspy

from corpus.records import Plan, Session, Turn
from optimizers.store import Sidecar, save
from programs.converter import ItemConverter
from programs.fingerprint import fingerprint_prompts

RULE = "Show what is felt; never name it."
MEANS = {"before": {"quality": 0.62, "interval": (0.55, 0.7)}, "after": {"quality": 0.91, "interval": (0.87, 0.95)}}
FACTS: dict[str, Any] = {
    "kind": "items",
    "created": "2026-03-04T05:06:07+00:00",
    "optimizers": [{"name": "gepa", "settings": {"metric_calls": 600}, "dev": [0.6, 0.9], "candidates": 7}],
    "seeds": {"recipe": 7},
    "data": {"train": "30 aaaa", "dev": "30 bbbb", "final": "80 cccc"},
    "scores": {
        **MEANS,
        "n": 80,
        "delta": 0.29,
        "interval": (0.21, 0.37),
        "criteria": {
            "leak": {"n": 78, "before": 0.7, "after": 0.95, "delta": 0.25, "interval": (0.15, 0.35)},
            "novelty": {"n": 0, "before": None, "after": 1.0},
        },
    },
    "cost": {"calls": {"calls": 1234, "failed": {}}, "after": {"calls": 1.1}},
    "models": {"teacher": "scripted/counsel", "judge": "scripted/counsel"},
    "weights": {"leak": 1.0},
    "versions": {"dspy-ai": "3.4.1"},
    "changed": True,
}


def demo(scene: str = "Rain fell on the chair.", **changes: Any) -> dspy.Example:
    """A demonstration for `write_application`."""
    fields: dict[str, Any] = {
        "background": "Ana ran a bakery.",
        "excerpt": "CLIENT: It rained.",
        "moment": "need: comfort",
        "scenario": scene,
        "subject": "Ana",
        "best": "Bring the chair in and make tea.",
        "wrong": ["Say it is only rain.", "Laugh about it.", "Buy a new chair."],
        "misreadings": ["plays it down", "makes fun", "mends a thing"],
        "explanation": "“Rain fell on the chair.” It was her mother's.",
    }
    return dspy.Example(**fields | changes)


def compiled_items(instructions: str = RULE, *demos: dspy.Example) -> ItemConverter:
    """An item converter with other instructions and demonstrations for applications; understanding is untouched."""
    program = ItemConverter()
    predictor = program.write_application
    predictor.signature = predictor.signature.with_instructions(instructions)
    predictor.demos = list(demos or [demo()])
    return program


def sidecar(name: str = "items-gepa-1", **changes: Any) -> Sidecar:
    """A sidecar; ``scores`` are merged into those above."""
    scores = FACTS["scores"] | changes.pop("scores", {})
    return Sidecar.model_validate(FACTS | {"name": name, "fingerprint": "f" * 16, "scores": scores} | changes)


def write_program(root: Path, name: str, program: dspy.Module | None = None, **changes: Any) -> Path:
    """Save a program with its sidecar."""
    made = program or compiled_items()
    facts = {"fingerprint": fingerprint_prompts([made])} | changes
    save(root / name, made, sidecar(name, **facts))
    return root / name


def told(plan: Plan) -> Session:
    """A session that tells all moments of its plan."""
    turns: list[Turn] = []
    for moment in plan.moments:
        turns.append(Turn(speaker="CLIENT", text=f"It was {moment.id}.", moment=moment.id))
        turns.append(Turn(speaker="THERAPIST", text="And then?"))
    return Session(id=plan.id, plan=plan, background="A hall.", turns=tuple(turns), looks=())
