"""Rules that hold for every signature asked of a teacher (signatures/session.py and signatures/items.py)."""

from __future__ import annotations

import inspect

import dspy
import pytest

from signatures import items, session

ROLES = [
    value for module in (session, items) for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, dspy.Signature) and value is not dspy.Signature
]  # fmt: skip


def test_there_are_seven_asks() -> None:
    assert len(ROLES) == 7


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.__name__)
def test_every_field_is_described_and_the_complaint_is_free(role: type[dspy.Signature]) -> None:
    for name, field in role.fields.items():
        assert not field.json_schema_extra["desc"].startswith("${"), name
    assert "complaint" not in role.fields
    assert not set(role.input_fields) & set(role.output_fields)


def test_only_the_background_writer_and_the_converter_are_asked_for_long_texts() -> None:
    assert [role.__name__ for role in ROLES if "background" in role.output_fields] == ["WriteBackground"]
    assert [role.__name__ for role in ROLES if "scenario" in role.output_fields] == [
        "WriteUnderstandingItem",
        "WriteApplicationItem",
    ]


def test_the_supervisor_answers_yes_or_no_five_times() -> None:
    assert [field.annotation for field in session.SuperviseSession.output_fields.values()] == [bool] * 5
