"""Seeded randomness: every draw is keyed by what it is for, so that no draw depends on the order of the others."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

Value = TypeVar("Value")


def derive_seed(*parts: object) -> int:
    """Return a 31-bit seed that depends on all parts and on nothing else (stable across processes)."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (2**31)


def rng_for(*parts: object) -> random.Random:
    """Return a random generator keyed by ``parts``."""
    return random.Random(derive_seed(*parts))


def draw(values: Sequence[Value], most: int | None, name: str, key: Callable[[Value], object]) -> list[Value]:
    """Return at most so many of the values, in the order in which they stand; all without a number.

    A higher number keeps what a lower one drew.

    Args:
        name: what is drawn from; key: what tells its values apart.
    """
    places = sorted(range(len(values)), key=lambda place: derive_seed(name, key(values[place])))
    return [values[place] for place in sorted(places[:most])]
