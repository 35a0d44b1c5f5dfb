from __future__ import annotations

import dspy
import pytest

from lms.scripted.mistakes import MISTAKES
from signatures import items, judging

REVIEWS = [judging.ReviewUnderstandingItem, judging.ReviewApplicationItem, judging.ReviewMessage]


def test_every_mistake_that_shows_in_a_text_has_its_name_in_one_rubric() -> None:
    rubrics = [judging.ITEM_FAULTS, judging.CLIENT_FAULTS, judging.THERAPIST_FAULTS]
    named = [name for rubric in rubrics for name in rubric]
    assert sorted(named) == sorted(set(MISTAKES) - {"breaks_format"})


@pytest.mark.parametrize("review", REVIEWS, ids=lambda review: review.__name__)
def test_a_judge_gives_remarks_before_the_faults(review: type[dspy.Signature]) -> None:
    assert list(review.output_fields) == ["remarks", "faults"]
    assert review.output_fields["faults"].annotation == list[str]
    assert "rubric" in review.input_fields


@pytest.mark.parametrize(
    ("review", "write"),
    [
        (judging.ReviewUnderstandingItem, items.WriteUnderstandingItem),
        (judging.ReviewApplicationItem, items.WriteApplicationItem),
    ],
)
def test_a_judge_sees_what_the_converter_writes_but_not_its_own_account_of_the_wrong_answers(
    review: type[dspy.Signature], write: type[dspy.Signature]
) -> None:
    written = {name: field.annotation for name, field in write.output_fields.items() if name != "misreadings"}
    assert {name: field.annotation for name, field in review.input_fields.items() if name != "rubric"} == written
