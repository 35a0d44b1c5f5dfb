"""A person's sheet: saved at once, resumed, one at a time, one file per person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpus.errors import DataError, RunError, UsageError
from corpus.human import read_verdicts
from review.items import ReviewItem
from review.sheet import open_sheet

DONE = {"label_right": True, "explanation_sound": True, "ambiguous": False}


def test_each_change_is_on_disk_when_change_returns(tmp_path: Path, items: list[ReviewItem]) -> None:
    with open_sheet(tmp_path / "reviews", "anna", items) as sheet:
        sheet.change(items[0].id, label_right=True)
        sheet.change(items[0].id, label_right=False, note="no")
        rows = [json.loads(line) for line in (tmp_path / "reviews" / "anna.jsonl").read_text().splitlines()]
    assert [(row["id"], row["label_right"], row["note"]) for row in rows] == [
        (items[0].id, True, ""),
        (items[0].id, False, "no"),
    ]
    assert all(row["at"].endswith("+00:00") for row in rows)


def test_a_sheet_goes_on_at_the_first_open_item(tmp_path: Path, items: list[ReviewItem]) -> None:
    with open_sheet(tmp_path, "anna", items) as sheet:
        assert (sheet.done, sheet.first_open) == (0, 0)
        sheet.change(items[0].id, **DONE)
        sheet.change(items[2].id, **DONE)
    with open_sheet(tmp_path, "anna", items) as sheet:
        assert (sheet.done, sheet.first_open) == (2, 1)
        sheet.change(items[1].id, **DONE)
        assert sheet.first_open == len(items)
        sheet.change(items[0].id, ambiguous=None)
        assert (sheet.done, sheet.first_open) == (2, 0)


def test_nobody_sees_the_verdicts_of_others(tmp_path: Path, items: list[ReviewItem]) -> None:
    with open_sheet(tmp_path, "anna", items) as anna, open_sheet(tmp_path, "ben", items) as ben:
        anna.change(items[0].id, **DONE)
        assert (anna.done, ben.done) == (1, 0)
        ben.change(items[0].id, label_right=False)
    assert [(verdict.annotator, verdict.label_right) for verdict in read_verdicts(tmp_path)] == [
        ("anna", True),
        ("ben", False),
    ]


def test_a_torn_last_row_is_cut_off_and_the_rest_stands(tmp_path: Path, items: list[ReviewItem]) -> None:
    with open_sheet(tmp_path, "anna", items) as sheet:
        sheet.change(items[0].id, **DONE)
    with (tmp_path / "anna.jsonl").open("a") as file:
        file.write('{"id": "s1-0')
    with open_sheet(tmp_path, "anna", items) as sheet:
        assert sheet.done == 1
        sheet.change(items[1].id, **DONE)
    assert len(read_verdicts(tmp_path)) == 2


def test_a_sheet_is_open_once(tmp_path: Path, items: list[ReviewItem]) -> None:
    with (
        open_sheet(tmp_path, "anna", items),
        pytest.raises(RunError, match=r"anna\.jsonl is open in another review"),
        open_sheet(tmp_path, "anna", items),
    ):
        pass


@pytest.mark.parametrize("name", ["", "..", ".hidden", "-x", "a/b", "a b", "a\n", "a\\b", "ä" * 41, "nul\0"])
def test_a_name_that_is_no_file_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--annotator"), open_sheet(tmp_path, name, []):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["anna", "B-2", "a.b_c", "张伟", "Åsa"])
def test_names_of_people(name: str, tmp_path: Path, items: list[ReviewItem]) -> None:
    with open_sheet(tmp_path, name, items) as sheet:
        sheet.change(items[0].id, **DONE)
    assert [verdict.annotator for verdict in read_verdicts(tmp_path)] == [name]


def test_a_sheet_with_a_wrong_line_is_refused(tmp_path: Path, items: list[ReviewItem]) -> None:
    (tmp_path / "anna.jsonl").write_text("[]\n")
    with pytest.raises(DataError, match=r"anna\.jsonl, line 1"), open_sheet(tmp_path, "anna", items):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"), open_sheet(tmp_path / "file" / "reviews", "anna", []):
        pass
