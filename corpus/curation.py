"""Curation: drafts in, items with a split out, and a reason for everything that was dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from corpus.assemble import assemble_items
from corpus.checks import find_fault
from corpus.config import CurateConfig
from corpus.duplicates import find_duplicates
from corpus.records import ApplicationDraft, ApplicationItem, UnderstandingDraft, UnderstandingItem
from corpus.split import Split, split_by_session


@dataclass(frozen=True)
class Drop:
    """A draft that was not kept, why, and of which kept draft it is a duplicate, if so."""

    id: str
    reason: str
    kept: str = ""


@dataclass(frozen=True)
class Curated:
    """Kept items in ID order, the part of each session, and the drops in ID order."""

    items: list[UnderstandingItem | ApplicationItem]
    splits: dict[str, Split]
    drops: list[Drop] = field(default_factory=list)


def curate(drafts: Iterable[UnderstandingDraft | ApplicationDraft], config: CurateConfig, seed: int) -> Curated:
    """Check, deduplicate, assemble, and split; the result depends on the set of drafts, not on their order."""
    drops: list[Drop] = []
    sound: list[UnderstandingDraft | ApplicationDraft] = []
    for draft in sorted(drafts, key=lambda d: d.id):
        if fault := find_fault(draft, config):
            drops.append(Drop(draft.id, fault))
        else:
            sound.append(draft)
    marks = find_duplicates(((draft.id, draft.scenario) for draft in sound), config.near_duplicate)
    drops += [Drop(key, reason, kept) for key, (kept, reason) in marks.items()]
    items = assemble_items([draft for draft in sound if draft.id not in marks], seed)
    splits = split_by_session(items, config.validation, config.heldout, seed)
    return Curated(items, splits, sorted(drops, key=lambda drop: drop.id))
