"""Examined items with the answers of every student, and what they show item by item: gains, losses, positions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from corpus.records import ApplicationItem, Task, UnderstandingItem, cell_of
from eval.baselines import chance_level
from eval.config import Mode
from eval.exam import keys_of
from eval.mistakes import Slice, measure
from eval.scores import STAGES, Mark, Stage

Outcome = Literal["gained", "lost", "right twice", "wrong twice"]
_OUTCOMES: dict[tuple[bool, bool], Outcome] = {
    (False, True): "gained",
    (True, False): "lost",
    (True, True): "right twice",
    (False, False): "wrong twice",
}


@dataclass(frozen=True)
class Examined:
    """An item of a benchmark and what each student answered; not every student was asked in every mode.

    ``before`` is what was felt before the turn, where the item's plan says it.
    """

    benchmark: str
    item: UnderstandingItem | ApplicationItem
    marks: Mapping[tuple[Stage, Mode], Mark]
    before: str = ""

    @property
    def cell(self) -> str:
        """The item's category, readable."""
        return cell_of(self.item).replace("_", " ")

    @property
    def modes(self) -> list[Mode]:
        """The modes in which it was answered both before and after tuning."""
        return [mode for stage, mode in self.marks if stage == "after" and ("before", mode) in self.marks]

    def outcome(self, mode: Mode) -> Outcome:
        """What tuning did to the answer, read leniently; KeyError for a mode that is not among ``modes``."""
        return _OUTCOMES[self.marks["before", mode].lenient, self.marks["after", mode].lenient]


@dataclass(frozen=True)
class Share:
    """How many of ``n`` were right."""

    right: int
    n: int

    @property
    def share(self) -> float:
        """In 0..1."""
        return self.right / self.n


@dataclass(frozen=True)
class Categories:
    """Shares right per category, (before, after), of one benchmark, task, and mode, read leniently."""

    benchmark: str
    task: Task
    mode: Mode
    chance: float
    cells: Mapping[str, tuple[Slice, Slice]]


def by_category(examined: Iterable[Examined]) -> list[Categories]:
    """Return what tuning did to each category, per benchmark, task, and mode, in the order of appearance."""
    groups: dict[tuple[str, Task, Mode], list[Examined]] = defaultdict(list)
    for one in examined:
        for mode in one.modes:
            groups[one.benchmark, one.item.task, mode].append(one)
    found = []
    for (benchmark, task, mode), members in groups.items():
        cells: dict[str, list[Examined]] = defaultdict(list)
        for one in members:
            cells[one.cell].append(one)
        shares = {name: (_share(own, "before", mode), _share(own, "after", mode)) for name, own in cells.items()}
        chance = chance_level([one.item for one in members])
        found.append(Categories(benchmark, task, mode, chance, dict(sorted(shares.items()))))
    return found


def _share(members: Sequence[Examined], stage: Stage, mode: Mode) -> Slice:
    return measure((one.item.qid, one.item.scenario, one.marks[stage, mode].lenient) for one in members)


@dataclass(frozen=True)
class Positions:
    """How one question was answered by where its right option stood.

    ``right`` gives the share right per position of the right option, ``chosen`` the share of the readable answers that
    took each position; None where there is nothing to take a share of.
    """

    benchmark: str
    question: str
    stage: Stage
    right: list[Share | None]
    chosen: list[Share | None]

    @property
    def spread(self) -> float:
        """Highest less lowest share right, over the positions that occur."""
        shares = [share.share for share in self.right if share]
        return max(shares) - min(shares)


def by_position(examined: Iterable[Examined]) -> list[Positions]:
    """Return how written answers depend on the position of the right option, per benchmark, question, and student.

    Only written answers: likelihood shows no list.  Marks of earlier versions, which hold no picks, are left out.
    """
    seen: dict[tuple[str, str, Stage], list[tuple[int, int | None, int]]] = defaultdict(list)
    for one in examined:
        for stage in STAGES:
            mark = one.marks.get((stage, "generate"))
            if mark and mark.picks:
                names = ("EU emotion", "EU cause") if one.item.task == "EU" else ("EA",)
                sizes = [len(choices) for choices, _ in one.item.questions]
                for name, key, pick, size in zip(names, keys_of(one.item), mark.picks, sizes, strict=True):
                    seen[one.benchmark, name, stage].append((key, pick, size))
    found = []
    for (benchmark, question, stage), answers in seen.items():
        size = max(size for _, _, size in answers)
        keys, hits = Counter(key for key, _, _ in answers), Counter(key for key, pick, _ in answers if key == pick)
        picks = Counter(pick for _, pick, _ in answers if pick is not None)
        right = [Share(hits[place], keys[place]) if keys[place] else None for place in range(size)]
        chosen = [Share(picks[place], picks.total()) if picks else None for place in range(size)]
        found.append(Positions(benchmark, question, stage, right, chosen))
    return sorted(found, key=lambda row: (row.benchmark, row.question, STAGES.index(row.stage)))


def count_rules(examined: Iterable[Examined]) -> dict[tuple[str, Task, Stage], Counter[str]]:
    """Return by which rules of `eval.reading` the written answers were read, the most frequent first."""
    counts: dict[tuple[str, Task, Stage], Counter[str]] = defaultdict(Counter)
    for one in examined:
        for (stage, mode), mark in one.marks.items():
            if mode == "generate":
                counts[one.benchmark, one.item.task, stage].update(mark.rules)
    return {key: Counter(dict(rules.most_common())) for key, rules in counts.items()}


@dataclass(frozen=True)
class Telling:
    """An item whose answer turned, and the mode in which it did."""

    examined: Examined
    mode: Mode


def most_telling(examined: Iterable[Examined], outcome: Outcome, most: int) -> list[Telling]:
    """Return items with this outcome, the most telling first, spread over benchmarks and categories.

    Written answers that were read both times tell most, as they can be held against each other; then likelihood, which
    has no form to get wrong; last those where only one answer could be read, which may be form alone.
    """
    ranked: list[dict[tuple[str, str], list[Telling]]] = [defaultdict(list) for _ in range(3)]
    for one in examined:
        turned = {_rank(one, mode): mode for mode in one.modes if one.outcome(mode) == outcome}
        if turned:
            best = min(turned)
            ranked[best][one.benchmark, one.cell].append(Telling(one, turned[best]))
    return [telling for rank in ranked for telling in _spread(list(rank.values()))][:most]


def _rank(one: Examined, mode: Mode) -> int:
    if mode == "likelihood":
        return 1
    return 0 if one.marks["before", mode].answered and one.marks["after", mode].answered else 2


def _spread(groups: list[list[Telling]]) -> Iterator[Telling]:
    """Yield the first of every group, then the second of every group, and so on."""
    for turn in range(max(map(len, groups), default=0)):
        yield from (group[turn] for group in groups if turn < len(group))
