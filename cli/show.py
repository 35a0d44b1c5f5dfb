"""Sessions and items as text in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpus.records import ApplicationItem, Session, UnderstandingItem
from runs.folder import Run
from runs.items import read_items
from runs.reading import find_record
from runs.written import read_sessions
from signatures.formats import LETTERS

LISTED = 20


def list_run(run: Run, console: Console) -> None:
    """Print the first sessions of a run with their themes and how many items were kept of each."""
    kept: dict[str, int] = {}
    if run.items_path.exists():
        for item in read_items(run):
            kept[item.session] = kept.get(item.session, 0) + 1
    sessions = sorted(read_sessions(run), key=lambda session: session.id)
    table = Table("session", "client", "theme", "turns", "items kept")
    for session in sessions[:LISTED]:
        plan = session.plan
        table.add_row(
            session.id,
            plan.client.name,
            escape(plan.theme.theme),
            str(len(session.turns)),
            str(kept.get(session.id, 0)),
        )
    console.print(table)
    console.print(
        f"{len(sessions)} sessions, {sum(kept.values())} items; read one: emoreason show {run.path} ID", soft_wrap=True
    )


def show_record(run: Run, key: str, console: Console) -> None:
    """Print one session or item; raises RunError when there is none of that ID."""
    record = find_record(run, key)
    if isinstance(record, Session):
        _show_session(record, console)
    else:
        _show_item(record, console)


def _show_session(session: Session, console: Console) -> None:
    plan = session.plan
    console.print(f"[bold]{session.id}[/] {escape(plan.client.name)}: {escape(plan.theme.theme)} ({plan.method})")
    for line in (plan.persona.persona, f"fit: {'; '.join(plan.fit)}", f"manner: {plan.attributes.manner}"):
        console.print(escape(line), style="dim", highlight=False)
    console.print("\n" + escape(session.background) + "\n")
    for turn in session.turns:
        style = "cyan" if turn.speaker == "CLIENT" else "green"
        where = (turn.stage or turn.phase).partition(":")[0]
        console.print(f"[{style}]{turn.speaker}[/] [dim]{escape(where)}[/] {escape(turn.text)}", highlight=False)
    for look in session.looks:
        missing = [name.replace("_", " ") for name, there in look if there is False]
        console.print(f"\nsupervisor, turn {look.turn}: {'missing: ' + ', '.join(missing) if missing else 'complete'}")
    for moment in plan.moments:
        console.print(f"{moment.id}: {moment.cell}, {moment.aim}", style="dim", highlight=False)


def _show_item(item: UnderstandingItem | ApplicationItem, console: Console) -> None:
    kind = (
        item.finegrained_category if isinstance(item, UnderstandingItem) else f"{item.category}, {item.question_type}"
    )
    console.print(f"[bold]{item.qid}[/] {item.task}, {escape(kind)}\n\n{escape(item.scenario)}\n", highlight=False)
    names = ("emotion", "cause") if isinstance(item, UnderstandingItem) else ("option",)
    for name, (choices, label) in zip(names, item.questions, strict=True):
        console.print(f"{name} ({escape(item.subject)})", style="bold", highlight=False)
        for number, choice in enumerate(choices):
            mark = "[green]✓[/]" if choice == label else " "
            console.print(f" {mark} {LETTERS[number]}) {escape(choice)}", highlight=False)
    console.print("\n" + escape(item.explanation), style="dim", highlight=False)
