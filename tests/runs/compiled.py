"""Compiled programs for tests of runs: saved in out/programs of the working folder, as a compilation leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dspy

from optimizers.config import Kind
from optimizers.store import PROGRAMS, Sidecar, save
from programs.fingerprint import fingerprint_prompts

TEACHER = "scripted/counsel"


def instruct(program: dspy.Module, words: str) -> dspy.Module:
    """Put a sentence before the instructions of every predictor."""
    for predictor in program.predictors():
        predictor.signature = predictor.signature.with_instructions(f"{words} {predictor.signature.instructions}")
    return program


def put_away(
    kind: Kind, program: dspy.Module, name: str, quality: float = 0.9, low: float = 0.2, teacher: str = TEACHER
) -> Path:
    """Save a program that was at 0.5 before it was compiled; ``low`` is the lower end of its gain's interval."""
    scores = {
        "n": 40, "delta": quality - 0.5, "interval": (low, quality),
        "before": {"quality": 0.5, "interval": (0.4, 0.6)}, "after": {"quality": quality, "interval": (0.7, 1)},
    }  # fmt: skip
    sidecar = Sidecar.model_validate({
        "kind": kind, "name": name, "created": datetime(2026, 1, 1, tzinfo=UTC), "optimizers": [{"name": "gepa"}],
        "seeds": {}, "data": dict.fromkeys(("train", "dev", "final"), "40 cases"), "scores": scores, "cost": {},
        "models": {"teacher": teacher, "examinee": teacher}, "weights": {}, "versions": {},
        "fingerprint": fingerprint_prompts([program]), "changed": True,
    })  # fmt: skip
    save(PROGRAMS / name, program, sidecar)
    return PROGRAMS / name
