"""The bars of verification and curation.  Run with `make bench-curation` (about six minutes).

Plants mistakes of the scripted teacher at known places and counts what rules and judge catch and cost; hides copies of
EmoBench among clean items; looks for near-duplicates among 100,000 scenarios; spoils input files line by line.
"""

from __future__ import annotations

import os
import sys

from benchmarks import leakage, malformed, near_duplicates, planted_items, planted_sessions
from benchmarks.table import publish


def main() -> int:
    """Measure every bar; return 1 when one is missed."""
    rows = [
        *planted_items.measure(),
        *planted_sessions.measure_sessions(),
        *leakage.measure(),
        *near_duplicates.measure(),
        *malformed.measure(),
    ]
    return 0 if publish("curation", rows, os.cpu_count() or 0) else 1


if __name__ == "__main__":
    sys.exit(main())
