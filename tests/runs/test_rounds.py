"""Two rounds of a tiny recipe: each is a real run, and the second answers the first."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from pydantic import ValidationError
from rich.console import Console
from typer.testing import CliRunner

from cli.main import app
from cli.rounds import print_rounds
from corpus.errors import DataError, EmoReasonError, RecipeError, RunError
from corpus.jsonl import write_jsonl
from corpus.records import cell_of
from corpus.seeds import derive_seed
from eval.config import ExamConfig
from eval.weakness import plan_weights
from optimizers.config import Kind
from runs import rounds as rounds_module
from runs.feedback import heed_feedback, read_weaknesses
from runs.folder import STAGES, Run, open_run, read_run
from runs.items import read_file, read_items
from runs.marks import HELDOUT, marks_path, read_marks
from runs.recipe import Recipe, load_recipe
from runs.round_folders import check_rounds
from runs.rounds import Round, recipe_of_round, run_rounds
from runs.stages.exam import exam
from runs.stages.verify import verify
from runs.verified import read_screened

LIMIT = 8  # items per task of an exam


def refuse_to_compile(recipe: Recipe, kind: Kind, console: Console, *, feedback: Run) -> Path:
    raise AssertionError("nothing was to be compiled")


def quiet() -> Console:
    return Console(file=StringIO(), width=400)


@pytest.fixture(scope="session")
def recipe(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Two rounds of the tiny recipe, of which the second is smaller."""
    base = yaml.safe_load(tiny)
    changes = {
        "plan": {"sessions": 10},
        "rounds": {"count": 2, "sessions": 6},
        "exam": {"emobench": None, "modes": ["likelihood"], "limit": LIMIT},
        "train": base["train"] | {"max_steps": 2},
        "verify": {"votes": 0, "review": False, "choices_only": False, "sessions": False},
    }
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump(base | changes), encoding="utf-8")
    return load_recipe(path)


@pytest.fixture(scope="session")
def finished(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Round], list[list[int]]]:
    """Two finished rounds, killed once in the exam of the second: folder, rounds, and what was reported when."""
    base = tmp_path_factory.mktemp("rounds") / "out"
    reported: list[list[int]] = []

    def note(rounds: Sequence[Round]) -> None:
        reported.append([one.number for one in rounds])

    run_stages = rounds_module.run_stages

    def break_off(own: Recipe, path: Path, console: Console) -> None:
        if path.name == "round-2":
            run_stages(own, path, console, STAGES[:4])
            raise KeyboardInterrupt
        run_stages(own, path, console)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds_module, "run_stages", break_off)
        with pytest.raises(KeyboardInterrupt):
            run_rounds(recipe, base, quiet(), refuse_to_compile, note)
    return base, run_rounds(recipe, base, quiet(), refuse_to_compile, note), reported


Finished = tuple[Path, list[Round], list[list[int]]]


def test_each_round_is_a_run_that_goes_on_where_it_was_killed(finished: Finished, recipe: Recipe) -> None:
    path, rounds, reported = finished
    assert reported == [[1], [1, 2]]
    first, second = (read_run(path / f"round-{number}") for number in (1, 2))
    assert [run.recipe.name for run in (first, second)] == ["tiny-r1", "tiny-r2"]
    assert [run.recipe.seed for run in (first, second)] == [recipe.seed, derive_seed(recipe.seed, "round", 2)]
    assert [run.recipe.rounds.count for run in (first, second)] == [1, 1]
    assert [one.sessions for one in rounds] == [10, 6]
    assert all(run.finished(stage) for run in (first, second) for stage in STAGES)


def test_again_nothing_is_done(finished: Finished, recipe: Recipe) -> None:
    path, rounds, _ = finished
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    reported: list[int] = []
    again = run_rounds(recipe, path, quiet(), refuse_to_compile, lambda so_far: reported.append(len(so_far)))
    assert again == rounds
    assert reported == [2]
    after = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    assert {file.name for file in after if after[file] != before.get(file)} <= {".lock", "rounds.json"}


def test_a_further_round_plans_after_the_mistakes_on_its_own_held_out_items(finished: Finished, recipe: Recipe) -> None:
    path, rounds, _ = finished
    first, second = (read_run(path / f"round-{number}") for number in (1, 2))
    weaknesses = read_weaknesses(first)
    counts = Counter(item.task for item in read_items(first, "heldout"))
    assert sum(one.n for one in weaknesses) == sum(min(count, LIMIT) for count in counts.values())
    assert rounds[0].weaknesses == weaknesses
    assert second.recipe.plan.weights == rounds[0].next_weights == plan_weights(weaknesses, recipe.plan.weights)


