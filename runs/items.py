"""Reading the items of a run: what was kept, and what the judge set aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from corpus.errors import DataError
from corpus.jsonl import iter_objects
from corpus.records import ApplicationItem, Item, UnderstandingItem
from corpus.split import Split
from runs.folder import Run

_ITEM: TypeAdapter[UnderstandingItem | ApplicationItem] = TypeAdapter(Item)
_SPLIT: TypeAdapter[Split] = TypeAdapter(Split)


@dataclass(frozen=True)
class PlacedItem:
    """An item, the part to which it belongs, and why the judge set it aside (empty when it was kept)."""

    item: UnderstandingItem | ApplicationItem
    split: Split
    reason: str = ""


def read_kept(run: Run) -> Iterator[PlacedItem]:
    """Yield the curated items in ID order; raises DataError with the line of one that is none."""
    return read_file(run.items_path)


def read_aside(run: Run) -> Iterator[PlacedItem]:
    """Yield what the judge set aside in ID order, each with a reason; raises DataError."""
    return read_file(run.aside_path)


def read_items(run: Run, *splits: Split) -> Iterator[UnderstandingItem | ApplicationItem]:
    """Yield the curated items of the named splits (of all, when none is named), in ID order; raises DataError."""
    return (placed.item for placed in read_kept(run) if not splits or placed.split in splits)


def read_file(path: Path) -> Iterator[PlacedItem]:
    """Yield the items of an items.jsonl of any run in file order; raises DataError."""
    for number, row in iter_objects(path):
        split, reason = row.pop("split", None), row.pop("reason", "")
        try:
            yield PlacedItem(_ITEM.validate_python(row), _SPLIT.validate_python(split), reason)
        except ValidationError as error:
            first = error.errors()[0]
            raise DataError(
                f"{path}, line {number}: {'.'.join(map(str, first['loc'])) or 'split'}: {first['msg']}; "
                "remove stages/curate.json in its run folder and curate again"
            ) from error
