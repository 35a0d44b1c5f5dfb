"""Run folders with marks of our own, so that runs can be compared without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus.jsonl import write_jsonl
from corpus.records import ApplicationItem, UnderstandingItem
from eval.baselines import measure_baselines
from eval.scores import Mark, by_task, tabulate
from runs.folder import Run, open_run
from runs.journal import Journal
from runs.marks import marks_path
from runs.recipe import Recipe

Item = UnderstandingItem | ApplicationItem


def make_examined(
    folder: Path, heldout: Sequence[Item], asked: Mapping[str, tuple[Sequence[Item], set[str]]], **changes: Any
) -> Run:
    """A run that was examined: ``asked`` is benchmark → (items, the IDs that the tuned student got right)."""
    recipe = Recipe.model_validate(
        {"name": folder.name, "lms": {"teacher": {"model": "scripted/counsel"}}, "exam": {"emobench": None}} | changes
    )
    with open_run(folder, recipe) as run:
        rows = [{"split": "heldout", **item.model_dump(mode="json", by_alias=True)} for item in heldout]
        write_jsonl(run.items_path, rows)
        scored, compared = [], []
        for name, (items, right) in asked.items():
            marks = [_mark(item, item.qid in right) for item in items]
            with Journal(marks_path(run, "after", "generate", name)) as journal:
                for mark in marks:
                    journal.append(mark.model_dump(mode="json"))
            for own in by_task(items).values():
                examined = {"before": [_mark(item, False) for item in own], "after": marks}
                rows_of, comparisons = tabulate(own, examined, name, "generate", measure_baselines(own))  # type: ignore[arg-type]
                scored += rows_of
                compared += comparisons
        run.finish("exam", 1, {
            "exam": [row.model_dump(mode="json") for row in scored],
            "comparisons": [one.model_dump(mode="json") for one in compared],
            "notice": "",
        })  # fmt: skip
        return run


def _mark(item: Item, right: bool) -> Mark:
    return Mark(id=item.qid, raw="", answered=True, strict=right, lenient=right, rules=("json letter",))
