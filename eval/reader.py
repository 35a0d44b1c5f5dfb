"""The texts of the report's reader: items with the students' answers, and sessions, as many as a page can hold.

What is left out is drawn by seed, and the page says how much; a page that grows with the exam would not open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from corpus.records import ApplicationItem, Session, UnderstandingItem, cell_of
from corpus.seeds import rng_for
from eval.config import Mode
from eval.examined import Examined
from eval.scores import STAGES, Mark, Stage
from signatures.exam import exam_inputs
from signatures.formats import LETTERS

ITEM_BYTES, SESSION_BYTES = 3_000_000, 1_500_000  # of text, of all items and of all sessions
ANSWER_CHARACTERS = 2000
THE_SET = "the set"  # stands where a benchmark's name does, for items that were not examined

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a student said to an item, and how it was taken.

    ``read`` are the letters read leniently, ``–`` for none; ``text`` is empty in likelihood mode, where nothing is
    written; ``cut`` counts the characters that are not shown.
    """

    stage: Stage
    mode: Mode
    verdict: str
    read: str
    rules: str
    text: str
    cut: int
    strict: bool


@dataclass(frozen=True)
class Entry:
    """An item of the reader; ``outcomes`` says per mode what tuning did to its answer, for the filter."""

    benchmark: str
    item: UnderstandingItem | ApplicationItem
    cell: str
    questions: list[tuple[str, list[tuple[str, str, bool]]]]
    answers: list[Answer]
    outcomes: list[str]


def make_entry(one: Examined) -> Entry:
    """Return an examined item as the page shows it."""
    answers = [
        _answer(stage, mode, mark)
        for (stage, mode), mark in sorted(one.marks.items(), key=lambda known: (known[0][1], STAGES.index(known[0][0])))
    ]
    outcomes = [f"{_say_outcome(one, mode)}, {mode}" for mode in sorted(one.modes)]
    return Entry(one.benchmark, one.item, one.cell, _questions(one.item), answers, outcomes)


def _say_outcome(one: Examined, mode: Mode) -> str:
    """The outcome; a gain or loss that is no more than an answer where there was none, or the reverse, is named so."""
    outcome = one.outcome(mode)
    if outcome == "gained" and not one.marks["before", mode].answered:
        return "gained by answering"
    if outcome == "lost" and not one.marks["after", mode].answered:
        return "lost by not answering"
    return outcome


def make_plain_entry(item: UnderstandingItem | ApplicationItem) -> Entry:
    """Return an item that no student was asked."""
    return Entry(THE_SET, item, cell_of(item).replace("_", " "), _questions(item), [], [])


def fit_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Return as many as the page holds, in their order."""
    return _fit(entries, _size_of_entry, ITEM_BYTES)


def fit_sessions(sessions: Sequence[Session]) -> list[Session]:
    """Return as many as the page holds, in their order."""
    return _fit(sessions, lambda session: sum(_bytes(turn.text) for turn in session.turns), SESSION_BYTES)


def _fit(members: Sequence[T], size: Callable[[T], int], budget: int) -> list[T]:
    drawn = list(range(len(members)))
    rng_for("reader", len(members)).shuffle(drawn)
    kept = []
    for index in drawn:
        budget -= size(members[index])
        if budget < 0:
            break
        kept.append(index)
    return [members[index] for index in sorted(kept)]


def _size_of_entry(entry: Entry) -> int:
    choices = sum(_bytes(choice) for options, _ in entry.item.questions for choice in options)
    return _bytes(entry.item.scenario + entry.item.explanation) + choices + sum(_bytes(a.text) for a in entry.answers)


def _bytes(text: str) -> int:
    return len(text.encode())


def _answer(stage: Stage, mode: Mode, mark: Mark) -> Answer:
    written = mode == "generate"
    return Answer(
        stage=stage,
        mode=mode,
        verdict="right" if mark.lenient else "wrong" if mark.answered else "not answered",
        read=", ".join("–" if pick is None else LETTERS[pick] for pick in mark.picks),
        rules=", ".join(dict.fromkeys(mark.rules)) if written else "",
        text=mark.raw[:ANSWER_CHARACTERS] if written else "",
        cut=max(0, len(mark.raw) - ANSWER_CHARACTERS) if written else 0,
        strict=mark.strict,
    )


def _questions(item: UnderstandingItem | ApplicationItem) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    asked = [str(text) for name, text in exam_inputs(item).items() if name.startswith("question")]
    return [
        (question, [(LETTERS[n], choice, choice == label) for n, choice in enumerate(choices)])
        for question, (choices, label) in zip(asked, item.questions, strict=True)
    ]
