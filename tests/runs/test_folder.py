"""Run folders: one process at a time, one recipe for life, and markers that say what is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from corpus.errors import RecipeError, RunError
from runs.folder import open_run, read_run
from runs.recipe import load_recipe


def test_a_new_folder_holds_recipe_and_manifest(tiny_recipe: Path, tmp_path: Path) -> None:
    recipe = load_recipe(tiny_recipe)
    with open_run(tmp_path / "out", recipe) as run:
        run.finish("generate", 1.5, {"sessions": 3})
        assert run.finished("generate") == {"stage": "generate", "seconds": 1.5, "sessions": 3}
        assert run.finished("curate") is None
    assert read_run(tmp_path / "out").recipe == recipe
    manifest = (tmp_path / "out" / "manifest.json").read_text()
    assert '"dspy-ai": "3.4.1"' in manifest
    assert '"teacher": "scripted/counsel"' in manifest


def test_a_changed_recipe_is_refused_and_the_keys_are_named(tiny_recipe: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "out", load_recipe(tiny_recipe)):
        pass
    changed = load_recipe(tiny_recipe, ["plan.sessions=13", "seed=6"])
    with pytest.raises(RecipeError, match=r"plan.sessions \(12 → 13\), seed \(5 → 6\).*--out"):
        open_run(tmp_path / "out", changed).__enter__()


def test_how_fast_a_run_goes_may_change(tiny_recipe: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "out", load_recipe(tiny_recipe)):
        pass
    with open_run(tmp_path / "out", load_recipe(tiny_recipe, ["generate.concurrency=9"])) as run:
        assert run.recipe.generate.concurrency == 9


def test_a_second_process_is_refused(tiny_recipe: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "generate", str(tiny_recipe), "--out", str(tmp_path / "out")]
    with open_run(tmp_path / "out", load_recipe(tiny_recipe)):
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "in use by another emoreason process" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_folder_of_something_else_is_left_alone(tiny_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty and not a run folder"):
        open_run(tmp_path / "out", load_recipe(tiny_recipe)).__enter__()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_one_line(tiny_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="run again"):
        open_run(tmp_path / "file" / "out", load_recipe(tiny_recipe)).__enter__()


def test_reading_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        read_run(tmp_path)


def test_a_stage_needs_the_one_before_it(tiny_recipe: Path, tmp_path: Path) -> None:
    with (
        open_run(tmp_path / "out", load_recipe(tiny_recipe)) as run,
        pytest.raises(RunError, match="emoreason generate"),
    ):
        run.require("generate")
