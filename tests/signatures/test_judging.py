from __future__ import annotations

from typing import get_args

import dspy
import pytest

from lms.scripted.names import MISTAKES
from signatures import items, judging

REVIEWS = [judging.ReviewUnderstandingItem, judging.ReviewApplicationItem, judging.ReviewMessage]
SCORED = [
    (judging.ReviewExplanation, judging.EXPLANATION_SCORES, judging.EXPLANATION_FAULTS),
    (judging.JudgeSession, judging.SESSION_SCORES, judging.SESSION_FAULTS),
]
ASKS = [
    *REVIEWS, judging.ReviewExplanation, judging.JudgeReasoning, judging.JudgeSession, judging.JudgeParaphrase,
]  # fmt: skip


def test_every_mistake_that_shows_in_a_text_has_its_name_in_one_rubric() -> None:
    rubrics = [judging.ITEM_FAULTS, judging.EXPLANATION_FAULTS, judging.CLIENT_FAULTS, judging.THERAPIST_FAULTS]
    named = [name for rubric in rubrics for name in rubric]
    assert len(named) == len(set(named))
    assert set(named) == {*MISTAKES, "no_rebuttal"} - {"breaks_format"}
    assert not set(named) & set(judging.SESSION_FAULTS)


@pytest.mark.parametrize("review", REVIEWS, ids=lambda review: review.__name__)
def test_a_judge_gives_remarks_before_the_faults(review: type[dspy.Signature]) -> None:
    assert list(review.output_fields) == ["remarks", "faults"]
    assert review.output_fields["faults"].annotation == list[str]
    assert "rubric" in review.input_fields


@pytest.mark.parametrize(("ask", "fault_of", "faults"), SCORED)
def test_scores_come_after_remarks_on_one_described_scale_and_each_has_its_fault(
    ask: type[dspy.Signature], fault_of: dict[str, str], faults: dict[str, str]
) -> None:
    assert list(ask.output_fields) == ["remarks", *fault_of]
    assert list(fault_of.values()) == list(faults)
    for name in fault_of:
        field = ask.output_fields[name]
        levels = get_args(field.annotation)
        assert levels == ("no", "partly", "yes")
        assert all(f"`{level}`: " in field.json_schema_extra["desc"] for level in levels)


def test_reasoning_is_scored_after_remarks_by_a_judge_who_does_not_know_the_key() -> None:
    assert list(judging.JudgeReasoning.input_fields) == ["scenario", "question", "reasoning", "answer"]
    assert list(judging.JudgeReasoning.output_fields) == ["remarks", "grounded", "consistent"]
    for name in ("grounded", "consistent"):
        field = judging.JudgeReasoning.output_fields[name]
        assert get_args(field.annotation) == ("no", "partly", "yes")
        assert all(f"`{level}`: " in field.json_schema_extra["desc"] for level in ("no", "partly", "yes"))


def test_a_paraphrase_is_one_of_three_relations_after_remarks() -> None:
    assert list(judging.JudgeParaphrase.output_fields) == ["remarks", "relation"]
    assert get_args(judging.JudgeParaphrase.output_fields["relation"].annotation) == get_args(judging.Relation)


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.__name__)
def test_every_ask_says_at_length_how_to_judge_and_leaves_the_complaint_free(ask: type[dspy.Signature]) -> None:
    assert len(ask.instructions.split()) >= 35
    assert not any(field.json_schema_extra["desc"].startswith("${") for field in ask.fields.values())
    assert "complaint" not in ask.fields


@pytest.mark.parametrize(
    ("review", "write"),
    [
        (judging.ReviewUnderstandingItem, items.WriteUnderstandingItem),
        (judging.ReviewApplicationItem, items.WriteApplicationItem),
    ],
)
def test_a_judge_sees_the_item_that_the_converter_writes_and_neither_its_account_nor_its_explanation(
    review: type[dspy.Signature], write: type[dspy.Signature]
) -> None:
    left_out = ("misreadings", "explanation")
    written = {name: field.annotation for name, field in write.output_fields.items() if name not in left_out}
    assert {name: field.annotation for name, field in review.input_fields.items() if name != "rubric"} == written
