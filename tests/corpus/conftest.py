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
        scenario, cause = prose(key, 40), prose(f"{key} cause", 8)
        wrong = tuple(prose(f"{key} wrong cause {n}", 8) for n in range(3))
        emotion = changes.get("emotion", "Relief & Guilt")
        return UnderstandingDraft.model_validate(
            {
                **_told(key, scenario),
                "coarse_category": "complex_emotions",
                "finegrained_category": "unexpected_outcome",
                "emotion": emotion,
                "wrong_emotions": ("Joy", "Anger", "Boredom", "Pride & Sadness", "Curiosity"),
                "cause": cause,
                "wrong_causes": wrong,
                "explanation": _explain(
                    changes.get("scenario", scenario),
                    changes.get("wrong_causes", wrong)[0],
                    f"{emotion}, because: {changes.get('cause', cause)}",
                ),
                **changes,
            }
        )

    return make


@pytest.fixture(scope="session")
def make_ea(prose: Callable[[object, int], str]) -> MakeEA:
    """``make_ea(id, **changes)``: an EA draft that passes every check."""

    def make(key: str = "s1-00000-m1", **changes: Any) -> ApplicationDraft:
        scenario, best = prose(key, 25), prose(f"{key} best", 8)
        wrong = tuple(prose(f"{key} wrong {n}", 8) for n in range(3))
        return ApplicationDraft.model_validate(
            {
                **_told(key, scenario),
                "category": "Social-Self",
                "question_type": "Action",
                "best": best,
                "wrong": wrong,
                "explanation": _explain(
                    changes.get("scenario", scenario), changes.get("wrong", wrong)[0], changes.get("best", best)
                ),
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
    }


def _explain(scenario: str, wrong: str, answer: str) -> str:
    """Cue, a wrong answer ruled out, answer."""
    return f"The cue is “{scenario[:70]}”. It is not “{wrong}”. Answer: {answer}."
