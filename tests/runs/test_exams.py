"""The exams of a recipe: EmoBench in two languages, listed files, and what is said when one is out of reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpus.config import DecontaminateConfig
from corpus.errors import DataError
from runs.exams import gather_exams
from runs.recipe import Recipe, load_recipe

STORY = "On Thursday the clockmaker's niece carried seven brass keys up the tower and threw them all into the snow."


def with_exams(tiny_recipe: Path, *settings: str) -> Recipe:
    return load_recipe(tiny_recipe, settings)


def test_emobench_is_read_in_both_languages(tiny_recipe: Path, emobench_dir: Path) -> None:
    exams = gather_exams(with_exams(tiny_recipe, f"exam.emobench={emobench_dir}"))
    assert set(exams.compared) == {"EmoBench, en", "EmoBench, zh"}
    assert exams.compared["EmoBench, en"] > 0
    assert exams.problems == []
    assert not exams.off


def test_listed_files_are_compared_with_and_their_bad_lines_named(tiny_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    path.write_text(json.dumps({"story": STORY}) + "\n{torn\n", encoding="utf-8")
    exams = gather_exams(with_exams(tiny_recipe, f"curate.decontaminate.files=[{path}]"))
    assert exams.compared == {"exam.jsonl": 1}
    null, bad = exams.problems
    assert "exam.emobench is null" in null
    assert "exam.jsonl, line 2: not JSON" in bad


def test_a_listed_file_without_text_stops_the_stage(tiny_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    path.write_text('{"score": 3}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"curate\.decontaminate\.files: .*holds no text"):
        gather_exams(with_exams(tiny_recipe, f"curate.decontaminate.files=[{path}]"))


def test_a_hub_out_of_reach_is_said_and_stops_nothing(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("eval.emobench.HUB_DATASET", "nobody/no-such-exam")
    exams = gather_exams(with_exams(tiny_recipe, "exam.emobench=hub"))
    assert exams.compared == {}
    assert "not compared with it" in exams.problems[0]


def test_off_is_said_and_compares_with_nothing(tiny_recipe: Path, emobench_dir: Path) -> None:
    off = ("curate.decontaminate.enabled=false", f"exam.emobench={emobench_dir}")
    exams = gather_exams(with_exams(tiny_recipe, *off))
    assert (exams.off, exams.compared) == (True, {})
    assert "compared with no exam" in exams.problems[0]
    assert DecontaminateConfig().enabled, "nobody has to ask for it"
