"""What a person is shown: kept items and those that the judge set aside, in a fair and fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from corpus.errors import RunError
from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.seeds import rng_for
from runs.folder import Run
from runs.items import read_aside, read_kept
from signatures.exam import exam_inputs

Of = Literal["kept", "aside", "all"]


@dataclass(frozen=True)
class Question:
    """One question of an item, worded as in the exam."""

    text: str
    choices: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class ReviewItem:
    """An item, and why the judge set it aside (empty when it was kept)."""

    item: UnderstandingItem | ApplicationItem
    reason: str = ""

    @property
    def id(self) -> str:
        """The item's ID."""
        return self.item.qid

    @property
    def stratum(self) -> str:
        """What the sample is balanced over: kept or aside, and the quota cell."""
        return f"{'aside' if self.reason else 'kept'}, {cell_of(self.item)}"

    @property
    def category(self) -> str:
        """Where the item belongs in EmoBench's taxonomy, in words."""
        if isinstance(self.item, UnderstandingItem):
            names = (self.item.coarse_category, self.item.finegrained_category)
        else:
            names = (self.item.category, self.item.question_type)
        return " · ".join((self.item.task, *(name.replace("_", " ") for name in names)))

    @property
    def questions(self) -> tuple[Question, ...]:
        """The item's questions with choices and key."""
        texts = [str(text) for name, text in exam_inputs(self.item).items() if name.startswith("question")]
        pairs = zip(texts, self.item.questions, strict=True)
        return tuple(Question(text, choices, key) for text, (choices, key) in pairs)


def draw_sample(run: Run, of: Of, size: int) -> list[ReviewItem]:
    """Draw the items to review; the same for everybody who asks for the same run, kind, and size.

    A smaller sample is the beginning of a larger one, and each beginning holds every quota cell in proportion, to
    within one item: whoever stops half way has judged a stratified half.

    Raises:
        RunError: `curate` is not done, or there are no items of that kind.
        DataError: a line of the data is not an item.
    """
    run.require("curate")
    placed = list(read_kept(run)) if of != "aside" else []
    if of != "kept" and run.aside_path.exists():  # there is none where no judge was asked
        placed += read_aside(run)
    items = [ReviewItem(one.item, one.reason) for one in placed]
    if not items:
        hint = "the judge set none aside" if of == "aside" else "curate kept none"
        raise RunError(f"{run.path}: there are no items to review ({hint}); choose others with --of")
    return spread(items, run.recipe.seed)[:size]


def spread(items: list[ReviewItem], seed: int) -> list[ReviewItem]:
    """Order items so that each beginning of the list holds every stratum in proportion, to within one item.

    The items of a stratum are shuffled and set at even distances between 0 and 1, from a random start: systematic
    sampling (Cochran 1977, ch. 8) in each stratum.
    """
    strata: dict[str, list[ReviewItem]] = {}
    for item in sorted(items, key=lambda item: item.id):
        strata.setdefault(item.stratum, []).append(item)
    places: list[tuple[float, str, ReviewItem]] = []
    for name, members in strata.items():
        rng = rng_for(seed, "review", name)
        rng.shuffle(members)
        start = rng.random()
        places += (((number + start) / len(members), item.id, item) for number, item in enumerate(members))
    return [item for _, _, item in sorted(places, key=lambda place: place[:2])]