def test_the_cell_of_planted_mistakes_is_planned_more_often(finished: Finished, recipe: Recipe, tmp_path: Path) -> None:
    path, _, _ = finished
    shutil.copytree(path / "round-1", tmp_path / "run", ignore=shutil.ignore_patterns("student"))
    run = read_run(tmp_path / "run")
    marks = read_marks(run, "after", "likelihood", HELDOUT)
    items = {item.qid: item for item in read_items(run, "heldout") if item.qid in marks}
    missed = cell_of(next(iter(items.values())))
    rows = [
        mark.model_copy(update={"lenient": cell_of(items[key]) != missed}).model_dump(mode="json")
        for key, mark in marks.items()
    ]
    write_jsonl(marks_path(run, "after", "likelihood", HELDOUT), rows)
    heeded = heed_feedback(recipe, run)
    assert list(heeded.plan.weights) == [missed]
    assert 1 < heeded.plan.weights[missed] <= 3
    derived = recipe_of_round(recipe, tmp_path, 2, heeded.plan.weights, {})
    assert derived.plan.weights == heeded.plan.weights
    assert recipe.plan.weights == {}, "the recipe itself is left as it was"


def test_a_further_round_repeats_nothing_and_trains_on_all(finished: Finished) -> None:
    path, rounds, _ = finished
    first, second = (read_run(path / f"round-{number}") for number in (1, 2))
    assert second.recipe.curate.seen == second.recipe.train.with_items == (first.items_path,)
    parts = [sum(1 for _ in read_items(run, "train")) for run in (first, second)]
    assert rounds[0].trained_on == parts[0]
    assert rounds[1].trained_on == sum(parts)
    assert second.require("train")["with_items"] == parts[0]
    assert not {item.scenario for item in read_items(first)} & {item.scenario for item in read_items(second)}


def test_rounds_are_compared_on_the_held_out_items_of_the_first(finished: Finished) -> None:
    path, rounds, _ = finished
    yardstick = [one for one in read_file(path / "round-1" / "data" / "items.jsonl") if one.split == "heldout"]
    counts = Counter(one.item.task for one in yardstick)
    for one in rounds:
        assert {row.task: row.n for row in one.yardstick} == {task: min(LIMIT, n) for task, n in counts.items()}
    assert {row.benchmark for row in rounds[1].yardstick} == {"held-out of round 1"}
    assert {row.stage for one in rounds for row in one.scores} == {"after"}
    assert rounds[0].changes == []
    for change in rounds[1].changes:
        old, new = (
            next(row for row in one.yardstick if (row.task, row.mode) == (change.task, change.mode)) for one in rounds
        )
        assert change.lenient.delta == pytest.approx(new.lenient - old.lenient)
        assert change.lenient.low > 0 or "improved" not in change.verdict
    assert len(rounds[1].changes) == len(rounds[1].yardstick) == 2


def test_all_figures_are_in_rounds_json(finished: Finished) -> None:
    path, rounds, _ = finished
    written = json.loads((path / "rounds.json").read_text(encoding="utf-8"))
    assert written["recipe"] == "tiny"
    assert [one["folder"] for one in written["rounds"]] == ["round-1", "round-2"]
    assert written["rounds"][1]["changes"][0]["verdict"] == rounds[1].changes[0].verdict
    weak = written["rounds"][0]["weaknesses"][0]
    assert {"cell", "n", "right", "missed", "share", "interval", "estimate", "is_weak", "factor"} <= set(weak)


def test_the_table_names_every_round_and_its_verdict(finished: Finished) -> None:
    console = Console(file=StringIO(), width=80)
    print_rounds(finished[1], console)
    assert isinstance(console.file, StringIO)
    said = console.file.getvalue()
    assert "…" not in said, "the table fits a terminal of 80 columns"
    assert re.search(r"EU likelihood\s+2\s+\d+\.\d \(", said)
    assert re.search(r"round 2 against 1, EA likelihood: [+-]\d+\.\d points, 95% .+: no change shown", said)
    assert "weak in round 2: " in said


