from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from corpus.assemble import assemble_items
from corpus.records import ApplicationDraft, Item, Look, Moment, Person, Plan, Turn, cell_of, render_turns

ITEM: TypeAdapter[Any] = TypeAdapter(Item)
AMINA, OTIENO = Person(name="Amina", pronouns="she"), Person(name="Otieno", pronouns="he")


def test_items_carry_emobenchs_keys_to_the_letter(make_eu: Any, make_ea: Any) -> None:
    rows = [item.model_dump(by_alias=True) for item in assemble_items([make_eu(), make_ea()], seed=1)]
    eu, ea = ({row["task"]: row for row in rows}[task] for task in ("EU", "EA"))
    assert {
        "qid", "language", "coarse_category", "finegrained_category", "scenario", "subject",
        "emotion_choices", "emotion_label", "cause_choices", "cause_label",
    } <= eu.keys()  # fmt: skip
    assert {"qid", "language", "category", "question type", "scenario", "subject", "choices", "label"} <= ea.keys()


def test_items_come_back_from_json_as_they_were(make_eu: Any, make_ea: Any) -> None:
    for item in assemble_items([make_eu(), make_ea()], seed=1):
        assert ITEM.validate_python(item.model_dump(mode="json", by_alias=True)) == item


def test_plans_come_back_from_json_as_they_were(plans: list[Plan]) -> None:
    assert all(Plan.model_validate_json(plan.model_dump_json()) == plan for plan in plans)


def test_unknown_keys_and_changes_are_refused(make_ea: Any) -> None:
    draft = make_ea()
    with pytest.raises(ValidationError, match="letter"):
        ApplicationDraft.model_validate({**draft.model_dump(), "letter": "A"})
    with pytest.raises(ValidationError, match="frozen"):
        draft.best = "another"


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.booleans()] * 5))
def test_a_look_is_complete_when_nothing_is_missing(judgements: tuple[bool, ...]) -> None:
    keys = ("scenario_clear", "emotions_present", "causes_present", "dilemma_present", "rich_enough")
    look = Look.model_validate({"turn": 1, **dict(zip(keys, judgements, strict=True))})
    assert look.complete == all(judgements)


def test_a_brief_tells_the_label_and_the_people() -> None:
    common: dict[str, Any] = {"id": "s1-00000-m0", "appraisal": "it came true", "subject": AMINA, "other": OTIENO}
    eu = Moment(task="EU", category="complex_emotions", sub_category="unexpected_outcome", aim="Joy", **common)
    ea = Moment(task="EA", category="Social-Self", question_type="Action", aim="repair", **common)
    assert eu.brief().splitlines() == [
        "moment: s1-00000-m0", "task: EU", "category: complex_emotions", "sub-category: unexpected_outcome",
        "emotion: Joy", "why: it came true", "about: Amina (she)", "with: Otieno (he)",
    ]  # fmt: skip
    assert "question type: Action\ncalls for: repair\n" in ea.brief()
    assert "sub-category" not in ea.brief()


def test_turns_are_one_line_each() -> None:
    turns = (Turn(speaker="THERAPIST", text="Welcome."), Turn(speaker="CLIENT", text="Thanks.", moment="m"))
    assert render_turns(turns) == "THERAPIST: Welcome.\nCLIENT: Thanks."


def test_a_cell_is_a_sub_category_or_a_category_with_its_question(make_eu: Any, make_ea: Any) -> None:
    drafts = [make_eu(), make_ea()]
    assert [cell_of(draft) for draft in drafts] == ["unexpected_outcome", "Social-Self / Action"]
    assert {cell_of(item) for item in assemble_items(drafts, 1)} == {cell_of(draft) for draft in drafts}
