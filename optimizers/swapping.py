"""Putting a class of our own in the place of one of DSPy's, for as long as an optimizer works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def swapped(name: str, ours: type, *modules: ModuleType) -> Iterator[None]:
    """Have ``name`` mean ``ours`` in modules while the context lasts: what optimizers offer no parameter for."""
    theirs = [getattr(module, name) for module in modules]
    for module in modules:
        setattr(module, name, ours)
    try:
        yield
    finally:
        for module, original in zip(modules, theirs, strict=True):
            setattr(module, name, original)
