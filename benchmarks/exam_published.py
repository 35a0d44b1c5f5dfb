"""The published predictions, scored and compared: the strict scores of their paper, and what is left of its gain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import ROOT, Row

BASE, TUNED, LLAMA = "Mistral-7B-Instruct-v0_3", "Finetuned-Mistral-7B-Instruct-v0_3", "Llama-3_1-8B"
# Percent right as the paper's table has them, and what we measured of the same files before there was a reader.
STRICT = {
    ("EA", BASE): 40.5, ("EA", TUNED): 62.5, ("EA", LLAMA): 13.0,
    ("EU", BASE): 10.5, ("EU", TUNED): 15.5, ("EU", LLAMA): 4.0,
}  # fmt: skip
LENIENT = {("EA", BASE): 64.5, ("EU", BASE): 21.0}
ANSWERED = {("EA", LLAMA): 27.0, ("EU", LLAMA): 35.0}
NEAR = 0.5  # points


def measure(data: Path, predictions: Path) -> Iterator[Row]:
    """Yield the rows, from what the commands print."""
    files = [predictions / task / f"{name}.jsonl" for task, name in STRICT]
    scores = {(one["task"], Path(one["file"]).stem): one for one in _ask("score", *files, data=data)}
    for key, wanted in STRICT.items():
        value = round(100 * scores[key]["strict"], 3)
        yield Row(f"{key[0]}, {key[1]}: strict", value, "percent", f"{wanted:g} exactly", value == wanted)
    for named, bars in (("lenient", LENIENT), ("answered", ANSWERED)):
        for key, wanted in bars.items():
            value = round(100 * scores[key][named], 3)
            near = abs(value - wanted) <= NEAR
            yield Row(f"{key[0]}, {key[1]}: {named}", value, "percent", f"{wanted:g} ± {NEAR:g}", near)
    for task in ("EA", "EU"):
        (told,) = _ask("compare", *(predictions / task / f"{name}.jsonl" for name in (BASE, TUNED)), data=data)
        summary = told["summary"]
        says = summary.startswith("no improvement") and "format effect" in summary and told["is_format_effect"]
        effect = round(100 * told["format_effect"]["delta"], 1)
        yield Row(f"{task}, tuned against base: no improvement, format effect named", effect, "points", "said", says)


def _ask(command: str, *files: Path, data: Path) -> list[dict[str, object]]:
    arguments = [sys.executable, "-m", "cli", command, *map(str, files), "--data", str(data), "--json"]
    done = subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True, text=True)
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found
