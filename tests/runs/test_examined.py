"""Items joined with the marks of a run: every benchmark, what was not asked, and what cannot be read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from corpus.jsonl import write_jsonl
from corpus.records import ApplicationItem, UnderstandingItem
from eval.config import Mode
from eval.emobench import load_emobench
from eval.scores import Mark, ScoreRow, Stage
from runs.examined import gather_examined
from runs.folder import Run, open_run
from runs.journal import Journal
from runs.marks import EMOBENCH, HELDOUT, HELDOUT_OF, marks_path
from runs.recipe import Recipe
from tests.conftest import OWN_EMOBENCH

Item = UnderstandingItem | ApplicationItem


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return load_emobench(str(OWN_EMOBENCH))


def make_run(folder: Path, items: Sequence[Item], **exam: Any) -> Run:
    """A run that holds out ``items``, but for the last, which it trains on."""
    recipe = Recipe.model_validate(
        {"name": "tiny", "lms": {"teacher": {"model": "scripted/counsel"}}, "exam": {"emobench": None, **exam}}
    )
    rows = [item.model_dump(mode="json", by_alias=True) for item in items]
    splits = ["heldout"] * (len(rows) - 1) + ["train"]
    with open_run(folder, recipe) as run:
        write_jsonl(run.items_path, ({"split": split, **row} for split, row in zip(splits, rows, strict=True)))
        return run


def put_mark(run: Run, item: Item, stage: Stage, mode: Mode, benchmark: str) -> Mark:
    mark = Mark(id=item.qid, raw=f"{stage} {mode}", answered=True, strict=True, lenient=True, rules=())
    with Journal(marks_path(run, stage, mode, benchmark)) as journal:
        journal.append(mark.model_dump(mode="json"))
    return mark


def row(benchmark: str, stage: Stage = "after", mode: Mode = "generate") -> ScoreRow:
    return ScoreRow(
        benchmark=benchmark, task="EA", mode=mode, stage=stage, n=1, answered=1, strict=1, lenient=1,
        interval=(0, 1), chance=0.25, best_constant=0.25,
    )  # fmt: skip


def test_items_come_with_all_their_marks_and_only_those_that_were_asked(tmp_path: Path, items: list[Item]) -> None:
    run = make_run(tmp_path / "run", items)
    before = put_mark(run, items[0], "before", "generate", HELDOUT)
    after = put_mark(run, items[0], "after", "generate", HELDOUT)
    put_mark(run, items[-1], "after", "generate", HELDOUT)  # is not held out
    put_mark(run, items[1], "after", "likelihood", HELDOUT)  # not in the score table
    found, problems = gather_examined(run, [row(HELDOUT, "before"), row(HELDOUT)])
    assert problems == []
    assert [one.item for one in found] == [items[0]]
    assert found[0].benchmark == HELDOUT
    assert found[0].marks == {("before", "generate"): before, ("after", "generate"): after}


def test_exams_and_other_runs_are_found_where_the_recipe_says(tmp_path: Path, items: list[Item]) -> None:
    other = make_run(tmp_path / "other", items[2:])
    exam = {"emobench": str(OWN_EMOBENCH), "also": {"round 1": str(other.items_path)}}
    run = make_run(tmp_path / "run", items[:2], **exam)
    yardstick = f"{HELDOUT_OF} round 1"
    put_mark(run, items[3], "after", "generate", EMOBENCH)
    put_mark(run, items[2], "after", "generate", yardstick)
    found, problems = gather_examined(run, [row(EMOBENCH), row(yardstick)])
    assert problems == []
    assert [(one.benchmark, one.item.qid) for one in found] == [(EMOBENCH, items[3].qid), (yardstick, items[2].qid)]


def test_what_is_gone_is_named_and_the_rest_is_shown(tmp_path: Path, items: list[Item]) -> None:
    run = make_run(tmp_path / "run", items, emobench=str(tmp_path / "gone"))
    put_mark(run, items[0], "after", "generate", HELDOUT)
    found, problems = gather_examined(run, [row(HELDOUT), row(EMOBENCH), row(f"{HELDOUT_OF} nobody")])
    assert [one.benchmark for one in found] == [HELDOUT]
    assert problems == [
        f"The items of EmoBench are not shown: {tmp_path / 'gone'} has no EA.jsonl; "
        "name the folder of EmoBench's EA.jsonl and EU.jsonl",
        "The items of held-out of nobody are not shown: the recipe of the run does not say where they are",
    ]
