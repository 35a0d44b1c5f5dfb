"""What an optimizer changed is found, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from optimizers.difference import FieldChange, PredictorChange, ScoreRow, compare, compare_scores, why_not_comparable
from programs.converter import ItemConverter
from programs.writer import SessionWriter
from tests.optimizers.handmade import RULE, compiled_items, demo, sidecar

NAMES = ("old", "new")
RAIN, KEY = demo(), demo("The key lay under the mat.")


def only(before: ItemConverter, after: ItemConverter) -> PredictorChange:
    (change,) = compare(before, after, NAMES)
    assert change.predictor == "write_application"
    return change


def test_equal_programs_do_not_differ() -> None:
    assert compare(ItemConverter(), ItemConverter(), NAMES) == []
    assert compare(compiled_items(), compiled_items(), NAMES) == []


def test_instructions_are_compared_line_by_line() -> None:
    change = only(compiled_items("One.\nTwo.\nThree."), compiled_items("One.\nTwo!\nThree."))
    assert change.instructions[:2] == ("--- old", "+++ new")
    assert change.instructions[3:] == (" One.", "-Two.", "+Two!", " Three.")
    assert (change.added, change.removed, change.fields) == ((), (), ())


@pytest.mark.parametrize(
    ("before", "after", "added", "removed", "reordered"),
    [
        ([RAIN], [RAIN, KEY], 1, 0, False),
        ([RAIN, KEY], [KEY], 0, 1, False),
        ([RAIN], [KEY], 1, 1, False),
        ([RAIN, KEY], [KEY, RAIN], 0, 0, True),
    ],
)
def test_demonstrations_come_and_go(
    before: list[Any], after: list[Any], added: int, removed: int, reordered: bool
) -> None:
    change = only(compiled_items(RULE, *before), compiled_items(RULE, *after))
    assert (len(change.added), len(change.removed), change.reordered) == (added, removed, reordered)
    assert not change.instructions


def test_a_demonstration_is_shown_in_one_line() -> None:
    long = demo("A\nscene " + "of many words " * 20)
    (line,) = only(compiled_items(RULE, RAIN), compiled_items(RULE, RAIN, long)).added
    assert line.startswith("scenario: A scene of many words")
    assert line.endswith("…")
    assert len(line) <= 100


def test_descriptions_of_fields_are_compared() -> None:
    after = compiled_items()
    predictor = after.write_application
    before = str(predictor.signature.fields["best"].json_schema_extra["desc"])
    predictor.signature = predictor.signature.with_updated_fields("best", desc="the wisest act")
    assert only(compiled_items(), after).fields == (FieldChange("best", before, "the wisest act"),)


def test_a_predictor_that_one_program_lacks_is_named_with_that_program() -> None:
    missing = compare(SessionWriter(("mads",)), SessionWriter(), NAMES)
    assert {change.predictor: change.missing_in for change in missing} == {
        "concise.write_case": "old",
        "concise.write_dialogue": "old",
    }
    assert {change.missing_in for change in compare(SessionWriter(), SessionWriter(("mads",)), NAMES)} == {"new"}


def test_scores_stand_side_by_side_on_the_same_cases() -> None:
    other = sidecar(scores={"after": {"quality": 0.8, "interval": (0.7, 0.9)}, "criteria": {}})
    assert why_not_comparable(sidecar(), other) == ""
    assert compare_scores(sidecar(), other) == [
        ScoreRow("quality", 0.91, 0.8),
        ScoreRow("leak", 0.95, None),
        ScoreRow("novelty", 1.0, None),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {"train": "30 aaaa", "dev": "30 bbbb", "final": "80 dddd"}}, "different final cases"),
        ({"kind": "session"}, "different final cases"),
        ({"weights": {"leak": 0.5}}, "different weights"),
    ],
)
def test_scores_on_other_cases_are_not_compared(change: dict[str, Any], said: str) -> None:
    assert said in why_not_comparable(sidecar(), sidecar(**change))
    assert "not both are compiled" in why_not_comparable(sidecar(), None)
