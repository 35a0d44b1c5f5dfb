"""The bars of the exam.  Run with `make bench-exam` (about ten minutes).

Needs EmoBench's data and prompt files and the published predictions of the paper, in ../shared.  The report page is
driven by its own browser tests; without a browser they fail here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain

from benchmarks import exam_published, exam_speed, exam_statistics
from benchmarks.table import ROOT, Row, publish

SHARED = ROOT.parent / "shared"
DATA, PROMPTS, PREDICTIONS = SHARED / "emobench" / "data", SHARED / "emobench" / "configs", SHARED / "predictions"
PAGE = ROOT / "tests" / "eval" / "test_report_page.py"


def main() -> int:
    """Measure every bar; return 1 when one is missed, 2 when there is nothing to measure on."""
    if missing := [folder for folder in (DATA, PROMPTS, PREDICTIONS) if not folder.is_dir()]:
        print(f"{missing[0]} is not there; it holds the official files of EmoBench, or the published predictions")
        return 2
    rows = []
    for row in chain(
        exam_published.measure(DATA, PREDICTIONS),
        exam_speed.measure(DATA, PROMPTS),
        _look_at_the_page(),
        exam_statistics.measure(),
    ):
        print(f"{row.name}: {row.value:g} {row.unit}", flush=True)  # the table comes last
        rows.append(row)
    return 0 if publish("exam", rows, os.cpu_count() or 0) else 1


def _look_at_the_page() -> Iterator[Row]:
    """Yield one row: console, requests, hostile texts, and axe-core, each a test in a headless browser."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(PAGE)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"CI": "true"}, capture_output=True, text=True)
    failed = done.stdout.count("FAILED") + done.stdout.count("ERROR")
    yield Row("report page in a headless browser: checks failed", failed, "checks", "≤ 0", done.returncode == 0)


if __name__ == "__main__":
    sys.exit(main())
