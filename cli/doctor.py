"""The findings of `emoreason doctor` as a table, and what to change below it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from runs.doctor import Finding

_STYLES = {"ok": "green", "note": "yellow", "fails": "bold red"}


def print_findings(findings: Iterable[Finding], console: Console) -> bool:
    """Print all findings; return True when nothing fails."""
    with console.status("looking at the models; one that is not loaded yet takes its time"):
        all_findings = list(findings)
    table = Table("model", "looked at", "state", "found", box=SIMPLE_HEAD, pad_edge=False)
    before = ""
    for finding in all_findings:
        shown = escape(finding.model) if finding.model != before else ""
        state = f"[{_STYLES[finding.state]}]{finding.state}[/]"
        table.add_row(shown, finding.what, state, escape(finding.found))
        before = finding.model
    console.print(table)
    advice = dict.fromkeys(f"{finding.model}: {finding.advice}" for finding in all_findings if finding.advice)
    for line in advice:
        console.print(f"change: {line}", markup=False, highlight=False, soft_wrap=True)
    fine = all(finding.state != "fails" for finding in all_findings)
    console.print(
        "every model can be used" if fine else "not every model can be used", style="green" if fine else "red"
    )
    return fine
