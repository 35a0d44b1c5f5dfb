"""Quotas: how many items each category should have, and what is lacking once some could not be written.

The first round is dealt exactly by share.  Where sessions or items failed, only the categories that are short by more
than TOLERANCE are planned again, so none is ever planned past its share, let alone past 1.5 times its share, where the
paper (arXiv 2601.01407, section C) stops a category.
"""

from __future__ import annotations

from collections import Counter
from math import ceil

TOLERANCE = 0.05


def shares_of(planned: Counter[str]) -> dict[str, float]:
    """Return the share of each planned cell within its task: what decks and weights really dealt."""
    totals = {task: sum(n for name, n in planned.items() if ("/" in name) == task) for task in (True, False)}
    return {name: count / totals["/" in name] for name, count in planned.items()}


def find_lacking(written: Counter[str], shares: dict[str, float]) -> dict[str, int]:
    """Return how many more moments each short cell needs.

    Filling gaps raises the total and with it every quota, so quotas are taken of the total that will be.

    Args:
        written: sound items per cell.
        shares: share of each cell within its task; EU cells sum to 1, and so do EA cells (their names have a slash).
    """
    lacking: dict[str, int] = {}
    for task in (True, False):
        cells = {name: share for name, share in shares.items() if ("/" in name) == task}
        total = sum(written[name] for name in cells)
        fullest = max(cells, key=lambda name: written[name] / cells[name], default="")
        short: dict[str, int] = {}
        settled = False
        while not settled:  # gaps only grow, up to the level of the fullest cell, which has none
            quotas = {name: share * (total + sum(short.values())) for name, share in cells.items() if name != fullest}
            under = (name for name, quota in quotas.items() if written[name] < quota * (1 - TOLERANCE))
            gaps = {name: ceil(quotas[name] - written[name]) for name in under if quotas[name] - written[name] >= 1}
            short, settled = gaps, gaps == short
        lacking |= short
    return lacking
