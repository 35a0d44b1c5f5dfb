"""Dealing: values come from shuffled decks, so that counts are balanced by construction and not on average."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

from corpus.errors import RecipeError
from corpus.records import Task
from corpus.seeds import derive_seed, rng_for
from corpus.taxonomy import QuestionType, load_taxonomy

Card = TypeVar("Card")
Cell = tuple[str, Literal[""] | QuestionType]  # EU: (sub-category, ""); EA: (category, question type)
PER_UNIT = 4  # cards per unit of weight: weights count in quarters
MAX_WEIGHT = 100.0
VARIANTS = 1000  # each seed begins its numbering of variants elsewhere


class Deck(Generic[Card]):
    """An endless run of one deck, shuffled anew each time it is dealt out."""

    def __init__(self, cards: Sequence[Card], *key: object):
        self.cards, self.key = list(cards), key
        self._left: list[Card] = []
        self._rounds = 0

    def deal(self) -> Card:
        """Return the next card."""
        if not self._left:
            self._left = rng_for("deck", *self.key, self._rounds).sample(self.cards, len(self.cards))
            self._rounds += 1
        return self._left.pop()


class Dealer:
    """Deals cells by weight, and for each cell its aims and the number of the variant."""

    def __init__(self, weights: dict[str, float], seed: int):
        self.seed = seed
        self._cells = {task: Deck(_cards(task, weights), seed, task) for task in ("EU", "EA")}
        self._aims: dict[Cell, Deck[str]] = {}
        self._dealt: Counter[tuple[Cell, str]] = Counter()

    def deal_cell(self, task: Task) -> Cell:
        """Return the cell of the next moment of a task."""
        return self._cells[task].deal()

    def deal_aim(self, cell: Cell) -> tuple[str, int]:
        """Return the aim of a cell's next moment, and which variant of that cell and aim it is."""
        if cell not in self._aims:
            self._aims[cell] = Deck(_aims_of(cell), self.seed, "aims", *cell)
        aim = self._aims[cell].deal()
        number = self._dealt[cell, aim]
        self._dealt[cell, aim] += 1
        return aim, derive_seed(self.seed, *cell, aim) % VARIANTS + number


def cell_shares(weights: dict[str, float]) -> dict[str, float]:
    """Return the share of each planned cell (named as `Moment.cell`) among the cells of its task.

    Raises:
        RecipeError: a weight names no category, is out of range, or leaves a task without cells.
    """
    shares = {}
    for task in ("EU", "EA"):
        cards = _cards(task, weights)
        for cell in dict.fromkeys(cards):
            shares[cell_name(cell)] = cards.count(cell) / len(cards)
    return shares


def cell_name(cell: Cell) -> str:
    """Name a cell as `Moment.cell` does."""
    return f"{cell[0]} / {cell[1]}" if cell[1] else cell[0]


def cell_named(name: str) -> Cell:
    """Return the cell of a name; StopIteration if there is none."""
    taxonomy = load_taxonomy()
    cells: list[Cell] = [*((sub, "") for sub in taxonomy.sub_categories), *taxonomy.cells]
    return next(cell for cell in cells if cell_name(cell) == name)


def _cards(task: str, weights: dict[str, float]) -> list[Cell]:
    taxonomy = load_taxonomy()
    known = [*taxonomy.eu, *taxonomy.sub_categories, *taxonomy.ea.categories, *map(cell_name, taxonomy.cells)]
    if unknown := [name for name in weights if name not in known]:
        raise RecipeError(f"plan.weights.{unknown[0]}: no such category; known are {', '.join(known)}")
    if wrong := [name for name, weight in weights.items() if not 0 <= weight <= MAX_WEIGHT]:
        raise RecipeError(f"plan.weights.{wrong[0]}: {weights[wrong[0]]} is not a weight; write 0 to {MAX_WEIGHT:g}")
    if small := [name for name, weight in weights.items() if 0 < weight < 1 / PER_UNIT]:
        raise RecipeError(f"plan.weights.{small[0]}: {weights[small[0]]} is too small; write 0 or at least 0.25")
    cards: list[Cell] = []
    if task == "EU":
        for coarse, subs in taxonomy.eu.items():
            for sub in subs:
                weight = weights.get(sub, weights.get(coarse, 1.0))
                cards += [(sub, "")] * round(weight * PER_UNIT)
    else:
        for category, question_type in taxonomy.cells:
            weight = weights.get(cell_name((category, question_type)), weights.get(category, 1.0))
            cards += [(category, question_type)] * round(weight * PER_UNIT)
    if not cards:
        raise RecipeError(f"plan.weights: every {task} category has weight 0; give one of them a positive weight")
    return cards


def _aims_of(cell: Cell) -> tuple[str, ...]:
    name, question_type = cell
    taxonomy = load_taxonomy()
    if not question_type:
        return taxonomy.sub_categories[name].aims
    return taxonomy.ea.categories[name].calls_for[question_type]