def test_programs_are_compiled_anew_after_the_round_before(
    finished: Finished, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _, _ = finished
    asked: list[tuple[str, str]] = []
    compiling = recipe.model_copy(update={"rounds": recipe.rounds.model_copy(update={"compile": ["items"]})})

    def compile_kind(recipe: Recipe, kind: Kind, console: Console, *, feedback: Run) -> Path:
        asked.append((kind, feedback.path.name))
        return Path("out/programs/items-new")

    # The second round was begun without a compiled program: it is not gone on with another.
    with pytest.raises(RecipeError, match=r"round-2 was made with another recipe: programs.items \(None →"):
        run_rounds(compiling, path, quiet(), compile_kind, lambda rounds: None)
    assert asked == [("items", "round-1")]


def test_a_begun_round_keeps_its_compiled_programs(finished: Finished, recipe: Recipe, tmp_path: Path) -> None:
    first = read_run(finished[0] / "round-1")
    begun = recipe.model_copy(update={"programs": recipe.programs.model_copy(update={"items": "kept"})})
    with open_run(tmp_path / "round-2", begun):
        pass
    compiling = recipe.model_copy(update={"rounds": recipe.rounds.model_copy(update={"compile": ["items"]})})
    chosen = rounds_module._choose_programs(compiling, tmp_path / "round-2", first, quiet(), refuse_to_compile)
    assert chosen == {"items": "kept"}


def test_feedback_keeps_the_other_weights_of_a_recipe(finished: Finished, recipe: Recipe) -> None:
    first = read_run(finished[0] / "round-1")
    lowered = recipe.model_copy(deep=True)
    lowered.compile.weights.items["novelty"] = 0.2
    heeded = heed_feedback(lowered, first)
    assert heeded.plan.weights == finished[1][0].next_weights
    assert heeded.compile.weights.items["novelty"] == 0.2
    assert {weight for name, weight in heeded.compile.weights.items.items() if name != "novelty"} <= {1.0}


def test_feedback_of_a_run_without_exam_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with open_run(tmp_path / "run", recipe) as run, pytest.raises(RunError, match="stage `exam` is not done"):
        heed_feedback(recipe, run)


def test_a_folder_in_use_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(RunError, match="in use by another emoreason process"):
        run_rounds(recipe, tmp_path, quiet(), refuse_to_compile, lambda rounds: None)


def test_a_folder_that_cannot_be_made_is_one_line(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.*; check space and permissions"):
        run_rounds(recipe, tmp_path / "file" / "out", quiet(), refuse_to_compile, lambda rounds: None)


@pytest.mark.parametrize(
    ("made", "count", "stages", "error", "message"),
    [
        ("recipe.yaml", 2, STAGES, RunError, "holds a run of one round, and rounds.count is 2"),
        ("round-1", 1, STAGES, RunError, "holds the rounds of a recipe, and rounds.count is 1"),
        ("round-1", 1, ("train",), RunError, "holds the rounds of a recipe"),
        ("round-1", 3, ("train",), RecipeError, "`emoreason train` works on one round"),
    ],
)
def test_plain_runs_and_rounds_do_not_mix(
    made: str, count: int, stages: tuple[str, ...], error: type[EmoReasonError], message: str,
    recipe: Recipe, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / made).mkdir()
    with pytest.raises(error, match=message) as caught:
        check_rounds(
            recipe.model_copy(update={"rounds": recipe.rounds.model_copy(update={"count": count})}), tmp_path, stages
        )
    assert "\n" not in str(caught.value)


def test_a_recipe_of_several_rounds_goes_through_rounds(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(
        "cli.rounds.run_and_print_rounds", lambda recipe, path, *rest: calls.append((recipe.name, path))
    )
    command = ["run", str(tiny_recipe), "--set", "rounds.count=2", "--out", str(tmp_path / "out")]
    CliRunner().invoke(app, command, catch_exceptions=False)
    assert calls == [("tiny", tmp_path / "out")]
    assert not (tmp_path / "out").exists()


def test_other_runs_items_that_are_not_there_are_one_line(finished: Finished, tmp_path: Path) -> None:
    run = read_run(finished[0] / "round-1")
    also = run.recipe.exam.model_copy(update={"also": {"gone": tmp_path / "gone.jsonl"}})
    run.recipe = run.recipe.model_copy(update={"exam": also})
    with pytest.raises(DataError, match=r"gone\.jsonl: cannot be read .*; check the path"):
        exam(run, quiet())


@pytest.mark.parametrize("name", ["", "a/b", "../x", " x", "x\ny"])
def test_another_runs_name_becomes_part_of_a_file_name(name: str) -> None:
    with pytest.raises(ValidationError, match="also"):
        ExamConfig.model_validate({"also": {name: "items.jsonl"}})


def test_a_run_that_repeats_another_loses_what_it_repeats(finished: Finished, tmp_path: Path) -> None:
    """The plans of one seed, run again: every item that was kept is known already."""
    first = finished[0] / "round-1"
    shutil.copytree(first, tmp_path / "run", ignore=shutil.ignore_patterns("student"))
    run = read_run(tmp_path / "run")
    items = first / "data" / "items.jsonl"
    run.recipe = run.recipe.model_copy(update={"curate": run.recipe.curate.model_copy(update={"seen": (items,)})})
    kept = {one.item.qid for one in read_file(items)}
    result = verify(run, quiet())
    assert result["duplicates"]["seen before"] == len(kept)
    assert {drop.id for drop in read_screened(run) if drop.reason == "seen before"} == kept
