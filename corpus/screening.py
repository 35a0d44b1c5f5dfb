"""Screening: what rules can see, before a judge is asked about the rest.

In this order, so that a drop has the plainest reason that there is: faults of the draft, a session at fault,
duplicates, overlap with an exam.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from corpus.checks import find_fault
from corpus.config import CurateConfig
from corpus.contamination import ContaminationIndex, Overlap
from corpus.duplicates import find_duplicates
from corpus.embeddings import Encoder
from corpus.records import ApplicationDraft, UnderstandingDraft

Step = Literal["rules", "session", "duplicates", "exams", "judge", "sizes"]
SESSION_AT_FAULT = "session at fault"
SEEN_BEFORE = "seen before"  # in another run, whose items the recipe names


@dataclass(frozen=True)
class Drop:
    """A draft that was not kept: at which step, why, and which kept draft or which exam it repeats, if so."""

    id: str
    step: Step
    reason: str
    like: str = ""


@dataclass(frozen=True)
class Screened:
    """Drafts that passed, in ID order, the drops in ID order, and the overlaps with exams for people to look at."""

    passed: list[UnderstandingDraft | ApplicationDraft]
    drops: list[Drop] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)

    def without(self, overlaps: Sequence[Overlap]) -> Screened:
        """Return the same without drafts that overlap with an exam; of several overlaps of a draft the first counts."""
        by_id = {overlap.id: overlap for overlap in reversed(overlaps)}
        drops = [Drop(key, "exams", f"in an exam: {one.rule}", one.source) for key, one in by_id.items()]
        return Screened(
            [draft for draft in self.passed if draft.id not in by_id],
            sorted([*self.drops, *drops], key=lambda drop: drop.id),
            [*self.overlaps, *(by_id[key] for key in sorted(by_id))],
        )


def screen(
    drafts: Iterable[UnderstandingDraft | ApplicationDraft],
    config: CurateConfig,
    exams: ContaminationIndex,
    sessions_at_fault: Collection[str] = (),
    encoder: Encoder | None = None,
    seen: Iterable[tuple[str, str]] = (),
) -> Screened:
    """Check drafts by rule; the result depends on the set of drafts, not on their order.

    Args:
        drafts: what is checked.
        config: what a draft must satisfy.
        exams: what no draft may be like.
        sessions_at_fault: sessions whose drafts go.
        encoder: compares meanings too.
        seen: (ID, scenario) of items of other runs, which no draft may repeat.
    """
    drops: list[Drop] = []
    sound: list[UnderstandingDraft | ApplicationDraft] = []
    for draft in sorted(drafts, key=lambda d: d.id):
        if fault := find_fault(draft, config, encoder):
            drops.append(Drop(draft.id, "rules", fault))
        elif draft.session in sessions_at_fault:
            drops.append(Drop(draft.id, "session", SESSION_AT_FAULT))
        else:
            sound.append(draft)
    scenarios = ((draft.id, draft.scenario) for draft in sound)
    marks = find_duplicates(scenarios, config.near_duplicate, encoder, seen).marks
    drops += [
        Drop(key, "duplicates", SEEN_BEFORE if mark.seen else mark.reason, mark.kept) for key, mark in marks.items()
    ]
    distinct = Screened([draft for draft in sound if draft.id not in marks], drops)
    return distinct.without([overlap for draft in distinct.passed if (overlap := exams.find(draft))])


def count_reasons(drops: Iterable[Drop], step: Step) -> dict[str, int]:
    """Return reason → drops of one step, the commonest first."""
    return dict(Counter(drop.reason for drop in drops if drop.step == step).most_common())
