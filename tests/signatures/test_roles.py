"""Rules that hold for every signature asked of a teacher (signatures/session.py and signatures/items.py)."""

from __future__ import annotations

import inspect

import dspy
import pytest

from signatures import items, session

ROLES = [
    value for module in (session, items) for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, dspy.Signature) and value.output_fields
]  # fmt: skip


def names(field: str) -> list[str]:
    return [role.__name__ for role in ROLES if field in role.fields]


def test_there_are_nine_asks() -> None:
    assert len(ROLES) == 9


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.__name__)
def test_every_field_is_described_and_the_complaint_is_free(role: type[dspy.Signature]) -> None:
    for name, field in role.fields.items():
        assert not field.json_schema_extra["desc"].startswith("${"), name
    assert "complaint" not in role.fields
    assert not set(role.input_fields) & set(role.output_fields)
    assert len(role.instructions.split()) >= 40


def test_only_the_background_writer_and_the_converter_are_asked_for_long_texts() -> None:
    assert [role.__name__ for role in ROLES if "background" in role.output_fields] == ["WriteBackground"]
    assert [role.__name__ for role in ROLES if "case" in role.output_fields] == ["WriteCase"]
    assert [role.__name__ for role in ROLES if "scenario" in role.output_fields] == [
        "WriteUnderstandingItem",
        "WriteApplicationItem",
    ]


def test_the_supervisor_answers_yes_or_no_five_times() -> None:
    assert [field.annotation for field in session.SuperviseSession.output_fields.values()] == [bool] * 5


def test_who_writes_the_story_or_the_therapist_is_told_of_care() -> None:
    assert names("care") == ["WriteBackground", "RespondAsTherapist", "WriteCase", "WriteDialogue"]


def test_the_client_is_told_the_stage_and_the_therapist_the_phase() -> None:
    assert names("stage") == ["OpenAsClient", "ContinueAsClient"]
    assert names("phase") == ["RespondAsTherapist"]
    assert names("arc") == ["WriteDialogue"]


@pytest.mark.parametrize("role", [session.RespondAsTherapist, session.WriteDialogue], ids=lambda role: role.__name__)
def test_the_answer_to_a_risk_is_laid_down_where_a_therapist_is_written(role: type[dspy.Signature]) -> None:
    text = " ".join(role.instructions.split())
    assert "safety" in text
    assert "urgent help" in text


@pytest.mark.parametrize("role", [items.WriteUnderstandingItem, items.WriteApplicationItem], ids=lambda r: r.__name__)
def test_an_item_is_asked_for_without_letters_and_with_a_misreading_per_wrong_answer(
    role: type[dspy.Signature],
) -> None:
    wrong = "wrong_causes" if "wrong_causes" in role.output_fields else "wrong"
    assert role.output_fields["misreadings"].annotation == role.output_fields[wrong].annotation == list[str]
    assert not any("letter" in name or "choices" in name for name in role.fields)
    assert list(role.output_fields)[-1] == "explanation"
