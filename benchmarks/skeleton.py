"""The bars of the whole road.  Run with `make bench-skeleton` (about a quarter of an hour).

Runs `make run` into a fresh folder and watches the memory of its process tree, runs it again, times `--help` and
`make test`, and reads the figures from report.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks.table import ROOT, Row, least, most, publish

MINUTES, GIGABYTES, SESSIONS, ITEMS, POINTS = 8, 4, 200, 1200, 20
AGAIN_SECONDS, HELP_SECONDS, TEST_MINUTES = 15, 0.7, 6
HELDOUT = ("held-out synthetic", "likelihood")


def main() -> int:
    """Measure every bar; return 1 when one is missed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        seconds, peak = _timed(["make", "run", f"OUT={out}"])
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        calls = _model_calls(out)
        again, _ = _timed(["make", "run", f"OUT={out}"])
        calls_again = _model_calls(out) - calls
    emoreason = str(Path(sys.executable).with_name("emoreason"))
    helps = sorted(_timed([emoreason, "--help"])[0] for _ in range(5))
    tests, _ = _timed(["make", "test"])
    kills = _timed([sys.executable, "-m", "pytest", "-q", "tests/runs/test_kill.py"])[0]
    rows = [
        most("make run", seconds / 60, "minutes", MINUTES),
        most("peak memory of make run", peak / 1e9, "GB", GIGABYTES),
        least("sessions", report["generate"]["sessions"], "sessions", SESSIONS),
        least("kept items", report["curate"]["kept"], "items", ITEMS),
    ]
    for comparison in (c for c in report["comparisons"] if (c["benchmark"], c["mode"]) == HELDOUT):
        name, lenient = f"held-out {comparison['task']} by likelihood", comparison["lenient"]
        rows.append(least(f"{name}: after − before", 100 * lenient["delta"], "points", POINTS))
        low = round(100 * lenient["low"], 1)
        rows.append(Row(f"{name}: lower end of the difference's 95% interval", low, "points", "> 0", low > 0))
    emobench = [row for row in report["exam"] if (row["benchmark"], row["mode"]) == ("EmoBench", "likelihood")]
    rows.append(Row("EmoBench rows, EU and EA, before and after", len(emobench), "rows", "4", len(emobench) == 4))
    for row in emobench:
        name = f"EmoBench {row['task']} by likelihood, {row['stage']}"
        chance = f"none; chance is {100 * row['chance']:.2f}"
        rows.append(Row(name, round(100 * row["lenient"], 1), "percent", chance, True))
    rows += [
        most("second make run", again, "seconds", AGAIN_SECONDS),
        most("model calls of the second run", calls_again, "calls", 0),
        most("emoreason --help, median of 5", helps[2], "seconds", HELP_SECONDS),
        most("make test", tests / 60, "minutes", TEST_MINUTES),
        Row("20 random kill -9 points: nothing lost, nothing doubled", round(kills, 1), "seconds", "passes", True),
    ]
    return 0 if publish("skeleton", rows, os.cpu_count() or 0) else 1


def _model_calls(out: Path) -> int:
    """Teacher calls and marked answers that the run folder's journals hold."""
    rows = [json.loads(line) for path in (out / "journals").glob("*.jsonl") for line in path.open(encoding="utf-8")]
    marks = sum(1 for path in (out / "exam").glob("*.jsonl") for _ in path.open(encoding="utf-8"))
    return sum(row["calls"] for row in rows) + marks


def _timed(command: list[str]) -> tuple[float, int]:
    """Run a command from the checkout's root; return its seconds and the peak memory of its process tree in bytes."""
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finished = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not finished.wait(0.25):
            peak = max(peak, _tree_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    finished.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{output[-4000:]}")
    return time.monotonic() - started, peak


def _tree_memory(pid: int) -> int:
    try:
        parent = psutil.Process(pid)
        return sum(child.memory_info().rss for child in [parent, *parent.children(recursive=True)])
    except psutil.NoSuchProcess:  # it ended between two looks
        return 0


if __name__ == "__main__":
    sys.exit(main())
