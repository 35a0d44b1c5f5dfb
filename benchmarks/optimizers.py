"""The bars of compiling prompts.  Run with `make bench-optimizers` (about ten minutes).

The scripted teacher errs twice as often as it usually does (recipes/compile.yaml) and is asked by the optimizers; what
they found is compared on cases that none of them saw, used for a run, used with the faithful double of an Ollama, and
found again after three kills.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import compile_kill, compiled_quality, compiled_yield
from benchmarks.table import publish


def main() -> int:
    """Measure every bar; return 1 when one is missed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = [
            *compiled_quality.measure(root / "programs", root / "again"),
            *compiled_yield.measure(root / "programs", root / "runs"),
            *compile_kill.measure(root / "kill"),
        ]
    return 0 if publish("optimizers", rows, os.cpu_count() or 0) else 1


if __name__ == "__main__":
    sys.exit(main())
