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
class Cost:
    """Calls, repeated calls, and tokens."""

    calls: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.retries + other.retries,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    @classmethod
    def of(cls, row: dict[str, Any]) -> Cost:
        """Read the cost of a journal row."""
        return cls(**{name: row.get(name, 0) for name in ("calls", "retries", "input_tokens", "output_tokens")})


@dataclass
class _Held:
    cost: Cost
    reason: str = ""
    method: str = ""
    turns: int = 0
    moments: int = 0


@dataclass
class _Converted:
    cost: Cost
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
            self._held[row["id"]] = _Held(Cost.of(row), reason=row["reason"])
            return
        session = row["session"]
        plan = session["plan"]
        self._held[row["id"]] = _Held(
            Cost.of(row), method=plan["method"], turns=len(session["turns"]), moments=len(plan["moments"])
        )

    def add_drafts(self, row: dict[str, Any]) -> None:
        """Count a row of the drafts journal; a draft is sound when no rule of `curate` objects."""
        drafts = [_DRAFT.validate_python(draft) for draft in row["drafts"]]
        sound = Counter(cell_of(draft) for draft in drafts if not find_fault(draft, self.rules))
        failures = Counter(row["failures"].values())
        self._converted[row["id"]] = _Converted(Cost.of(row), row.get("ok", True), len(drafts), sound, failures)

    def converted(self, session: str) -> bool:
        """Return True when a session and its items are done; False too when the teacher was not reached for them."""
        return session in self._converted and self._converted[session].done

    def held(self, session: str) -> bool:
        """Return True when a session is finished, with or without its items."""
        unit = self._held.get(session)
        return unit is not None and not unit.reason

    @property
    def cost(self) -> Cost:
        """What all sessions and conversions took."""
        costs = [unit.cost for unit in list(self._held.values())] + [
            unit.cost for unit in list(self._converted.values())
        ]
        return sum(costs, Cost())

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
        return {
            "sessions": len(held),
            "methods": dict(Counter(unit.method for unit in held)),
            "failed_sessions": dict(Counter(unit.reason for unit in self._held.values() if unit.reason)),
            "turns": sum(unit.turns for unit in held),
            "moments": sum(unit.moments for unit in held),
            "drafts": sum(unit.drafts for unit in self._converted.values()),
            "sound": dict(sorted(self.sound().items())),
            "unwritten": dict(sum((unit.failures for unit in self._converted.values()), Counter[str]())),
            **vars(self.cost),
        }
