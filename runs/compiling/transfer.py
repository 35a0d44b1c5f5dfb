"""Which compiled prompt survives a change of teacher: the same programs with several models, on the same cases.

The cases are the final ones of the first program, without those that any of the programs was compiled on.  The model
under test writes; the judge is the recipe's for the whole table, so that its columns can be compared.  A table is a
folder beside the programs, named by what it is made from: table.json, scores.jsonl (a row per teacher, program, and
case), calls.jsonl, and transfer.log.  Answers are kept in the programs' answers.jsonl: a table that is asked for again,
or was killed, asks only for what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
from rich.console import Console

from corpus.errors import ModelError, RecipeError, TeacherError
from corpus.jsonl import write_jsonl, write_text_atomically
from lms.ledger import Ledger
from lms.spec import ModelSpec
from optimizers.attempt import Attempt
from optimizers.meter import count_said
from optimizers.metric import Metric
from optimizers.quiet import dspy_at_work
from optimizers.scoring import score
from optimizers.watch import Halted
from runs.compiling.compile import CALLS, SCORES, writing_lm
from runs.compiling.order import Order
from runs.compiling.transfer_order import Transfer
from runs.compiling.transfer_table import Column, Row, Table, Trial, draw_table
from runs.compiling.watching import make_watch
from runs.holding import hold_folder
from runs.progress import Update, show_progress
from runs.recipe import EXAMINEE, JUDGE, WRITERS
from runs.serving import announce_on, serve

TABLE, LOG = "table.json", "transfer.log"


def run_transfer(transfer: Transfer, console: Console) -> Table:
    """Examine all programs with all models, and write the table.

    A model that cannot be used is a column that says why.

    Raises:
        RunError: the folder is in use or cannot be written.
        TeacherError: no model could be used.
        LimitError: the budget ended before the table was full; what was answered is kept.
    """
    folder = transfer.folder
    with hold_folder(folder, "being made by another process; wait for it"):
        table = _Examination(transfer, folder, console).run()
    if not table.cells:
        reasons = "; ".join(f"{column.name}: {column.failed}" for column in table.columns)
        raise TeacherError(f"transfer: no model could be examined: {reasons}")
    return table


class _Examination:
    """One table at work."""

    def __init__(self, transfer: Transfer, folder: Path, console: Console):
        self.transfer, self.folder, self.console = transfer, folder, console
        self.compile = transfer.recipe.compile
        self.assessor = Order(transfer.recipe, transfer.kind, transfer.root).assessor()
        self.judging = make_watch("transfer", JUDGE, self.compile.failures)

    def run(self) -> Table:
        transfer, rows = self.transfer, [row for row, _ in self.transfer.rows]
        self.console.file = self.console.file  # what DSPy prints is sent elsewhere, what we say is not
        columns: list[Column] = []
        with (
            Ledger("transfer", self.folder / CALLS, self.compile.budget) as self.ledger,
            show_progress(self.console, "transfer") as self.show,
        ):
            for name, spec in transfer.models.items():
                columns.append(self._examine(name, spec, len(columns)))
        table = draw_table(rows, columns)
        write_jsonl(self.folder / SCORES, _rows_of(rows, columns))
        write_text_atomically(self.folder / TABLE, json.dumps(describe(transfer, table), indent=1) + "\n")
        return table

    def _examine(self, name: str, spec: ModelSpec, place: int) -> Column:
        """Try all programs with one model."""
        self.ledger.stage = f"transfer {name}"
        of_one = len(self.transfer.rows) * len(self.transfer.cases)
        counter = _Counter(place * of_one, len(self.transfer.models) * of_one, name, self.ledger, self.show)
        try:
            with self._serve(spec):
                trials = tuple(self._try(program, counter) for _, program in self.transfer.rows)
        except Halted as halted:
            # Without a judge there is no table.
            if halted.error is self.judging.halted or not isinstance(halted.error, TeacherError | ModelError):
                raise halted.error from halted.__cause__
            return Column(name, spec.identity, failed=str(halted.error).removeprefix("transfer: "))
        except (TeacherError, ModelError, RecipeError) as error:  # it is not there, or the key to it is missing
            return Column(name, spec.identity, failed=str(error))
        return Column(name, spec.identity, trials)

    @contextmanager
    def _serve(self, spec: ModelSpec) -> Iterator[None]:
        """Ask the model in all roles that write, or as the examinee, and the recipe's judge beside it."""
        transfer = self.transfer
        specs: dict[str, ModelSpec] = dict.fromkeys([EXAMINEE] if transfer.kind == "exam" else WRITERS, spec)
        if transfer.kind != "exam" and self.compile.judge:
            specs |= transfer.recipe.models_of(JUDGE)
        announce = announce_on(self.console, "transfer")
        with (
            serve(specs, self.ledger, self.compile.threads, announce, transfer.root, cached_scripted=True) as models,
            dspy.context(lm=writing_lm(models, transfer.kind), trace=[], disable_history=True),
        ):
            yield

    def _try(self, program: dspy.Module, counter: _Counter) -> Trial:
        watch = make_watch("transfer", "the model", self.compile.failures)
        self.judging = make_watch("transfer", JUDGE, self.compile.failures)
        metric = Metric(self.assessor, self.compile.threshold, self.judging, counter)
        with dspy_at_work(self.folder / LOG), count_said(besides=JUDGE) as said:
            scored = score(Attempt(program, watch), self.transfer.cases, metric, self.compile.threads)
        return Trial(tuple(scored), said)


@dataclass
class _Counter:
    """Shows each case that was assessed."""

    done: int
    total: int
    teacher: str
    ledger: Ledger
    show: Update

    def __call__(self) -> None:
        self.done += 1
        self.show(self.done, self.total, f"{self.teacher}, {self.ledger.total.calls:,} calls")


def describe(transfer: Transfer, table: Table) -> dict[str, Any]:
    """Return a table with what it was made of, as JSON values."""
    recipe, clusters = transfer.recipe, {case.cluster for case in transfer.cases}
    judge = recipe.models_of(JUDGE)[JUDGE].identity if recipe.compile.judge and transfer.kind != "exam" else ""
    about = {"kind": transfer.kind, "cases": len(transfer.cases), "clusters": len(clusters), "judge": judge}
    return about | {"comparisons": table.comparisons, "remarks": list(transfer.remarks)} | table.as_json()


def _rows_of(rows: Sequence[Row], columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    for column in columns:
        for row, trial in zip(rows, column.trials, strict=bool(column.trials)):
            for found in trial.scored:
                yield {
                    "teacher": column.name, "program": row.name, "id": found.case.id, "cluster": found.case.cluster,
                    "quality": round(found.quality.score, 6), "scores": found.quality.scores, "calls": found.calls,
                    "failure": found.failure,
                }  # fmt: skip
