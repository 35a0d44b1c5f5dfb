"""Train, validation, and held-out parts: by session, so that no story is on both sides, and stratified by cell.

A greedy form of iterative stratification (Sechidis et al., 2011): each session goes where its cells are missed most.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.seeds import rng_for

Split = Literal["train", "validation", "heldout"]


def split_by_session(
    items: Sequence[UnderstandingItem | ApplicationItem], validation: float, heldout: float, seed: int
) -> dict[str, Split]:
    """Return session ID → part, with shares of items close to those asked for in every cell."""
    shares: dict[Split, float] = {"train": 1 - validation - heldout, "validation": validation, "heldout": heldout}
    sessions: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        sessions[item.session][cell_of(item)] += 1
    totals: Counter[str] = sum(sessions.values(), Counter())
    missing = {part: {cell: share * n for cell, n in totals.items()} for part, share in shares.items()}
    order = sorted(sessions)
    rng_for(seed, "split").shuffle(order)
    assigned: dict[str, Split] = {}
    for session in order:
        cells = sessions[session]
        part: Split = max(
            shares, key=lambda p: sum(n * missing[p][cell] / (shares[p] * totals[cell]) for cell, n in cells.items())
        )
        assigned[session] = part
        for cell, count in cells.items():
            missing[part][cell] -= count
    return assigned
