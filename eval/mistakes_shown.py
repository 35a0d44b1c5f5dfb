"""The mistakes of all students side by side, as the page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.confusion import KINDS, Kind
from eval.mistakes import Outcome, Slice
from eval.replies import StudentMistakes
from eval.scores import STAGES, Stage

CONFUSIONS = 20  # rows of a table
_OUTCOMES: tuple[Outcome, ...] = ("right", "wrong", "unread", "empty")  # a student in this process does not fail


@dataclass(frozen=True)
class ShownConfusion:
    """A row of the table of confused emotions; one count per student."""

    key: str
    picked: str
    kinds: tuple[Kind, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ShownSlice:
    """A row of the table of shares, one per student; ``first`` marks the first row of its group."""

    name: str
    first: bool
    shares: tuple[Slice, ...]


@dataclass(frozen=True)
class ShownMistakes:
    """The students of one benchmark, task, and mode, in the order of `STAGES`, and their tables."""

    students: Sequence[StudentMistakes]
    kinds: dict[Kind, tuple[int, ...]]
    confusions: list[ShownConfusion]
    confusion_count: int
    slices: list[ShownSlice]
    outcomes: tuple[Outcome, ...] = _OUTCOMES

    @property
    def name(self) -> str:
        """Benchmark, task, and mode."""
        one = self.students[0]
        return f"{one.benchmark}, {one.task}, {one.mode}"

    @property
    def stages(self) -> list[Stage]:
        """The students' stages."""
        return [one.stage for one in self.students]


def group_mistakes(mistakes: Iterable[StudentMistakes]) -> list[list[StudentMistakes]]:
    """Return the students of each benchmark, task, and mode together, in the order of `STAGES`."""
    groups: dict[tuple[str, str, str], list[StudentMistakes]] = {}
    for one in mistakes:
        groups.setdefault((one.benchmark, one.task, one.mode), []).append(one)
    return [sorted(group, key=lambda one: STAGES.index(one.stage)) for group in groups.values()]


def show_mistakes(students: Sequence[StudentMistakes]) -> ShownMistakes:
    """Return the tables of students who were asked the same items in the same mode; at least one."""
    kinds = {kind: tuple(one.kinds.get(kind, 0) for one in students) for kind in KINDS}
    confusions = _confusions(students)
    return ShownMistakes(
        students=students,
        kinds={kind: counts for kind, counts in kinds.items() if any(counts)},
        confusions=confusions[:CONFUSIONS],
        confusion_count=len(confusions),
        slices=_slices(students),
    )


def _confusions(students: Sequence[StudentMistakes]) -> list[ShownConfusion]:
    """The last student's most common first, then those of the one before."""
    counts = [{(row.key, row.picked): row.count for row in one.confusions} for one in students]
    kinds: dict[tuple[str, str], set[Kind]] = {}
    for row in (row for one in students for row in one.confusions):
        kinds.setdefault((row.key, row.picked), set()).update(row.kinds)
    rows = [
        ShownConfusion(*pair, tuple(filter(own.__contains__, KINDS)), tuple(known.get(pair, 0) for known in counts))
        for pair, own in kinds.items()
    ]
    return sorted(rows, key=lambda row: ([-count for count in reversed(row.counts)], row.key, row.picked))


def _slices(students: Sequence[StudentMistakes]) -> list[ShownSlice]:
    """What is known of all students; marks of earlier versions hold no picks, and so no positions."""
    groups = [[one.lengths for one in students]]
    for question in students[0].positions:
        groups.append([_name(question, one.positions.get(question, {})) for one in students])
    return [
        ShownSlice(name, place == 0, tuple(known[name] for known in group))
        for group in groups
        for place, name in enumerate(name for name in group[0] if all(name in known for known in group))
    ]


def _name(question: str, positions: dict[str, Slice]) -> dict[str, Slice]:
    return {f"right {question} at {letter}": share for letter, share in positions.items()}
