"""The table programs × teachers, and what may be said from it.

All programs are examined on the same cases with every teacher, and compared with the uncompiled program of the same
teacher, case by case.  Intervals are 95% intervals of one change each, as everywhere in this project.  Of many changes
some exclude zero by chance: a change counts as shown when its interval does so and Holm's correction (1979) of the p
values of all changes in the table leaves it below 0.05.  The p values are those of
`eval.resampling.flip_signs`, which is right for few clusters too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from eval.resampling import flip_signs
from eval.statistics import Change, adjust, mean_score, paired_change
from optimizers.meter import Said
from optimizers.scoring import Scored

UNCOMPILED = "uncompiled"
LEVEL = 0.05
Verdict = Literal["better", "worse", "no change shown"]


@dataclass(frozen=True)
class Row:
    """A program of the table: its name, and the model with which it was compiled, as far as is known."""

    name: str
    compiled_with: str = ""


@dataclass(frozen=True)
class Trial:
    """A program tried with a teacher on all cases, and what was said to that teacher and by it."""

    scored: tuple[Scored, ...]
    said: Said


@dataclass(frozen=True)
class Column:
    """A teacher, and its trials in the order of the rows; none, with the reason, when it could not be examined."""

    name: str
    model: str
    trials: tuple[Trial, ...] = ()
    failed: str = ""


@dataclass(frozen=True)
class Cell:
    """What a program is worth with a teacher.

    Args:
        quality: mean over the cases.
        change: paired, against the uncompiled program; None for that one itself.
        p, corrected: that there is no change; the latter by Holm over all changes of the table.
        calls, read, written: calls, and characters read and written in them, per case.
        unanswered: cases that got no answer, which count as 0.
    """

    program: str
    teacher: str
    quality: Change
    calls: float
    read: float
    written: float
    unanswered: int
    change: Change | None = None
    p: float | None = None
    corrected: float | None = None

    @property
    def verdict(self) -> Verdict:
        """What may be said of the change."""
        if self.change is None or self.corrected is None or self.corrected >= LEVEL:
            return "no change shown"
        if self.change.is_gain:
            return "better"
        return "worse" if self.change.high < 0 else "no change shown"


@dataclass(frozen=True)
class Table:
    """Rows, columns, and the cells of all columns that could be examined."""

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]

    def cell(self, program: str, teacher: str) -> Cell | None:
        """Return a cell; None where the teacher could not be examined."""
        return next((one for one in self.cells if (one.program, one.teacher) == (program, teacher)), None)

    def survives(self, program: str) -> bool | None:
        """Whether a program is better than the uncompiled one with every teacher; None: not all could be asked."""
        found = [self.cell(program, column.name) for column in self.columns]
        if any(cell is not None and cell.verdict != "better" for cell in found):
            return False
        return None if None in found else True

    @property
    def comparisons(self) -> int:
        """How many changes the table holds."""
        return sum(cell.change is not None for cell in self.cells)

    def as_json(self) -> dict[str, Any]:
        """Return all figures as JSON values."""
        return {
            "programs": [
                asdict(row) | ({"survives": self.survives(row.name)} if row.name != UNCOMPILED else {})
                for row in self.rows
            ],
            "teachers": [
                {"name": column.name, "model": column.model, "failed": column.failed} for column in self.columns
            ],
            "cells": [asdict(cell) | ({"verdict": cell.verdict} if cell.change else {}) for cell in self.cells],
        }


def draw_table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    """Compare every trial with that of the first row, the uncompiled program, with the same teacher."""
    compared = [
        (column, row, trial, column.trials[0])
        for column in columns
        for row, trial in zip(rows[1:], column.trials[1:], strict=bool(column.trials))
    ]
    values = [_find_p(trial, first) for _, _, trial, first in compared]
    corrected = adjust(values)
    cells = [_cell(rows[0], column, column.trials[0]) for column in columns if column.trials]
    for (column, row, trial, first), value, after in zip(compared, values, corrected, strict=True):
        cells.append(_cell(row, column, trial, _change(trial, first), value, after))
    order = {row.name: place for place, row in enumerate(rows)}
    cells.sort(key=lambda cell: order[cell.program])  # stable: teachers keep their order
    return Table(tuple(rows), tuple(columns), tuple(cells))


def is_unanswered(found: Scored) -> bool:
    """Whether a case got no answer, of the writer or of the judge: all others have a verdict."""
    return not found.quality.verdicts


def _cell(
    row: Row,
    column: Column,
    trial: Trial,
    change: Change | None = None,
    p: float | None = None,
    corrected: float | None = None,
) -> Cell:
    cases = len(trial.scored)
    return Cell(
        program=row.name,
        teacher=column.name,
        quality=mean_score(_qualities(trial), _clusters(trial)),
        calls=trial.said.calls / cases,
        read=trial.said.read / cases,
        written=trial.said.written / cases,
        unanswered=sum(map(is_unanswered, trial.scored)),
        change=change,
        p=p,
        corrected=corrected,
    )


def _change(trial: Trial, first: Trial) -> Change:
    return paired_change(_qualities(first), _qualities(trial), _clusters(first))


def _find_p(trial: Trial, first: Trial) -> float:
    return flip_signs(np.asarray(_qualities(trial)) - np.asarray(_qualities(first)), _clusters(first))


def _qualities(trial: Trial) -> list[float]:
    return [found.quality.score for found in trial.scored]


def _clusters(trial: Trial) -> list[str]:
    return [found.case.cluster for found in trial.scored]
