"""Builders of sound drafts: every scenario, cause, and choice is made of its own invented words."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from corpus.records import ApplicationDraft, UnderstandingDraft

MakeEU = Callable[..., UnderstandingDraft]
MakeEA = Callable[..., ApplicationDraft]


@pytest.fixture(scope="session")
def prose() -> Callable[[object, int], str]:
    """``prose(key, count)``: invented words that depend on the key alone and name no emotion."""

    def write(key: object, count: int) -> str:
        rng = random.Random(str(key))
        return " ".join("".join(rng.choice("bkltvz") + rng.choice("aeiou") for _ in range(3)) for _ in range(count))

    return write


@pytest.fixture(scope="session")
def make_eu(prose: Callable[[object, int], str]) -> MakeEU:
    """``make_eu(id, **changes)``: an EU draft that passes every check."""

    def make(key: str = "s1-00000-m0", **changes: Any) -> UnderstandingDraft:
        return UnderstandingDraft.model_validate(
            {
                **_told(key, prose(key, 40)),
                "coarse_category": "complex_emotions",
                "finegrained_category": "unexpected_outcome",
                "emotion": "Relief & Guilt",
                "wrong_emotions": ("Joy", "Anger", "Boredom", "Pride & Sadness", "Curiosity"),
                "cause": prose(f"{key} cause", 8),
                "wrong_causes": tuple(prose(f"{key} wrong cause {n}", 8) for n in range(3)),
                **changes,
            }
        )

    return make


@pytest.fixture(scope="session")
def make_ea(prose: Callable[[object, int], str]) -> MakeEA:
    """``make_ea(id, **changes)``: an EA draft that passes every check."""

    def make(key: str = "s1-00000-m1", **changes: Any) -> ApplicationDraft:
        return ApplicationDraft.model_validate(
            {
                **_told(key, prose(key, 25)),
                "category": "Social-Self",
                "question_type": "Action",
                "best": prose(f"{key} best", 8),
                "wrong": tuple(prose(f"{key} wrong {n}", 8) for n in range(3)),
                **changes,
            }
        )

    return make


def _told(key: str, scenario: str) -> dict[str, Any]:
    """The fields that EU and EA drafts share."""
    return {
        "id": key,
        "session": key.rpartition("-")[0],
        "scenario": f"Amina {scenario}",
        "subject": "Amina",
        "misreadings": ("one", "two", "three"),
        "explanation": scenario[:70],
    }
