"""Rows of a benchmark: printed, written to benchmarks/results/NAME.json, and shown in docs/benchmarks.md."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Row:
    """One bar: what was measured, and what is asked for."""

    name: str
    value: float
    unit: str
    target: str
    ok: bool


def most(name: str, value: float, unit: str, limit: float, digits: int = 2) -> Row:
    """Return the row of a bar that a value must not exceed."""
    return Row(name, round(value, digits), unit, f"≤ {limit:g}", value <= limit)


def least(name: str, value: float, unit: str, limit: float, digits: int = 2) -> Row:
    """Return the row of a bar that a value must reach."""
    return Row(name, round(value, digits), unit, f"≥ {limit:g}", value >= limit)


def publish(name: str, rows: list[Row], cores: int) -> bool:
    """Print and store the rows of benchmark ``name``; return True when every bar is met."""
    table = Table("bar", "value", "unit", "target", "ok", title=f"bench-{name}")
    for row in rows:
        table.add_row(row.name, f"{row.value:g}", row.unit, row.target, "yes" if row.ok else "NO")
    Console(width=140).print(table)
    results = ROOT / "benchmarks" / "results" / f"{name}.json"
    results.parent.mkdir(exist_ok=True)
    results.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    _show_in_docs(name, rows, cores)
    return all(row.ok for row in rows)


def _show_in_docs(name: str, rows: list[Row], cores: int) -> None:
    lines = [
        f"<!-- {name} -->",
        f"Last run: {date.today().isoformat()}, {cores} CPU cores, Python {platform.python_version()}.",
        "",
        "| bar | value | unit | target | met |",
        "|---|---|---|---|---|",
        *(f"| {r.name} | {r.value:g} | {r.unit} | {r.target} | {'yes' if r.ok else '**no**'} |" for r in rows),
        f"<!-- /{name} -->",
    ]
    text = DOCS.read_text(encoding="utf-8")
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    DOCS.write_text(pattern.sub(lambda _: "\n".join(lines), text), encoding="utf-8")
