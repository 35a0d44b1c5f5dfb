"""Balance: at most so many items per category, the surest first, spread over cells and sessions.

`curate.sizes` may bound a task, a category, and a cell at once.  They form a tree (task, category, cell): what a node
may hold is spread evenly over its children, and what one of them lacks the others give.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from rapidfuzz import process

from corpus.decks import cell_name
from corpus.errors import RecipeError
from corpus.records import ApplicationDraft, ApplicationItem, UnderstandingDraft, UnderstandingItem, cell_of
from corpus.seeds import derive_seed
from corpus.taxonomy import load_taxonomy

Record: TypeAlias = UnderstandingDraft | ApplicationDraft | UnderstandingItem | ApplicationItem
Sizes: TypeAlias = Literal["paper"] | Mapping[str, int] | None
SURPLUS = "over its category's size"
# arXiv 2601.01407: 1,527 EU and 1,486 EA items.  It gives 371-372 per EA category; we take 372 for the first two.
PAPER_SIZES = {
    "complex_emotions": 382,
    "emotional_cues": 385,
    "personal_beliefs_and_experiences": 378,
    "perspective_taking": 382,
    "Personal-Self": 372,
    "Personal-Others": 372,
    "Social-Self": 371,
    "Social-Others": 371,
}


@dataclass(frozen=True)
class Balanced:
    """IDs that are kept, in order; why each other one is not; and how many items a cell lacks to fill its size."""

    kept: tuple[str, ...]
    surplus: dict[str, str]
    short: dict[str, int]


@dataclass(frozen=True)
class _Node:
    """A task, a category, or a cell, and the most items that its own size allows (inf: any number)."""

    name: str
    size: float
    children: tuple[_Node, ...] = ()


def resolve_sizes(sizes: Sizes) -> dict[str, int]:
    """Return the most items of each category that `curate.sizes` names.

    Raises:
        RecipeError: a name is no task, category, sub-category, or cell, or a size is below 0.
    """
    chosen = dict(PAPER_SIZES if sizes == "paper" else sizes or {})
    known = [name for root in _tree({}) for name in _names(root)]
    for name, size in chosen.items():
        if name not in known:
            nearest = process.extractOne(name, known, score_cutoff=55)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise RecipeError(f"curate.sizes.{name}: no such category; {hint}")
        if size < 0:
            raise RecipeError(f"curate.sizes.{name}: {size} is no number of items; write 0 or more")
    return chosen


def select_balanced(records: Iterable[Record], sizes: Sizes, confidence: Mapping[str, float], seed: int) -> Balanced:
    """Choose the drafts or items that the sizes allow: as many as possible, whatever order they come in.

    A cell keeps those with the highest confidence; among equals, those of sessions that have the fewest kept so far,
    and then at random.

    Args:
        records: drafts or items of known categories.
        sizes: `curate.sizes`: most items per task, category, sub-category, or cell (``Social-Self / Action``).
        confidence: ID → how sure it is that the key is right (0 to 1); an item without one counts as 0.
        seed: seed of the recipe.

    Raises:
        RecipeError: see `resolve_sizes`.
    """
    roots = _tree(resolve_sizes(sizes))
    of_cell: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        of_cell[cell_of(record)].append(record)
    supply = {cell: len(held) for cell, held in of_cell.items()}
    quotas: dict[str, float] = {}
    short: dict[str, int] = {}
    for root in roots:
        quotas |= _spread(root, _room(root, supply), {}, supply)
    for root in roots:
        full = _spread(root, _room(root, None), quotas, None)
        short |= {cell: int(full[cell] - quotas[cell]) for cell in full if inf > full[cell] > quotas[cell]}
    kept: set[str] = set()
    of_session: Counter[str] = Counter()
    for cell in sorted(of_cell, key=lambda cell: (supply[cell] > quotas[cell], cell)):  # first where there is no choice
        ranked = _rank(of_cell[cell], confidence, of_session, seed)
        chosen = ranked[: int(quotas[cell])]
        of_session.update(record.session for record in chosen)
        kept |= {_id(record) for record in chosen}
    ids = sorted(_id(record) for held in of_cell.values() for record in held)
    surplus = {key: SURPLUS for key in ids if key not in kept}
    return Balanced(tuple(key for key in ids if key in kept), surplus, short)


def _tree(sizes: Mapping[str, int]) -> tuple[_Node, _Node]:
    """Return EU and EA with their categories and cells, in the taxonomy's order."""

    def node(name: str, children: Iterable[_Node] = ()) -> _Node:
        return _Node(name, sizes.get(name, inf), tuple(children))

    taxonomy = load_taxonomy()
    eu = (node(category, map(node, subs)) for category, subs in taxonomy.eu.items())
    ea = (
        node(category, (node(cell_name(cell)) for cell in taxonomy.cells if cell[0] == category))
        for category in taxonomy.ea.categories
    )
    return node("EU", eu), node("EA", ea)


def _names(node: _Node) -> list[str]:
    return [node.name, *(name for child in node.children for name in _names(child))]


def _room(node: _Node, supply: Mapping[str, int] | None) -> float:
    """Return how many items a node can hold: by its own size, and by what its cells have (None: no end of items)."""
    if node.children:
        return min(node.size, sum(_room(child, supply) for child in node.children))
    return min(node.size, inf if supply is None else supply.get(node.name, 0))


def _spread(
    node: _Node, total: float, floors: Mapping[str, float], supply: Mapping[str, int] | None
) -> dict[str, float]:
    """Return how many items each cell below ``node`` gets of ``total``: at least its floor, and as even as can be."""
    if not node.children:
        return {node.name: total}
    rooms = [_room(child, supply) for child in node.children]
    if total == inf:
        shares = rooms
    else:
        held = [sum(floors.get(name, 0) for name in _names(child)) for child in node.children]
        shares = _level(total, held, rooms)
    return {
        cell: count
        for child, share in zip(node.children, shares, strict=True)
        for cell, count in _spread(child, share, floors, supply).items()
    }


def _level(total: float, floors: Sequence[float], rooms: Sequence[float]) -> list[float]:
    """Divide ``total`` as evenly as floors and rooms allow; what is left over goes to the first."""

    def filled(level: float) -> list[float]:
        return [min(max(level, floor), room) for floor, room in zip(floors, rooms, strict=True)]

    level = bisect_right(range(int(total) + 1), total, key=lambda level: sum(filled(level))) - 1
    shares, above = filled(level), filled(level + 1)
    for number, share in enumerate(shares):
        if share < above[number] and sum(shares) < total:
            shares[number] += 1
    return shares


def _rank(
    records: Iterable[Record], confidence: Mapping[str, float], of_session: Mapping[str, int], seed: int
) -> list[Record]:
    """Order a cell's records by confidence, then in turns over sessions, those with the fewest kept items first."""

    def draw(record: Record) -> tuple[float, int, str]:
        return -confidence.get(_id(record), 0.0), derive_seed(seed, "balance", _id(record)), _id(record)

    turns: Counter[str] = Counter(of_session)
    rank: dict[str, tuple[float, int]] = {}
    drawn = sorted(records, key=draw)
    for record in drawn:
        rank[_id(record)] = draw(record)[0], turns[record.session]
        turns[record.session] += 1
    return sorted(drawn, key=lambda record: rank[_id(record)])


def _id(record: Record) -> str:
    return record.qid if isinstance(record, UnderstandingItem | ApplicationItem) else record.id
