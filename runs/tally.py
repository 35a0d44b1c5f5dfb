"""What generation has brought so far, kept small: counts per session, not the sessions themselves.

Worker threads add while the display reads, so readers go over a copy of the values (`list` copies in one step).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from corpus.checks import find_fault
from corpus.config import CurateConfig
from corpus.records import Draft, cell_of
from runs.journal import Journal

_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)


@dataclass
class _Asked:
    """Asks of a unit, and its answers that were not accepted, by reason."""

    calls: int
    complaints: Counter[str]

    @classmethod
    def of(cls, row: dict[str, Any]) -> _Asked:
        return cls(row.get("calls", 0), Counter(row.get("complaints", {})))


@dataclass
class _Held:
    asked: _Asked
    reason: str = ""
    method: str = ""
    turns: int = 0
    moments: int = 0


@dataclass
class _Converted:
    asked: _Asked
    done: bool = True
    drafts: int = 0
    sound: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


class Tally:
    """Counts over the latest rows of the two journals; `add_session` and `add_drafts` take rows as they are written."""

    def __init__(self, rules: CurateConfig):
        self.rules = rules
        self._held: dict[str, _Held] = {}
        self._converted: dict[str, _Converted] = {}

    def read(self, sessions: Journal, drafts: Journal) -> None:
        """Take in what the journals hold already."""
        for row in sessions.rows():
            self.add_session(row)
        for row in drafts.rows():
            self.add_drafts(row)

    def add_session(self, row: dict[str, Any]) -> None:
        """Count a row of the sessions journal."""
        if not row["ok"]:
            self._held[row["id"]] = _Held(_Asked.of(row), reason=row["reason"])
            return
        session = row["session"]
        plan = session["plan"]
        self._held[row["id"]] = _Held(
            _Asked.of(row), method=plan["method"], turns=len(session["turns"]), moments=len(plan["moments"])
        )

    def add_drafts(self, row: dict[str, Any]) -> None:
        """Count a row of the drafts journal; a draft is sound when no rule of `curate` objects."""
        drafts = [_DRAFT.validate_python(draft) for draft in row["drafts"]]
        sound = Counter(cell_of(draft) for draft in drafts if not find_fault(draft, self.rules))
        failures = Counter(row["failures"].values())
        self._converted[row["id"]] = _Converted(_Asked.of(row), row.get("ok", True), len(drafts), sound, failures)

    def converted(self, session: str) -> bool:
        """Return True when a session and its items are done; False too when the teacher was not reached for them."""
        return session in self._converted and self._converted[session].done

    def held(self, session: str) -> bool:
        """Return True when a session is finished, with or without its items."""
        unit = self._held.get(session)
        return unit is not None and not unit.reason

    @property
    def is_empty(self) -> bool:
        """Whether no session was finished yet."""
        return all(unit.reason for unit in list(self._held.values()))

    @property
    def calls(self) -> int:
        """Asks of all sessions and conversions, repeated ones included."""
        return sum(asked.calls for asked in self._asked())

    @property
    def complaints(self) -> Counter[str]:
        """Answers that were not accepted, by role and reason."""
        return sum((asked.complaints for asked in self._asked()), Counter[str]())

    @property
    def failures(self) -> Counter[str]:
        """Sessions and items that failed, by reason."""
        failed = Counter(held.reason for held in list(self._held.values()) if held.reason)
        return sum((unit.failures for unit in list(self._converted.values())), failed)

    def sound(self, sessions: Iterable[str] | None = None) -> Counter[str]:
        """Sound drafts per category, of all sessions or of the named ones."""
        names = list(self._converted) if sessions is None else sessions
        units = (self._converted[name] for name in names if name in self._converted)
        return sum((unit.sound for unit in units), Counter[str]())

    def summary(self) -> dict[str, Any]:
        """The stage's record."""
        held = [unit for unit in self._held.values() if not unit.reason]
        complaints = self.complaints
        return {
            "sessions": len(held),
            "methods": dict(Counter(unit.method for unit in held)),
            "failed_sessions": dict(Counter(unit.reason for unit in self._held.values() if unit.reason)),
            "turns": sum(unit.turns for unit in held),
            "moments": sum(unit.moments for unit in held),
            "drafts": sum(unit.drafts for unit in self._converted.values()),
            "sound": dict(sorted(self.sound().items())),
            "unwritten": dict(sum((unit.failures for unit in self._converted.values()), Counter[str]())),
            "calls": self.calls,
            "retries": complaints.total(),
            "complaints": dict(complaints.most_common()),
        }

    def _asked(self) -> list[_Asked]:
        return [unit.asked for unit in list(self._held.values())] + [
            unit.asked for unit in list(self._converted.values())
        ]
