"""What a reader of no understanding scores: chance, and the best constant answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from statistics import mean

from corpus.records import ApplicationItem, UnderstandingItem
from eval.exam import keys_of


def chance_level(items: Sequence[UnderstandingItem | ApplicationItem]) -> float:
    """Return the expected share right of uniform guessing (EU: emotion and cause both)."""
    return mean(prod(1 / len(choices) for choices, _ in item.questions) for item in items)


def best_constant(items: Sequence[UnderstandingItem | ApplicationItem]) -> float:
    """Return the share right of the best answer that is always the same letter (EU: the same pair)."""
    keys = Counter(tuple(keys_of(item)) for item in items)
    return keys.most_common(1)[0][1] / len(items)
