"""Stage 3: what passed → balanced, assembled, split items.

data/ holds items.jsonl, aside.jsonl (what the judge did not pass, for people to look at), dropped.jsonl, README.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from corpus.curation import curate as curate_drafts
from corpus.datacard import write_datacard
from corpus.errors import RunError
from corpus.jsonl import write_jsonl, write_text_atomically
from corpus.records import cell_of
from corpus.screening import count_reasons
from corpus.split import missing_cells
from runs.card import gather_facts
from runs.folder import Run
from runs.items import PlacedItem
from runs.verified import read_judgements, read_screened
from runs.written import read_drafts, read_sessions


def curate(run: Run, console: Console) -> dict[str, Any]:
    """Curate the drafts that passed the rules.

    Raises:
        RunError: `verify` is not done, or fewer items are kept than `curate.min_kept` or `curate.min_yield` allow.
        RecipeError: `curate.sizes` names a category that does not exist.
    """
    run.require("verify")
    recipe = run.recipe
    screened = read_screened(run)
    gone = {drop.id for drop in screened}
    drafts = list(read_drafts(run))
    curated = curate_drafts(
        [draft for draft in drafts if draft.id not in gone],
        read_judgements(run),
        {session.id: session.plan.persona.persona for session in read_sessions(run)},
        recipe.verify,
        recipe.curate,
        recipe.seed,
    )
    drops = sorted([*screened, *curated.drops], key=lambda drop: drop.id)
    write_jsonl(run.path / "data" / "dropped.jsonl", map(asdict, drops))
    reasons = {drop.id: drop.reason for drop in curated.drops}
    splits = curated.splits
    _write_items(run.items_path, (PlacedItem(item, splits[item.session]) for item in curated.items))
    _write_items(run.aside_path, (PlacedItem(item, splits[item.session], reasons[item.qid]) for item in curated.aside))
    result: dict[str, Any] = {
        "kept": len(curated.items),
        "dropped": dict(Counter(drop.reason for drop in drops).most_common()),
        "surplus": count_reasons(curated.drops, "sizes"),
        "short": curated.short,
        "cells": dict(Counter(cell_of(item) for item in curated.items)),
        "splits": dict(Counter(splits[item.session] for item in curated.items)),
        "missing": {part: list(cells) for part, cells in missing_cells(curated.items, splits).items()},
    }
    for part, cells in result["missing"].items():
        console.print(f"curate: {part} has no items of {', '.join(cells)}", style="yellow", soft_wrap=True)
    card = write_datacard(gather_facts(run, curated.items, splits, result))
    write_text_atomically(run.path / "data" / "README.md", card)
    _refuse_low_yield(run, len(drafts), result)
    return result


def _write_items(path: Path, placed: Iterable[PlacedItem]) -> None:
    write_jsonl(
        path,
        (
            {"split": one.split}
            | ({"reason": one.reason} if one.reason else {})
            | one.item.model_dump(mode="json", by_alias=True)
            for one in placed
        ),
    )


def _refuse_low_yield(run: Run, drafts: int, result: dict[str, Any]) -> None:
    config, kept = run.recipe.curate, result["kept"]
    lost = f"dropped: {json.dumps(result['dropped'], ensure_ascii=False)}"
    if kept < config.min_kept:
        raise RunError(f"curate: {kept} items kept, curate.min_kept asks for {config.min_kept}; {lost}")
    # What was more than its category asked for was good enough, and counts for the teacher.
    good = kept + sum(result["surplus"].values())
    if good < config.min_yield * drafts:
        raise RunError(
            f"curate: {good} of {drafts} drafts are good enough ({good / drafts:.0%}), curate.min_yield asks for "
            f"{config.min_yield:.0%}; {lost}; read some in data/dropped.jsonl, or lower the key and run again"
        )
