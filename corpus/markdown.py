"""Counts and tables in Markdown, written so that no text from a model or a recipe can break them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table; bars and line breaks in a cell stay inside the cell."""
    return "\n".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def list_counts(counts: Mapping[str, int]) -> str:
    """Render counts as ``name n, name n``, the largest first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)


def count_of(count: int, noun: str) -> str:
    """Return ``1 item`` or ``2 items``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
