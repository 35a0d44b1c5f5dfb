"""The items that a run was examined on, joined with the marks of all its students."""

from __future__ import annotations

from collections.abc import Sequence

from corpus.errors import DataError
from corpus.records import ApplicationItem, UnderstandingItem
from eval.emobench import load_emobench
from eval.examined import Examined
from eval.scores import ScoreRow
from runs.folder import Run
from runs.items import read_file, read_items
from runs.marks import EMOBENCH, HELDOUT, HELDOUT_OF, read_marks
from runs.written import read_sessions


def gather_examined(run: Run, rows: Sequence[ScoreRow]) -> tuple[list[Examined], list[str]]:
    """Return what was examined, and a line on each benchmark whose items cannot be read again.

    Args:
        rows: the score table of the run; only what stands in it is read.

    Raises:
        RunError: a journal of marks is malformed.
    """
    examined: list[Examined] = []
    problems: list[str] = []
    turns = _turns(run)
    for name in dict.fromkeys(row.benchmark for row in rows):
        try:
            items = read_benchmark(run, name)
        except DataError as error:
            problems.append(f"The items of {name} are not shown: {error}")
            continue
        asked = dict.fromkeys((row.stage, row.mode) for row in rows if row.benchmark == name)
        marks = {(stage, mode): read_marks(run, stage, mode, name) for stage, mode in asked}
        for item in items:
            own = {key: known[item.qid] for key, known in marks.items() if item.qid in known}
            if own:
                examined.append(Examined(name, item, own, turns.get(item.qid, "") if name == HELDOUT else ""))
    return examined, problems


def _turns(run: Run) -> dict[str, str]:
    """Return what was felt before the turn, by the ID of a moment, which is that of its item."""
    return {moment.id: moment.before for session in read_sessions(run) for moment in session.plan.moments}


def read_benchmark(run: Run, benchmark: str) -> list[UnderstandingItem | ApplicationItem]:
    """Return the items of a benchmark; raises DataError, also when the recipe does not name where they are."""
    config = run.recipe.exam
    if benchmark == HELDOUT:
        return list(read_items(run, "heldout"))
    if benchmark == EMOBENCH and config.emobench is not None:
        return load_emobench(config.emobench)
    path = config.also.get(benchmark.removeprefix(f"{HELDOUT_OF} "))
    if path is None:
        raise DataError("the recipe of the run does not say where they are")
    return [placed.item for placed in read_file(path) if placed.split == "heldout"]
