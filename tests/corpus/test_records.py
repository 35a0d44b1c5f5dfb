from __future__ import annotations

from collections import Counter
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


def test_a_brief_tells_what_a_writer_needs_and_leaves_out_what_is_empty() -> None:
    common: dict[str, Any] = {
        "id": "s1-00000-m0", "appraisal": "it came true", "build": "an outcome", "misreadings": ("errs", "strays"),
        "subject": AMINA, "other": OTIENO, "variant": 7,
    }  # fmt: skip
    eu = Moment(
        task="EU", category="complex_emotions", sub_category="emotion_transition", aim="Joy", before="Sadness", **common
    )
    ea = Moment(
        task="EA", category="Social-Self", question_type="Action", aim="repair", narration="first person", **common
    )
    assert eu.brief().splitlines() == [
        "moment: s1-00000-m0", "task: EU", "category: complex_emotions", "sub-category: emotion_transition",
        "emotion: Joy", "why: it came true", "feeling before the turn: Sadness", "must hold: an outcome",
        "wrong answers tempt a reader who: errs; strays", "about: Amina (she)", "with: Otieno (he)",
        "told in: third person", "variant: 7",
    ]  # fmt: skip
    assert "question type: Action\ncalls for: repair\n" in ea.brief()
    assert "told in: first person" in ea.brief()
    assert "sub-category" not in ea.brief()
    assert "feeling before" not in ea.brief()


def test_a_moment_is_named_by_its_cell(plans: list[Plan]) -> None:
    for moment in (moment for plan in plans for moment in plan.moments):
        expected = moment.sub_category if moment.task == "EU" else f"{moment.category} / {moment.question_type}"
        assert moment.cell == expected


@pytest.mark.parametrize("turns", [2, 5, 8, 14])
def test_a_client_goes_through_the_arc_from_its_first_stage_to_its_last(plans: list[Plan], turns: int) -> None:
    plan = plans[0]
    places = [plan.arc.index(plan.stage(turn, turns)) for turn in range(1, turns + 1)]
    assert places[0] == 0
    assert places == sorted(places)
    assert turns < len(plan.arc) or set(places) == set(range(len(plan.arc)))
    assert {plan.stage(turn, turns) for turn in range(turns + 1, 20)} == {plan.arc[-1]}


def test_the_stages_of_an_arc_last_about_equally_long(plans: list[Plan]) -> None:
    lengths = Counter(plans[0].stage(turn, 12) for turn in range(1, 13))
    assert set(lengths.values()) == {2, 3}


def test_attributes_are_told_one_to_a_line_and_the_manner_in_one(plans: list[Plan]) -> None:
    for attributes in (plan.attributes for plan in plans):
        told = dict(line.split(": ", 1) for line in attributes.brief().splitlines())
        assert told["conflict domain"] == attributes.conflict_domain
        assert told["eu areas"] == ", ".join(attributes.eu_areas)
        assert len(told) == len(type(attributes).model_fields)
        for said in (attributes.stakes, attributes.insight, attributes.coping, attributes.communication):
            assert said in attributes.manner
        assert all(feeling in attributes.manner for feeling in attributes.emotion_mix.split("+"))
        assert "\n" not in attributes.manner


def test_the_questions_of_an_item_are_its_choices_with_their_labels(make_eu: Any, make_ea: Any) -> None:
    eu, ea = sorted(assemble_items([make_eu(), make_ea()], seed=1), key=lambda item: item.task, reverse=True)
    assert eu.questions == ((eu.emotion_choices, eu.emotion_label), (eu.cause_choices, eu.cause_label))
    assert ea.questions == ((ea.choices, ea.label),)
    assert all(label in choices for item in (eu, ea) for choices, label in item.questions)


def test_turns_are_one_line_each() -> None:
    turns = (Turn(speaker="THERAPIST", text="Welcome."), Turn(speaker="CLIENT", text="Thanks.", moment="m"))
    assert render_turns(turns) == "THERAPIST: Welcome.\nCLIENT: Thanks."


def test_a_cell_is_a_sub_category_or_a_category_with_its_question(make_eu: Any, make_ea: Any) -> None:
    drafts = [make_eu(), make_ea()]
    assert [cell_of(draft) for draft in drafts] == ["unexpected_outcome", "Social-Self / Action"]
    assert {cell_of(item) for item in assemble_items(drafts, 1)} == {cell_of(draft) for draft in drafts}
