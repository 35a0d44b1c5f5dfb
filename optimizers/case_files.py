"""The cases of a compilation in their three parts, and the file that keeps them, so that they can be used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from corpus.errors import DataError
from corpus.jsonl import write_jsonl
from corpus.records import Item, Plan, Session
from optimizers.cases import Case, ExamCase, ItemCase, SessionCase
from optimizers.config import Kind

Part = Literal["train", "dev", "final"]
PARTS: tuple[Part, ...] = ("train", "dev", "final")
_ITEM: TypeAdapter[Any] = TypeAdapter(Item)


@dataclass(frozen=True)
class Cases:
    """The cases of the three parts."""

    train: list[Case]
    dev: list[Case]
    final: list[Case]

    def part(self, name: Part) -> list[Case]:
        """Return the cases of one part."""
        found: list[Case] = getattr(self, name)
        return found

    @property
    def fingerprints(self) -> dict[str, str]:
        """Part → number of cases and the first figures of a SHA-256 over them."""
        return {name: _fingerprint(self.part(name)) for name in PARTS}


def write_cases(path: Path, cases: Cases) -> None:
    """Write cases as JSON Lines: ``id``, ``part``, ``case``."""
    write_jsonl(
        path,
        ({"id": case.id, "part": part, "case": as_json(case)} for part in PARTS for case in cases.part(part)),
    )


def read_cases(path: Path, kind: Kind, part: Part = "final") -> list[Case]:
    """Read the cases of one part.

    Raises:
        DataError: the file is missing, or a line in it is no case of this kind; the message names it.
    """
    cases: list[Case] = []
    try:
        # Not `splitlines`, which also takes characters for line ends that a model may write into a text.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read; compile the program again") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            row = json.loads(line)
            if row["part"] == part:
                cases.append(_from_json(row["case"], kind))
        except (ValueError, KeyError, TypeError, ValidationError, StopIteration) as error:
            raise DataError(f"{path}, line {number}: no case of kind {kind}; compile the program again") from error
    return cases


def as_json(case: Case) -> dict[str, Any]:
    """Return a case as JSON values."""
    if isinstance(case, SessionCase):
        return {"plan": case.plan.model_dump(mode="json")}
    if isinstance(case, ItemCase):
        return {"session": case.session.model_dump(mode="json"), "moment": case.moment.id}
    return {"item": case.item.model_dump(mode="json", by_alias=True)}


def _from_json(row: dict[str, Any], kind: Kind) -> Case:
    if kind == "session":
        return SessionCase(Plan.model_validate(row["plan"]))
    if kind == "items":
        session = Session.model_validate(row["session"])
        return ItemCase(session, next(moment for moment in session.plan.moments if moment.id == row["moment"]))
    return ExamCase(_ITEM.validate_python(row["item"]))


def _fingerprint(cases: Sequence[Case]) -> str:
    text = json.dumps([as_json(case) for case in cases], sort_keys=True)
    return f"{len(cases)} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
