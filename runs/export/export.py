"""`emoreason export`: items, training rows, card, and recipe of a run, as a folder that `load_dataset` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from corpus.datacard import CardFacts, DataConfig, Packaging, write_datacard
from corpus.errors import RunError, UsageError
from corpus.jsonl import write_jsonl, write_text_atomically
from corpus.records import Task
from corpus.split import Split
from runs.card import gather_facts, strip_places
from runs.export.folder import replace_folder, write_record
from runs.export.parquet import CHAT, PROMPT_COMPLETION, item_features, write_parquet
from runs.export.rows import Row, chat_rows, full_rows, official_rows, training_rows
from runs.export.selection import Selection, select_items
from runs.folder import Run
from runs.public_recipe import public_recipe

SPLITS: dict[Split, str] = {"train": "train", "validation": "validation", "heldout": "test"}
TASKS: tuple[Task, ...] = ("EU", "EA")
_ABOUT = {
    "EU": "items on emotional understanding, with what we added",
    "EA": "items on emotional application, with what we added",
    "chat": "training rows as conversations (`messages`), as a student is trained and examined; answer formats: ",
    "prompt_completion": "the same as `prompt` and `completion`; answer formats: ",
}
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class Exported:
    """What was written: items by split, and what people changed."""

    folder: Path
    counts: dict[str, int]
    left_out: int
    taken_in: int


def export_run(run: Run, target: Path, license_id: str = "") -> Exported:
    """Write the export of a run into folder ``target``, whole or not at all; an earlier export there is replaced.

    Args:
        license_id: as the Hub writes it, such as cc-by-4.0; empty when none is chosen.

    Raises:
        RunError: the run is not curated, nothing is left to export, or ``target`` cannot be used.
        DataError: a line of the items or of a review is wrong.
        UsageError: ``license_id`` has not the form of one.
    """
    chosen = license_id.lower()
    if chosen and not _LICENSE.fullmatch(chosen):
        raise UsageError(f"--license {license_id}: write an identifier of the Hub, such as cc-by-4.0 or apache-2.0")
    curated = run.require("curate")
    selection = select_items(run)
    if not selection.items:
        raise RunError(f"{run.path}: no item is left to export; see data/dropped.jsonl and reviews/")
    facts = gather_facts(run, selection.items, selection.splits, curated, selection.review)
    with replace_folder(target) as folder:
        configs = _write_rows(run, selection, folder)
        write_text_atomically(folder / "README.md", write_datacard(facts, Packaging(configs, chosen)))
        recipe = yaml.safe_dump(public_recipe(run.recipe), sort_keys=False, allow_unicode=True)
        write_text_atomically(folder / "recipe.yaml", recipe)
        counts = {name: len(selection.of(split)) for split, name in SPLITS.items()}
        write_record(folder, _provenance(facts, chosen, counts))
    return Exported(target, counts, sum(selection.review.left_out.values()), selection.review.taken_in)


def _write_rows(run: Run, selection: Selection, folder: Path) -> list[DataConfig]:
    """Write all rows and return what loads by name; a split without rows has no file: the Hub's loader wants none."""
    files: dict[str, dict[str, str]] = {name: {} for name in _ABOUT}
    features = {task: item_features(task) for task in TASKS} | {"chat": CHAT, "prompt_completion": PROMPT_COMPLETION}
    for part, split in SPLITS.items():
        items = [strip_places(item) for item in selection.of(part)]
        if not items:
            continue
        pairs = training_rows(items, run.recipe.train, run.recipe.seed)
        tables: dict[str, list[Row]] = {task: full_rows(items, task) for task in TASKS}
        tables |= {"chat": chat_rows(pairs), "prompt_completion": pairs}
        for task in TASKS:
            write_jsonl(folder / "emobench" / split / f"{task}.jsonl", official_rows(items, task))
        for name in ("chat", "prompt_completion"):
            write_jsonl(folder / "sft" / split / f"{name}.jsonl", tables[name])
        for name, rows in tables.items():
            if rows:
                files[name][split] = f"data/{name}/{split}.parquet"
                write_parquet(folder / files[name][split], rows, features[name])
    formats = ", ".join(run.recipe.train.formats)
    about = {name: text + formats if text.endswith(" ") else text for name, text in _ABOUT.items()}
    return [DataConfig(name, about[name], paths) for name, paths in files.items() if paths]


def _provenance(facts: CardFacts, license_id: str, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": facts.name,
        "seed": facts.seed,
        "license": license_id or None,
        "items": dict(counts),
        "models": {model.role: model.identity for model in facts.models},
        "weights": {model.role: model.weights for model in facts.models if model.weights},
        "prompts": dict(facts.prompts),
        "versions": dict(facts.versions),
    }
