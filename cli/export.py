"""`emoreason export` in the terminal: write the folder, push it if asked to, and say what came of it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from corpus.markdown import count_of
from runs.export.export import Exported, export_run
from runs.export.push import check_push, push_folder
from runs.folder import Run


def export_and_push(run: Run, to: Path, license_id: str, push: str | None, private: bool, console: Console) -> None:
    """Export a run; raises EmoReasonError, see runs.export."""
    if push:
        check_push(push)
    _print(export_run(run, to, license_id), license_id, console)
    if push:
        address = push_folder(to, push, private)
        console.print(f"pushed: {address}", markup=False, highlight=False, soft_wrap=True)


def _print(done: Exported, license_id: str, console: Console) -> None:
    def say(line: str, style: str = "") -> None:
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    counts = ", ".join(f"{name} {count:,}" for name, count in done.counts.items())
    say(f"{count_of(sum(done.counts.values()), 'item')} ({counts}) in {done.folder}; its README.md is the data card")
    if done.left_out or done.taken_in:
        say(f"by people: {done.left_out:,} left out, {done.taken_in:,} taken in that the judge had set aside")
    if not license_id:
        say("no licence was chosen, and the card says so; choose one with --license, such as cc-by-4.0", "yellow")
