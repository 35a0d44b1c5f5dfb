"""What people found about items, and what follows for each item when several looked at it.

A run keeps one file per person, ``reviews/NAME.jsonl``: a row per change, the latest row of an ID counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from corpus.errors import DataError
from corpus.line_file import LineFile
from corpus.records import Record

REVIEWS = "reviews"  # the folder of a run that holds the verdicts of people

Aspect = Literal["label_right", "explanation_sound", "ambiguous"]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)


class HumanVerdict(Record):
    """What one person found about one item; None where the person has not judged yet, or took it back."""

    id: str
    annotator: str
    label_right: bool | None = None
    explanation_sound: bool | None = None
    ambiguous: bool | None = None
    note: str = ""
    at: str = Field(default="", description="when it was given, ISO 8601, UTC")

    @property
    def answers(self) -> dict[Aspect, bool | None]:
        """The three answers by name."""
        return {
            "label_right": self.label_right,
            "explanation_sound": self.explanation_sound,
            "ambiguous": self.ambiguous,
        }

    @property
    def is_complete(self) -> bool:
        """Whether all three answers are given."""
        return None not in self.answers.values()


class Settled(Record):
    """What people decided about an item; when they are undecided, the judge's verdict stands."""

    id: str
    outcome: Literal["keep", "drop", "undecided"]
    reason: str = ""
    annotators: int = Field(description="how many people answered anything about it")


def read_verdicts(folder: Path) -> list[HumanVerdict]:
    """Return the latest verdict per person and item of all files in a ``reviews`` folder; none when there is none.

    Sorted by item, then person.

    Raises:
        DataError: a line is not a verdict; the message names file, line, and field.
        RunError: a file cannot be read.
    """
    verdicts = [verdict for path in sorted(folder.glob("*.jsonl")) for verdict in read_sheet(path)]
    latest = {(verdict.id, verdict.annotator): verdict for verdict in verdicts}
    return [latest[key] for key in sorted(latest)]


def read_sheet(path: Path) -> list[HumanVerdict]:
    """Return all rows of one person's file, in the order of writing; a torn last line is left out.

    Raises:
        DataError: a line is not a verdict; the message names file, line, and field.
        RunError: the file cannot be read.
    """
    rows = []
    for number, line in enumerate(LineFile(path).lines(), 1):
        try:
            rows.append(HumanVerdict.model_validate_json(line, strict=True))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "row"
            raise DataError(f"{path}, line {number}: {key}: {first['msg']}; mend or remove the line") from error
    return rows


def settle(verdicts: Iterable[HumanVerdict]) -> dict[str, Settled]:
    """Decide each item by the majority of the people who answered, question by question.

    An item goes when most say that its label is wrong, that it is ambiguous, or that its explanation is unsound (the
    first of these is the reason).  It stays when most say that its label is right and that it is not ambiguous, and
    the explanation is not in dispute.  Anything else, a tie above all, leaves it undecided.

    Args:
        verdicts: one per person and item, as `read_verdicts` returns them.

    Returns:
        By ID, every item about which somebody answered something.
    """
    by_item: dict[str, list[HumanVerdict]] = {}
    for verdict in verdicts:
        if any(answer is not None for answer in verdict.answers.values()):
            by_item.setdefault(verdict.id, []).append(verdict)
    return {name: _settle_item(name, given) for name, given in by_item.items()}


def _settle_item(name: str, given: list[HumanVerdict]) -> Settled:
    # Of each question the balance of yes over no, None when nobody answered it.
    balance: dict[Aspect, int | None] = {}
    for aspect in ASPECTS:
        answers = [answer for verdict in given if (answer := verdict.answers[aspect]) is not None]
        balance[aspect] = sum(1 if answer else -1 for answer in answers) if answers else None
    label, sound, ambiguous = (balance[aspect] for aspect in ASPECTS)
    reasons = (
        ("people: label wrong", label is not None and label < 0),
        ("people: ambiguous", ambiguous is not None and ambiguous > 0),
        ("people: explanation unsound", sound is not None and sound < 0),
    )
    reason = next((text for text, holds in reasons if holds), "")
    if reason:
        return Settled(id=name, outcome="drop", reason=reason, annotators=len(given))
    keeps = label is not None and label > 0 and ambiguous is not None and ambiguous < 0 and sound != 0
    return Settled(id=name, outcome="keep" if keeps else "undecided", annotators=len(given))
