from __future__ import annotations

import pytest

from corpus.records import Person, Plan
from programs.briefing import brief_case, care_for, introduce
from signatures.session import WriteBackground, WriteCase


def test_a_person_is_introduced_with_the_planned_pronouns() -> None:
    assert introduce(Person(name="Noor", pronouns="they")) == "Noor (they)"


@pytest.mark.parametrize("care", ["self-harm", "abuse"])
def test_writers_hear_what_a_grave_theme_asks_of_them_and_else_nothing(plans: list[Plan], care: str) -> None:
    def themed(care: str) -> Plan:
        return plans[0].model_copy(update={"theme": plans[0].theme.model_copy(update={"care": care})})

    assert care in care_for(themed(care)).lower()
    assert care_for(themed("")) == "nothing in particular"


@pytest.mark.parametrize("signature", [WriteBackground, WriteCase])
def test_a_background_writer_receives_the_whole_case(signature: type[WriteCase], plans: list[Plan]) -> None:
    case = brief_case(plans[0])
    assert list(signature.input_fields) == list(case)
    assert all(moment.brief() in case["moments"] for moment in plans[0].moments)
