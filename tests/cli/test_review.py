"""Agreement in the terminal and as JSON; a page that cannot be started says why."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cli.review import print_agreement, review_run
from corpus.errors import RunError, UsageError
from corpus.jsonl import write_jsonl
from review.sheet import Sheet
from tests.review.conftest import make_ea, write_run


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", []).path


def judge(run_path: Path, name: str, *answers: bool) -> None:
    rows = [{"id": f"i{number}", "annotator": name, "label_right": answer} for number, answer in enumerate(answers)]
    write_jsonl(run_path / "reviews" / f"{name}.jsonl", rows)


def printed(run_path: Path, as_json: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_agreement(run_path, console, as_json)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_agreement_as_a_table_with_disagreements(run_path: Path) -> None:
    judge(run_path, "anna", True, False, True, True)
    judge(run_path, "ben", True, False, False, True)
    text = printed(run_path)
    assert "2 reviewers: anna, ben" in text
    assert "75%" in text
    assert "Cohen's κ 0.50" in text
    assert "explanation sound: nobody answered" in text
    assert "i2  label right: anna yes, ben no" in text
    assert "nan" not in text.lower()


def test_agreement_as_json(run_path: Path) -> None:
    judge(run_path, "anna", True, False)
    judge(run_path, "ben", True, True)
    label, sound, _ = json.loads(printed(run_path, as_json=True))
    assert (label["aspect"], label["items"], label["raw"]) == ("label_right", 2, 0.5)
    assert label["disagreements"][0]["answers"][0] == {"annotator": "anna", "answer": False}
    assert (sound["value"], sound["remark"]) == (None, "nobody answered")


def test_a_run_without_reviews_says_how_to_start_one(run_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no reviews; start one: emoreason review .* --annotator NAME"):
        printed(run_path)


def test_ctrl_c_says_how_far_one_got(run_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_at_once(sheet: Sheet, *_: object) -> None:
        sheet.change(sheet.items[0].id, label_right=True, explanation_sound=True, ambiguous=False)
        raise KeyboardInterrupt

    run = write_run(run_path, [make_ea(1), make_ea(2)])
    monkeypatch.setattr("review.server.serve", stop_at_once)
    console = Console(file=io.StringIO(), width=400)
    review_run(run.path, "anna", 5, "kept", 0, False, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "2 items, 0 done" in text
    assert f"1 of 2 items done, saved in {run.path / 'reviews'}" in text


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        review_run(tmp_path, "anna", 5, "kept", 0, False, Console())


def test_without_the_extra_the_command_to_install_it_is_named(run_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    monkeypatch.delitem(sys.modules, "review.server", raising=False)
    monkeypatch.delitem(sys.modules, "review.page", raising=False)
    with pytest.raises(UsageError, match=r'pip install "emoreason\[review\]"'):
        review_run(run_path, "anna", 5, "kept", 0, False, Console())
