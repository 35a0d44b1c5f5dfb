"""Writing the report of a run folder anew, as when an item was reviewed or a newer version draws it better."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from runs.folder import open_run, read_run
from runs.stages.report import print_summary, report


def renew_report(path: Path, console: Console) -> None:
    """Write report.json and report.html of an examined run anew, by the recipe in its folder, and print the summary.

    Raises:
        RunError: the folder is no run, is in use, or an earlier stage is not done.
    """
    with open_run(path, read_run(path).recipe) as run:
        started = time.monotonic()
        result = report(run, console)
        run.finish("report", time.monotonic() - started, result)
        print_summary(run, console)
