"""Review by people in the terminal: starting the page, and how far reviewers agree."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpus.errors import RunError, UsageError
from corpus.human import REVIEWS, Aspect, read_verdicts
from review.items import Of, draw_sample
from review.sheet import open_sheet
from runs.folder import read_run

if TYPE_CHECKING:
    from eval.agreement import Agreement

_NAMES: dict[Aspect, str] = {
    "label_right": "label right",
    "explanation_sound": "explanation sound",
    "ambiguous": "ambiguous",
}


def review_run(path: Path, annotator: str, sample: int, of: Of, port: int, browser: bool, console: Console) -> None:
    """Serve the review page of a run until Ctrl-C, and say how far the person got.

    Raises:
        UsageError: NiceGUI is not installed, or the name cannot be used.
        RunError: the run has no such items, the sheet is open elsewhere, or the port is in use.
        DataError: a line of the run's data or of the sheet is wrong.
    """
    run = read_run(path)
    try:
        from review.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            'the review page needs NiceGUI; install it: pip install "emoreason[review]" (or make install)'
        ) from error
    items = draw_sample(run, of, sample)
    with open_sheet(run.path / REVIEWS, annotator, items) as sheet:
        console.print(f"{len(items)} items, {sheet.done} done; Ctrl-C ends, and the same command goes on from there")
        try:
            serve(sheet, run.recipe.name, port, browser, lambda url: console.print(url, soft_wrap=True))
        except KeyboardInterrupt:
            console.print(
                f"{sheet.done} of {len(items)} items done, saved in {run.path / REVIEWS}", markup=False, soft_wrap=True
            )


def print_agreement(path: Path, console: Console, as_json: bool = False) -> None:
    """Print the agreement of all who reviewed a run, and where they differ.

    Raises:
        RunError: it is not a run folder, or nobody has reviewed it.
        DataError: a line of a sheet is wrong.
    """
    from eval.agreement import measure_agreement

    run = read_run(path)
    verdicts = read_verdicts(run.path / REVIEWS)
    if not verdicts:
        raise RunError(f"{run.path} has no reviews; start one: emoreason review {run.path} --annotator NAME")
    measured = measure_agreement(verdicts, run.recipe.seed)
    if as_json:
        console.print_json(json.dumps([asdict(agreement) for agreement in measured], ensure_ascii=False))
        return
    people = sorted({verdict.annotator for verdict in verdicts})
    console.print(f"{len(people)} reviewers: {escape(', '.join(people))}", highlight=False, soft_wrap=True)
    table = Table("question", "items", "same answer", "agreement", "95% interval")
    for agreement in measured:
        table.add_row(*_cells(agreement))
    console.print(table)
    for agreement in measured:
        if agreement.remark:
            console.print(f"{_NAMES[agreement.aspect]}: {agreement.remark}", highlight=False, soft_wrap=True)
    for agreement in measured:
        for one in agreement.disagreements:
            said = ", ".join(f"{answer.annotator} {'yes' if answer.answer else 'no'}" for answer in one.answers)
            console.print(escape(f"{one.id}  {_NAMES[agreement.aspect]}: {said}"), highlight=False, soft_wrap=True)


def _cells(agreement: Agreement) -> tuple[str, ...]:
    def show(value: float | None, pattern: str = "{:.2f}") -> str:
        return "–" if value is None else pattern.format(value)

    interval = "–" if agreement.low is None else f"{show(agreement.low)} to {show(agreement.high)}"
    measure = f"{agreement.measure} {show(agreement.value)}" if agreement.measure else "–"
    return _NAMES[agreement.aspect], str(agreement.items), show(agreement.raw, "{:.0%}"), measure, interval
