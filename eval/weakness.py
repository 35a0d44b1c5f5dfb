"""Where a tuned student is weak, and what the next round does about it.

What is read are the student's marks on the held-out items of its own run, never those on EmoBench: plans made after the
mistakes on a test set would be made after the test set.

*Plans.*  A cell (EU sub-category, or EA category and question type) is weighted by an odds ratio: the odds of a right
answer in all cells of the task, over those in the cell.  That is 1 for a cell at the mean; and unlike a difference or a
ratio of shares it says as much of a student who is right in nine cases of ten as of one who is right in three.  As a
cell has few held-out items, its share is drawn towards the mean first (Efron & Morris 1975): ten items at the mean are
added to it.

*Cases of a compilation* are drawn from the same plans, so that the optimizer tries, and its metric counts, a weak
cell as often as the next round will ask for it.  The weights of the metric's *criteria* are another thing: as a rule
each is at 1 already, where a fault costs the whole quality.  What the mistakes call for is that a recipe has not
lowered it: see `metric_weights`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from corpus.decks import MAX_WEIGHT, PER_UNIT
from corpus.records import ApplicationItem, Task, UnderstandingItem, cell_of
from eval.item_analysis import QUESTIONS
from eval.scores import Mark, by_task
from eval.statistics import wilson_interval

PRIOR = 10  # items at the task's mean that are added to those of a cell
MOST = 3.0  # times that a cell is planned instead of once
# Program and question that is missed → criteria that must count in full.  Emotions are told apart by a scenario that
# shows the planned one, and by distractors that another reading leads to; causes by an explanation that cites what
# happened, and again by distractors.
CRITERIA: dict[str, dict[str, tuple[str, ...]]] = {
    "items": {
        "emotion": ("plan_fit", "distractors"),
        "cause": ("grounded", "distractors"),
        "option": ("plan_fit", "distractors"),
    },
    "session": {"emotion": ("plan_fit",), "cause": ("plan_fit",), "option": ("plan_fit",)},
}


@dataclass(frozen=True)
class Weakness:
    """How a student did in one cell, beside its mean over all cells of the task; shares in 0..1.

    ``missed`` counts wrong or unread answers by question (`QUESTIONS`); it is empty for marks without picks.
    """

    task: Task
    category: str
    cell: str
    n: int
    right: int
    mean: float
    missed: dict[str, int]

    @property
    def share(self) -> float:
        """Share of the items that were right."""
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share."""
        return wilson_interval(self.right, self.n)

    @property
    def is_weak(self) -> bool:
        """Whether the whole interval lies below the mean.

        Of nineteen cells of one strength, one or more is called weak in two rounds of five: the word marks a table,
        and the weights go by `estimate`.
        """
        return self.interval[1] < self.mean

    @property
    def estimate(self) -> float:
        """The share, drawn towards the mean."""
        return (self.right + PRIOR * self.mean) / (self.n + PRIOR)

    @property
    def factor(self) -> float:
        """How many times as often as a cell at the mean this one is to be planned: 1 to `MOST`, in quarters."""
        if not 0 < self.mean < 1:  # the student is right, or wrong, everywhere
            return 1.0
        return _quarters(min(MOST, max(1.0, _odds(self.mean) / _odds(self.estimate))))


def find_weak(items: Sequence[UnderstandingItem | ApplicationItem], marks: Iterable[Mark]) -> list[Weakness]:
    """Return how the student did in each cell of the items, by task, the lowest estimate first.

    Args:
        items: held-out items of the student's own run.
        marks: one mark per item, in any order; they are taken as read leniently.
    """
    by_id = {mark.id: mark for mark in marks}
    found: list[Weakness] = []
    for task, group in by_task(items).items():
        mean = sum(by_id[item.qid].lenient for item in group) / len(group)
        cells: dict[str, list[UnderstandingItem | ApplicationItem]] = {}
        for item in group:
            cells.setdefault(cell_of(item), []).append(item)
        for cell, own in cells.items():
            missed = Counter[str]()
            for item in own:
                missed.update(_missed(item, by_id[item.qid]))
            right = sum(by_id[item.qid].lenient for item in own)
            found.append(Weakness(task, _category_of(own[0]), cell, len(own), right, mean, dict(missed)))
    return sorted(found, key=lambda one: (one.task, one.estimate, one.cell))


def plan_weights(weaknesses: Iterable[Weakness], recipe_weights: Mapping[str, float]) -> dict[str, float]:
    """Return `plan.weights` of the next round: those of the recipe, and those of the cells that it asks for more often.

    A cell's weight in the recipe, its own or its category's, is multiplied by its factor: no cell gets less, and one
    that is left out stays out.
    """
    weights = dict(recipe_weights)
    for weakness in weaknesses:
        own = recipe_weights.get(weakness.cell, recipe_weights.get(weakness.category, 1.0))
        if own and weakness.factor > 1:
            weights[weakness.cell] = max(own, min(MAX_WEIGHT, _quarters(own * weakness.factor)))
    return weights


def metric_weights(weaknesses: Iterable[Weakness], kind: str) -> dict[str, float]:
    """Return the criteria that must count in full when a program is compiled for the next round, each with weight 1.

    Of the weak cells of a task the question that is missed most decides, or both where they are level.

    Args:
        weaknesses: how the student did.
        kind: which program is compiled: items, session, or exam, which no criterion of writing concerns.
    """
    weights: dict[str, float] = {}
    weak = [weakness for weakness in weaknesses if weakness.is_weak]
    for task, questions in QUESTIONS.items():
        missed = {name: sum(one.missed.get(name, 0) for one in weak if one.task == task) for name in questions}
        for name in questions:
            if missed[name] and missed[name] == max(missed.values()):
                weights |= dict.fromkeys(CRITERIA.get(kind, {}).get(name, ()), 1.0)
    return weights


def _missed(item: UnderstandingItem | ApplicationItem, mark: Mark) -> list[str]:
    if not mark.picks:
        return []
    answers = zip(QUESTIONS[item.task], mark.picks, item.questions, strict=True)
    return [name for name, pick, (choices, label) in answers if pick is None or choices[pick] != label]


def _category_of(item: UnderstandingItem | ApplicationItem) -> str:
    return item.coarse_category if isinstance(item, UnderstandingItem) else item.category


def _odds(share: float) -> float:
    return share / (1 - share)


def _quarters(weight: float) -> float:
    return round(weight * PER_UNIT) / PER_UNIT
