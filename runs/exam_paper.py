"""One benchmark as one model sits it: what is to be asked, and what has been answered, which a kill does not lose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import ValidationError

from corpus.errors import RunError
from eval.answers import AnswerRow, row_id
from eval.asking import Ask, fingerprint
from eval.benchmarks import Question, reordered
from runs.journal import Journal


@dataclass(frozen=True)
class Unit:
    """A question to ask once: as it stands in one order, its prompt's fingerprint, and its length in characters."""

    shown: Question
    order: int
    sample: int
    prompt: str
    length: int

    @property
    def id(self) -> str:
        """The ID of its row."""
        return row_id(self.shown, self.order, self.sample)


class Paper:
    """The questions of a benchmark in all orders and samples, and the rows of a journal that answer them.

    Args:
        orders, samples: counts, from 1; journal: open.

    Raises:
        RunError: a row of the journal is none, or answers another question.
    """

    def __init__(self, ask: Ask, questions: Sequence[Question], orders: int, samples: int, journal: Journal):
        self.ask, self.questions, self.journal = ask, list(questions), journal
        self.units = {unit.id: unit for unit in _list_units(ask, questions, orders, samples)}
        self._done = {
            key: _read(journal, self.units[key], row) for key, row in journal.latest().items() if key in self.units
        }

    def list_open(self) -> list[Unit]:
        """Return what has no answer yet, the shortest first.

        In a batch, padding costs as much as text: so prompts of like length come one after another.
        """
        waiting = [unit for key, unit in self.units.items() if key not in self._done or self._done[key].error]
        return sorted(waiting, key=lambda unit: unit.length)

    def enter(self, row: AnswerRow) -> None:
        """Keep a row, in the journal too."""
        self.journal.append(row.model_dump(mode="json"))
        self._done[row.id] = row

    @property
    def answered(self) -> int:
        """The number of rows."""
        return len(self._done)

    @property
    def rows(self) -> list[AnswerRow]:
        """All rows, in the order of the questions; KeyError where one is missing."""
        return [self._done[key] for key in self.units]


def _list_units(ask: Ask, questions: Sequence[Question], orders: int, samples: int) -> Iterator[Unit]:
    for question, order in product(questions, range(orders)):
        shown = reordered(question, order)
        messages = ask.show(shown)
        length = sum(len(message["content"]) for message in messages)
        for sample in range(samples):
            yield Unit(shown, order, sample, fingerprint(messages), length)


def _read(journal: Journal, unit: Unit, row: dict[str, Any]) -> AnswerRow:
    try:
        read = AnswerRow.model_validate(row)
    except ValidationError as error:
        raise RunError(f"{journal.path}: {unit.id} is no row of an exam; remove the line and run again") from error
    if read.prompt != unit.prompt or read.keys != unit.shown.keys:
        raise RunError(
            f"{journal.path} answers another question as {unit.id}: the data or the prompts have changed since; "
            "name another folder with --out"
        )
    return read
