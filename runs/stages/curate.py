"""Stage 2: drafts → checked, distinct, balanced, split items (data/: items.jsonl, dropped.jsonl, README.md)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from corpus.curation import curate as curate_drafts
from corpus.datacard import write_datacard
from corpus.errors import RunError
from corpus.jsonl import iter_objects, write_jsonl, write_text_atomically
from corpus.records import ApplicationItem, Item, UnderstandingItem, cell_of
from corpus.split import Split
from runs.folder import Run
from runs.stages.generate import read_drafts

_ITEM: TypeAdapter[UnderstandingItem | ApplicationItem] = TypeAdapter(Item)


def curate(run: Run, console: Console) -> dict[str, Any]:
    """Curate all drafts of the run.

    Raises:
        RunError: `generate` is not done, or fewer items are kept than `curate.min_kept`.
    """
    methods = run.require("generate")["methods"]
    config = run.recipe.curate
    curated = curate_drafts(read_drafts(run), config, run.recipe.seed)
    dropped = dict(Counter(drop.reason for drop in curated.drops).most_common())
    write_jsonl(run.path / "data" / "dropped.jsonl", (vars(drop) for drop in curated.drops))
    write_jsonl(
        run.items_path,
        (
            {"split": curated.splits[item.session], **item.model_dump(mode="json", by_alias=True)}
            for item in curated.items
        ),
    )
    card = write_datacard(run.recipe.name, run.recipe.seed, curated.items, curated.splits, dropped, methods)
    write_text_atomically(run.path / "data" / "README.md", card)
    if len(curated.items) < config.min_kept:
        raise RunError(
            f"curate: {len(curated.items)} items kept, curate.min_kept asks for {config.min_kept}; "
            f"dropped: {json.dumps(dropped)}"
        )
    return {
        "kept": len(curated.items),
        "dropped": dropped,
        "cells": dict(Counter(cell_of(item) for item in curated.items)),
        "splits": dict(Counter(curated.splits[item.session] for item in curated.items)),
    }


def read_items(run: Run, *splits: Split) -> Iterator[UnderstandingItem | ApplicationItem]:
    """Yield the curated items of the named splits (of all, when none is named), in ID order."""
    for _, row in iter_objects(run.items_path):
        split = row.pop("split")
        if not splits or split in splits:
            yield _ITEM.validate_python(row)
