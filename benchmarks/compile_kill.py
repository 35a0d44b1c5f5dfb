"""A GEPA compilation that is killed three times, against one that is left in peace."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import ROOT, Row, most
from optimizers.store import PROGRAM, SIDECAR

KILLS = 3
SMALL = ("compile.train=40", "compile.dev=20", "compile.final=20", "compile.metric_calls=300")


def measure(root: Path) -> Iterator[Row]:
    """Yield the rows; compilations are made in ``root``."""
    calm, calls = _compile(root / "calm", [])
    rng = random.Random(0)
    moments = sorted(rng.uniform(0.1, 0.95) * calls for _ in range(KILLS))
    killed, again = _compile(root / "killed", moments)
    differs = (calm / PROGRAM).read_bytes() != (killed / PROGRAM).read_bytes()
    yield most(f"GEPA killed {KILLS} times: programs that differ from the one left in peace", float(differs), "", 0)
    yield most(
        f"GEPA killed {KILLS} times: calls beyond those of the one left in peace", 100 * (again / calls - 1), "%", 5
    )


def _compile(root: Path, moments: list[float]) -> tuple[Path, int]:
    """Compile, killed with -9 when so many calls are in the ledger; return the folder and the calls of all tries."""
    for moment in moments:
        process = _start(root)
        while _calls(root) < moment and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _start(root).wait() == 0
    return next(root.glob(f"*/{SIDECAR}")).parent, _calls(root)


def _start(root: Path) -> subprocess.Popen[bytes]:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    command = [sys.executable, "-m", "cli", "compile", "recipes/compile.yaml", "--optimizer", "gepa", "--to", str(root)]
    return subprocess.Popen([*command, *settings], cwd=ROOT, stdout=subprocess.DEVNULL)


def _calls(root: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in root.glob("*/calls.jsonl"))
