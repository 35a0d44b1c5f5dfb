"""What a compilation will cost, and what it brought, as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from corpus.errors import UsageError
from eval.weakness import Weakness
from optimizers.config import Kind
from optimizers.store import PROGRAMS, SIDECAR, Scores, read_sidecar, resolve
from runs.compiling.compile import compile_program
from runs.compiling.estimate import Estimate
from runs.compiling.order import Order, estimate_order
from runs.feedback import heed_feedback, read_weaknesses
from runs.folder import read_run
from runs.recipe import Recipe

CELLS_SHOWN = 6  # weak cells that are named


def place_orders(
    recipe: Recipe,
    program: str,
    to: Path | None,
    start: str | None,
    run_path: Path | None,
    feedback: Path | None,
    console: Console,
) -> Iterator[Order]:
    """Yield what is to be compiled, one after another: of `all`, items are written from sessions compiled before.

    Raises:
        UsageError: options that do not go together.
        RunError: a program or a run that is named does not exist.
    """
    if program == "all" and start:
        raise UsageError("--from names one program; compile session and items one after the other")
    if program == "exam" and run_path is None:
        raise UsageError("--program exam needs --run: the run whose items the prompt is compiled on")
    if program != "exam" and run_path is not None:
        raise UsageError("--run is for --program exam; the other programs are compiled on plans of their own")
    root = to or PROGRAMS
    if feedback is not None:
        run = read_run(feedback)
        recipe = heed_feedback(recipe, run)
        console.print(
            f"compile: weak in {feedback}: {name_weak(read_weaknesses(run))}", highlight=False, soft_wrap=True
        )
    kinds: tuple[Kind, ...] = ("session", "items") if program == "all" else (program,)  # type: ignore[assignment]
    for kind in kinds:
        order = Order(
            recipe, kind, root, resolve(start, root) if start else None, read_run(run_path) if run_path else None
        )
        yield order
        if program == "all" and (root / order.name / SIDECAR).exists():
            recipe = recipe.model_copy(
                update={"programs": recipe.programs.model_copy(update={"session": str(root / order.name)})}
            )


def compile_and_show(order: Order, console: Console, dry_run: bool) -> None:
    """Print the estimate of an order, compile it unless this is a dry run, and print what it brought."""
    planned, folder = estimate_order(order), order.root / order.name
    known = (folder / SIDECAR).exists()
    if not known:
        _print_estimate(order, planned, console)
    if dry_run:
        line = f"{folder} was compiled before" if known else f"nothing was asked; {folder} is where it will be"
        console.print(f"compile: {line}", style="dim", highlight=False, soft_wrap=True, markup=False)
        return
    print_result(compile_program(order, console), console)


def _print_estimate(order: Order, planned: Estimate, console: Console) -> None:
    """Print the steps; what was answered before is not asked again, so that most searches take fewer calls."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"compile {order.kind} with {' + '.join(order.chain)}")
    table.add_column("cases, at most", justify="right")
    table.add_column("calls, at most about", justify="right")
    for line in planned.lines:
        table.add_row(line.step, f"{line.cases:,}", f"{line.calls:,}")
    table.add_row("all", "", f"{planned.calls:,}", style="bold")
    console.print(table)
    budget = order.recipe.compile.budget.model_dump(exclude_none=True)
    if budget:
        limits = ", ".join(f"{limit:,}".removesuffix(".0") + f" {name}" for name, limit in budget.items())
        console.print(f"compile: the budget of {limits} is kept", highlight=False, soft_wrap=True)


def print_result(folder: Path, console: Console) -> None:
    """Print the final comparison of a compilation."""
    sidecar = read_sidecar(folder)
    scores = sidecar.scores
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{scores.n} final cases")
    for name in ("uncompiled", "compiled", "change", "95% interval", "cases"):
        table.add_column(name, justify="right", no_wrap=True)
    low, high = scores.interval
    table.add_row(
        "quality", f"{scores.before.quality:.3f}", f"{scores.after.quality:.3f}", f"{scores.delta:+.3f}",
        f"{low:+.3f} to {high:+.3f}", str(scores.n), style="bold",
    )  # fmt: skip
    for name, change in scores.criteria.items():
        table.add_row(
            f"  {name}", _share(change.before), _share(change.after), _share(change.delta, "+"),
            f"{change.interval[0]:+.3f} to {change.interval[1]:+.3f}" if change.interval else "", str(change.n),
        )  # fmt: skip
    table.add_section()
    for label, name, digits in (("calls per case", "calls", 1), ("  characters read", "read", 0),
                                ("  and written", "written", 0)):  # fmt: skip
        before, after = sidecar.cost["before"][name], sidecar.cost["after"][name]
        table.add_row(label, f"{before:,.{digits}f}", f"{after:,.{digits}f}", f"{after - before:+,.{digits}f}")
    console.print(table)
    if sidecar.stopped:
        console.print(f"compile: {sidecar.stopped}", style="yellow", highlight=False, soft_wrap=True)
    verdict = _judge(scores, sidecar.changed)
    spent = sidecar.cost["calls"]["calls"]
    console.print(f"{folder}: {verdict}; {spent:,.0f} calls", highlight=False, soft_wrap=True, markup=False)


def _share(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.3f}"


def _judge(scores: Scores, changed: bool) -> str:
    """Say what may be said: better only when the paired interval lies above zero."""
    if not changed:
        return "no candidate was better on the development cases; the program is what it was"
    if scores.interval[0] > 0:
        return "better than before"
    return "worse than before" if scores.interval[1] < 0 else "no change shown"


def name_weak(weaknesses: Sequence[Weakness]) -> str:
    """Name the cells in which a student is weak, and what it missed there."""
    weak = [cell for cell in weaknesses if cell.is_weak]
    named = []
    for cell in weak[:CELLS_SHOWN]:
        missed = ", ".join(f"{name} missed {count}" for name, count in cell.missed.items())
        named.append(f"{cell.cell} {cell.right} of {cell.n} right" + (f" ({missed})" if missed else ""))
    more = f" and {len(weak) - CELLS_SHOWN} more" if len(weak) > CELLS_SHOWN else ""
    return "; ".join(named) + more if named else "no cell is shown to be below the mean of its task"
