"""Compiled programs in the terminal: which there are, what they ask, and what an optimizer changed.

Texts of programs are data: they are printed without markup, and without characters that would steer the terminal.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from corpus.errors import RunError
from corpus.markdown import count_of
from optimizers.difference import QUALITY, PredictorChange, compare, compare_scores, why_not_comparable
from optimizers.opening import Opened, is_origin, open_origin, open_pair, open_program
from optimizers.prompts import Prompt, read_inputs, render_prompts
from optimizers.store import PROGRAMS, Scores, Sidecar, find_programs

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def list_programs(root: Path, console: Console, as_json: bool = False) -> None:
    """Print the compiled programs of a folder as a table, and those that cannot be used with the reason."""
    found = find_programs(root)
    if as_json:
        rows = [
            {"path": str(folder), **(it.model_dump(mode="json") if isinstance(it, Sidecar) else {"error": it})}
            for folder, it in found
        ]
        console.print_json(json.dumps(rows, ensure_ascii=False))
        return
    if not found:
        _say(console, f"{root} holds no compiled programs; make one: emoreason compile RECIPE --program items")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("program", "quality", "cases, calls"):
        table.add_column(title, overflow="fold")
    for folder, it in found:
        if isinstance(it, Sidecar):
            table.add_row(*(Text(clean(cell)) for cell in _cells(folder, it)))
    if table.row_count:
        console.print(table)
    for folder, it in found:
        if isinstance(it, Sidecar):
            if it.stopped:
                _say(console, f"{folder.name}: ended early: {it.stopped}", "yellow")
        else:
            _say(console, f"{folder.name}: {it}", "red")


def show_prompt(
    name: str, only: str | None, filled: bool, console: Console, as_json: bool = False, root: Path = PROGRAMS
) -> None:
    """Print the prompts of a program, message by message.

    Raises:
        RunError, DataError: there is no such program or predictor, or a file of it cannot be read.
    """
    opened = open_program(name, root)
    inputs = read_inputs(opened.kind, opened.folder) if filled and opened.folder else {}
    prompts = render_prompts(opened.kind, opened.program, inputs)
    chosen = [prompt for prompt in prompts if only in (None, prompt.predictor, prompt.predictor.rpartition(".")[2])]
    if not chosen:
        names = ", ".join(prompt.predictor for prompt in prompts)
        raise RunError(f"{opened.name} has no predictor {only!r}; it has {names}")
    if as_json:
        console.print_json(json.dumps([asdict(prompt) for prompt in chosen], ensure_ascii=False))
        return
    for prompt in chosen:
        _print_prompt(prompt, console)
    if filled and not any(prompt.filled for prompt in chosen):
        _say(console, f"{opened.name} has no case that fills this: names in braces stand for what is put in", "yellow")


def show_difference(name: str, other: str | None, console: Console, root: Path = PROGRAMS) -> None:
    """Print what differs between two programs; without ``other``, between one and what it began from.

    Raises:
        RunError, DataError: there is no such program, they are of two kinds, or a file cannot be read.
    """
    first = open_program(name, root)
    if other is None:
        (before, remark), after = open_origin(first, root), first
    else:
        before, after, remark = *open_pair(first, open_program(other, root)), ""
    if remark:
        _say(console, remark, "yellow")
    changes = compare(before.program, after.program, (before.name, after.name))
    for change in changes:
        _print_change(change, console)
    if not changes:
        _say(console, f"no difference between the prompts of {before.name} and {after.name}")
    _print_scores(before, after, console)


def _cells(folder: Path, sidecar: Sidecar) -> tuple[str, str, str]:
    """Three cells of three lines, so that a terminal of 80 columns holds them and names can be copied."""
    scores, role = sidecar.scores, "examinee" if sidecar.kind == "exam" else "teacher"
    calls = sidecar.cost.get("calls", {}).get("calls")
    chain = " + ".join(step.name for step in sidecar.optimizers)
    return (
        f"{folder.name}\n{sidecar.kind}: {chain}\n{role} {sidecar.models.get(role, '–')}",
        f"{scores.before.quality:.2f} → {scores.after.quality:.2f}\n{_signed(scores.delta, scores.interval)}",
        f"{count_of(scores.n, 'case')}\n{f'{calls:,.0f}' if isinstance(calls, int | float) else '–'} calls\n"
        f"{sidecar.created:%Y-%m-%d}",
    )


def _print_prompt(prompt: Prompt, console: Console) -> None:
    console.rule(Text(prompt.predictor, style="bold"), align="left")
    for message in prompt.messages:
        _say(console, f"\n{message.role}", "bold cyan")
        _say(console, message.content)
    _say(console, "")


def _print_change(change: PredictorChange, console: Console) -> None:
    console.rule(Text(change.predictor, style="bold"), align="left")
    if change.missing_in:
        _say(console, f"{change.missing_in} does not have it", "yellow")
    for line in change.instructions:
        _say(console, line, _DIFF_STYLES.get(line[:1], ""))
    for count, what, mark, demos in (
        (len(change.added), "added", "+", change.added),
        (len(change.removed), "removed", "-", change.removed),
    ):
        if count:
            _say(console, f"{count_of(count, 'demonstration')} {what}")
        for demo in demos:
            _say(console, f"{mark} {demo}", _DIFF_STYLES[mark])
    if change.reordered:
        _say(console, "the same demonstrations in another order")
    for field in change.fields:
        _say(console, f"field {field.field}")
        _say(console, f"- {field.before}", "red")
        _say(console, f"+ {field.after}", "green")
    _say(console, "")


def _print_scores(before: Opened, after: Opened, console: Console) -> None:
    if (measured := after.sidecar) and is_origin(before, after):
        _print_measured(before, after, measured.scores, console)
        return
    sidecars = before.sidecar, after.sidecar
    if why := why_not_comparable(*sidecars):
        _say(console, why, "yellow")
        return
    table = _score_table(before, after)
    for row in compare_scores(*sidecars):  # type: ignore[arg-type]  # both are there, or there is a reason why not
        table.add_row(row.name, _mean(row.before), _mean(row.after))
    console.print(table)


def _print_measured(before: Opened, after: Opened, scores: Scores, console: Console) -> None:
    """Print the comparison that the compilation made itself: paired, case by case."""
    table = _score_table(before, after)
    table.add_column("change (95% interval)")
    table.add_column("cases", justify="right")
    change = _signed(scores.delta, scores.interval)
    table.add_row(QUALITY, f"{scores.before.quality:.3f}", f"{scores.after.quality:.3f}", change, f"{scores.n:,}")
    for name, row in scores.criteria.items():
        change = _signed(row.delta, row.interval) if row.delta is not None and row.interval else "–"
        table.add_row(Text(clean(name)), _mean(row.before), _mean(row.after), change, f"{row.n:,}")
    console.print(table)


def _score_table(before: Opened, after: Opened) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("final cases")
    table.add_column(Text(before.name), justify="right", overflow="fold")
    table.add_column(Text(after.name), justify="right", overflow="fold")
    return table


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(delta: float, interval: tuple[float, float]) -> str:
    return f"{delta:+.2f} ({interval[0]:+.2f} to {interval[1]:+.2f})"


def clean(text: str) -> str:
    """Replace characters that would steer a terminal; line ends and tabs stay."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(clean(text)), style=style, markup=False, highlight=False, soft_wrap=True)
