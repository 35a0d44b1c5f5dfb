"""`emoreason ship` in the terminal: hand the student over, and say what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from corpus.errors import RunError, UsageError
from runs.shipping import (
    Shipped,
    find_student,
    read_target,
    ship_to_gguf,
    ship_to_merged,
    ship_to_ollama,
)


@dataclass(frozen=True)
class Handover:
    """What the user asked for, option by option; see `emoreason ship --help`."""

    to: str | None
    quantize: str | None
    base_url: str | None
    replace: bool
    converter: Path | None
    push: str | None
    private: bool


def ship_and_print(run_path: Path, asked: Handover, console: Console) -> None:
    """Ship the student of a run; raises EmoReasonError, see runs.shipping and runs.student_card."""
    if asked.to is None and asked.push is None:
        raise UsageError("say where to: --to ollama:NAME, --to gguf:FILE, --to merged:DIR, or --push ORG/NAME")
    if asked.push is not None:
        _check_push(run_path, asked.push)
    model = find_student(run_path)
    if asked.to is not None:
        _ship(model, asked.to, asked, console)
    if asked.push is not None:
        from runs.folder import read_run
        from runs.student_card import push_student

        _say(console, f"pushed: {push_student(read_run(run_path), asked.push, asked.private)}")


def _check_push(run_path: Path, push: str) -> None:
    from runs.export.push import check_push

    check_push(push)
    if not (run_path / "recipe.yaml").is_file():
        raise RunError(
            f"--push: {run_path} is not a run, and the card tells of one; name a run, such as out/quickstart"
        )


def _ship(model: Path, to: str, asked: Handover, console: Console) -> None:
    kind, place = read_target(to)
    if kind == "merged":
        ship_to_merged(model, Path(place), asked.quantize)
        _say(console, f"the merged student is in {place}; serve it with `vllm serve {place}`")
        return
    if kind == "gguf":
        shipped = ship_to_gguf(model, Path(place), asked.quantize, asked.converter, lambda line: _say(console, line))
    else:
        shipped = _to_ollama(model, place, asked, console)
    if shipped.parity:
        _say(console, f"parity: {shipped.parity}")
    if shipped.lines:
        _say(console, "for the recipe:\nlms:")
        _say(console, "".join(f"  {line}\n" for line in shipped.lines.splitlines()).rstrip("\n"))


def _to_ollama(model: Path, name: str, asked: Handover, console: Console) -> Shipped:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("loading the student", total=None)

        def update(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        return ship_to_ollama(
            model, name, asked.quantize, asked.base_url, asked.replace, asked.converter,
            lambda line: _say(console, line), update,
        )  # fmt: skip


def _say(console: Console, line: str) -> None:
    style = "yellow" if line.startswith("warning: ") else ""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
