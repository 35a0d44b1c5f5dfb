"""Verdicts of people: reading their files, and what a majority decides."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.human import ASPECTS, HumanVerdict, Settled, read_sheet, read_verdicts, settle

answer = st.sampled_from([True, False, None])
verdicts = st.builds(
    HumanVerdict,
    id=st.sampled_from(["a", "b"]),
    annotator=st.sampled_from(["anna", "ben", "cleo"]),
    label_right=answer,
    explanation_sound=answer,
    ambiguous=answer,
    note=st.text(st.characters(exclude_categories=["Cs"])),
)


def one(annotator: str, label: bool | None = True, sound: bool | None = True, ambiguous: bool | None = False) -> Any:
    return HumanVerdict(
        id="a", annotator=annotator, label_right=label, explanation_sound=sound, ambiguous=ambiguous
    )  # fmt: skip


def write(path: Path, *rows: dict[str, Any] | str) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def test_the_latest_row_of_each_person_and_item_counts(tmp_path: Path) -> None:
    write(tmp_path / "ben.jsonl", {"id": "a", "annotator": "ben", "label_right": False})
    write(
        tmp_path / "anna.jsonl",
        {"id": "b", "annotator": "anna", "label_right": True},
        {"id": "a", "annotator": "anna", "label_right": True},
        {"id": "b", "annotator": "anna", "label_right": None, "note": "unsure"},
    )
    found = [(verdict.id, verdict.annotator, verdict.label_right) for verdict in read_verdicts(tmp_path)]
    assert found == [("a", "anna", True), ("a", "ben", False), ("b", "anna", None)]


def test_no_folder_holds_no_verdicts(tmp_path: Path) -> None:
    assert read_verdicts(tmp_path / "nowhere") == []


@settings(max_examples=25)
@given(written=st.lists(verdicts, max_size=8))
def test_rows_come_back_as_they_were_written(written: list[HumanVerdict], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("sheet") / "anna.jsonl"
    write(path, *(verdict.model_dump(mode="json") for verdict in written))
    assert read_sheet(path) == written


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "anna.jsonl"
    write(path, {"id": "a", "annotator": "anna"})
    with path.open("a") as file:
        file.write('{"id": "b", "annota')
    assert [verdict.id for verdict in read_verdicts(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"id": "a"}', "annotator: Field required"),
        ('{"id": "a", "annotator": "anna", "label_right": "yes"}', "label_right: Input should be a valid boolean"),
        ('{"id": "a", "annotator": "anna", "mood": 1}', "mood: Extra inputs"),
        ("[" * 5000, "recursion limit"),
        ("", "EOF"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    write(tmp_path / "anna.jsonl", {"id": "a", "annotator": "anna"}, line, {"id": "b", "annotator": "anna"})
    with pytest.raises(DataError) as caught:
        read_verdicts(tmp_path)
    message = str(caught.value)
    assert f"{tmp_path / 'anna.jsonl'}, line 2: " in message
    assert said in message
    assert "\n" not in message


def test_a_wrong_byte_is_named(tmp_path: Path) -> None:
    (tmp_path / "anna.jsonl").write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(DataError, match="line 1"):
        read_verdicts(tmp_path)


@pytest.mark.parametrize(
    ("given_verdicts", "outcome", "reason"),
    [
        ([one("anna")], "keep", ""),
        ([one("anna", label=False)], "drop", "people: label wrong"),
        ([one("anna", ambiguous=True)], "drop", "people: ambiguous"),
        ([one("anna", sound=False)], "drop", "people: explanation unsound"),
        ([one("anna", label=False, ambiguous=True, sound=False)], "drop", "people: label wrong"),
        ([one("anna", sound=None)], "keep", ""),
        ([one("anna", ambiguous=None)], "undecided", ""),
        ([one("anna", label=None)], "undecided", ""),
        ([one("anna"), one("ben", label=False)], "undecided", ""),
        ([one("anna"), one("ben", ambiguous=True)], "undecided", ""),
        ([one("anna"), one("ben", sound=False)], "undecided", ""),
        ([one("anna"), one("ben", label=False), one("cleo")], "keep", ""),
        ([one("anna"), one("ben", label=False), one("cleo", label=False)], "drop", "people: label wrong"),
        ([one("anna"), one("ben", label=None, sound=False, ambiguous=None), one("cleo", sound=False)], "drop",
         "people: explanation unsound"),
    ],
)  # fmt: skip
def test_the_majority_decides_and_ties_decide_nothing(
    given_verdicts: list[HumanVerdict], outcome: str, reason: str
) -> None:
    settled = settle(given_verdicts)["a"]
    assert (settled.outcome, settled.reason, settled.annotators) == (outcome, reason, len(given_verdicts))


def test_who_answered_nothing_does_not_count() -> None:
    withdrawn = HumanVerdict(id="b", annotator="anna", note="hm")
    assert settle([withdrawn, one("anna"), HumanVerdict(id="a", annotator="ben")]) == {
        "a": Settled(id="a", outcome="keep", annotators=1)
    }


@pytest.mark.parametrize("answers", list(product([True, False, None], repeat=3)))
def test_two_of_one_mind_decide_what_one_of_them_decides(answers: tuple[bool | None, ...]) -> None:
    alone = settle([one("anna", *answers)])
    both = settle([one("anna", *answers), one("ben", *answers)])
    assert alone.keys() == both.keys()
    assert all(alone[name].outcome == both[name].outcome for name in alone)


def test_an_item_is_complete_with_three_answers() -> None:
    assert one("anna").is_complete
    assert not any(one("anna", **{key: None}).is_complete for key in ("label", "sound", "ambiguous"))
    assert set(one("anna").answers) == set(ASPECTS)
