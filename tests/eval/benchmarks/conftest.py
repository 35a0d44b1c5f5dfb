"""Tiny data of our own in the form of each exam."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval.benchmarks import BENCHMARKS, Question
from eval.benchmarks.tombench import FILES
from tests.conftest import OWN_EMOBENCH

EMOTIONS = ("Wistful", "Gleeful", "Irked", "Calm")
DIALOGUE = (
    "Ola: You sold the boat.\nRune: I sold the boat.\nOla: Good.\n[End dialogue]\n\nAt the end, Rune would feel...\n"
)
LINES = "".join(f"{name}: <score>\n" for name in EMOTIONS)
SECOND_LINES = "".join(f"{name}: <revised score>\n" for name in EMOTIONS)
IN_FULL = (
    f"\nGuess how a character feels:\n\n{DIALOGUE}Rate each from 0-10. Then critique your answer and think. Finally, "
    f"give your revised scores.\n\nForm:\n\nFirst pass scores:\n{LINES}\nCritique: <your critique here>\n\n"
    f"Revised scores:\n{SECOND_LINES}\n[End of answer]\n\nRemember: zero is a score.\n"
)
AT_ONCE = (
    f"\nGuess how a character feels:\n\n{DIALOGUE}Rate each from 0-10.\n\nForm:\n\n{LINES}\n"
    "\n[End of answer]\n\nRemember: zero is a score.\n\nYour answer:\n"
)


def reference(*scores: object, names: tuple[str, ...] = EMOTIONS) -> dict[str, object]:
    """A reference of EQ-Bench: four names and four scores."""
    emotions: dict[str, object] = {f"emotion{n}": name for n, name in enumerate(names, 1)}
    return emotions | {f"emotion{n}_score": score for n, score in enumerate(scores, 1)}


def rating_row(*scores: object, prompt: str = IN_FULL) -> dict[str, Any]:
    """A row of EQ-Bench; the reference that sums to 10, of version 1, is another one."""
    return {
        "prompt": prompt,
        "reference_answer": reference(1, 2, 3, 4),
        "reference_answer_fullscale": reference(*scores),
    }


def story_row(number: int = 1, answer: str = "C", **changes: object) -> dict[str, object]:
    """A row of ToMBench; Chinese options begin with a letter, in the files with and without a space."""
    row: dict[str, object] = {
        "能力\nABILITY": "Emotion: Hidden emotions",
        "序号\nINDEX": number,
        "故事": "小林把围巾送给了妹妹，自己在风里走回家。",
        "问题": "小林看起来怎么样？",
        "选项A": "A. 生气",
        "选项B": "B.害怕",
        "选项C": "C. 平静",
        "选项D": "无聊",
        "STORY": "Lin gave the scarf to a sister and walked home in the wind.",
        "QUESTION": "How does Lin look?",
        "OPTION-A": "Angry",
        "OPTION-B": "Scared",
        "OPTION-C": "Calm",
        "OPTION-D": "Bored",
        "答案\nANSWER": answer,
    }
    return row | changes


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    """A folder with one row in each of ToMBench's five files."""
    for name in FILES:
        write_rows(tmp_path / name, [story_row()])
    return tmp_path


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """A file in the form of EQ-Bench with one item."""
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"7": rating_row("5", 0, "9", 3)}), encoding="utf-8")
    return path


@pytest.fixture
def rated(ratings: Path) -> Question:
    """The one item of `ratings`: Wistful 5, Gleeful 0, Irked 9, Calm 3."""
    return BENCHMARKS["eq-bench"].load(str(ratings))[0]


@pytest.fixture(scope="session")
def application() -> Question:
    """Item EA-1 of our own; its right option is B."""
    return BENCHMARKS["emobench-ea"].load(str(OWN_EMOBENCH))[0]


@pytest.fixture(scope="session")
def understanding() -> Question:
    """Item EU-1 of our own; its right options are C and B."""
    return BENCHMARKS["emobench-eu"].load(str(OWN_EMOBENCH))[0]
