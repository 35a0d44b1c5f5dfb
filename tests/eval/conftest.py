"""Items of our own for the examiner's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.emobench import load_emobench

OWN = Path(__file__).resolve().parent.parent / "data" / "emobench"


@pytest.fixture(scope="session")
def items() -> list[UnderstandingItem | ApplicationItem]:
    """Our own eight items, EA first."""
    return load_emobench(str(OWN))


@pytest.fixture(scope="session")
def ea(items: list[UnderstandingItem | ApplicationItem]) -> ApplicationItem:
    """EA-1; its right option is B."""
    item = items[0]
    assert isinstance(item, ApplicationItem)
    return item


@pytest.fixture(scope="session")
def eu(items: list[UnderstandingItem | ApplicationItem]) -> UnderstandingItem:
    """EU-1; its right options are C and B."""
    item = items[4]
    assert isinstance(item, UnderstandingItem)
    return item
