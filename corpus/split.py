"""Train, validation, and held-out parts: no story and no person on two sides, and every cell shared as asked.

Sessions of one persona form a group, and a group goes to one part as a whole.  Groups are dealt as in iterative
stratification (Sechidis et al., ECML PKDD 2011): one after the other, the largest first, each to the part that lacks
its cells most.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.seeds import rng_for

Split = Literal["train", "validation", "heldout"]
Counts = NDArray[np.float64]
PARTS: tuple[Split, ...] = ("train", "heldout", "validation")  # in the order in which they are needed


def split_by_persona(
    items: Sequence[UnderstandingItem | ApplicationItem],
    personas: Mapping[str, str],
    validation: float,
    heldout: float,
    seed: int,
) -> dict[str, Split]:
    """Return session ID → part, with shares of items close to those asked for in every cell.

    With three personas or more no part is empty; two fill train and held-out, one fills train.  A cell that too few
    personas have to share it is mostly trained on; `missing_cells` tells which parts lack which cells.

    Args:
        items: the items; their order does not matter.
        personas: session ID → text of its persona; texts that differ in case or space alone are one persona.
        validation: share of items for validation.
        heldout: share of items held out for the exam.
        seed: seed of the recipe.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        groups[_identity(personas[item.session])][cell_of(item)] += 1
    names = sorted(groups)
    rng_for(seed, "split").shuffle(names)
    names.sort(key=lambda name: -groups[name].total())
    cells = sorted({cell for counts in groups.values() for cell in counts})
    # The total is counted as one more cell: where cells have few items, it keeps the sizes of the parts right.
    counts = np.array([[groups[name].total(), *(groups[name][cell] for cell in cells)] for name in names], float)
    places = _deal(counts, np.array([1 - validation - heldout, heldout, validation]))
    part_of = {name: PARTS[place] for name, place in zip(names, places, strict=True)}
    return {session: part_of[_identity(personas[session])] for session in sorted({item.session for item in items})}


def missing_cells(
    items: Sequence[UnderstandingItem | ApplicationItem], splits: Mapping[str, Split]
) -> dict[Split, tuple[str, ...]]:
    """Return, for each part that lacks a cell of the items, the names of the cells that it lacks."""
    held: dict[Split, set[str]] = {part: set() for part in PARTS}
    for item in items:
        held[splits[item.session]].add(cell_of(item))
    cells = sorted({cell_of(item) for item in items})
    missing = {part: tuple(cell for cell in cells if cell not in held[part]) for part in PARTS}
    return {part: lacking for part, lacking in missing.items() if lacking}


def _identity(persona: str) -> str:
    return " ".join(persona.split()).casefold()


def _deal(counts: Counts, shares: Counts) -> list[int]:
    """Return the part of each group; ``counts`` (groups × cells) come largest group first, ``shares`` sum to 1."""
    if len(counts) <= len(PARTS):
        return list(range(len(counts)))
    wanted = np.outer(shares, counts.sum(axis=0))
    held = np.zeros_like(wanted)
    places: list[int] = []
    for group in counts:
        places.append(int(np.argmin(_distance(held + group, wanted) - _distance(held, wanted))))
        held[places[-1]] += group
    for empty in (place for place in range(len(PARTS)) if place not in places):
        giver = max(range(len(PARTS)), key=places.count)
        given = [number for number, place in enumerate(places) if place == giver]
        change = _distance(held[giver] - counts[given], wanted[giver]) + _distance(counts[given], wanted[empty])
        moved = given[int(np.argmin(change))]
        places[moved] = empty
        held[giver] -= counts[moved]
    return places


def _distance(held: Counts, wanted: Counts) -> Counts:
    """Return how far each row of counts is from those wanted (χ² distance)."""
    distance: Counts = ((held - wanted) ** 2 / wanted).sum(axis=-1)
    return distance
