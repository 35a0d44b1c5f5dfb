from __future__ import annotations

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.records import Draft, UnderstandingDraft
from programs.verify.posing import find_choice, letter_choices, pose
from signatures.formats import LETTERS

CHOICES = ("A dog was lost", "Because the bus\nhad gone", "“Sit down.”", "Joy & Relief")
TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=4)


def answer_of(letters: list[str]) -> dspy.Prediction:
    names = ["answer"] if len(letters) == 1 else ["answer_q1", "answer_q2"]
    return dspy.Prediction(reasoning="Because.", **dict(zip(names, letters, strict=True)))


def test_every_option_is_posed_once_under_a_letter_and_the_key_is_among_them(draft: Draft) -> None:
    posed = pose(draft, 1)
    shown = "\n".join(posed.inputs.values())
    for choices, key in posed.questions:
        assert key in choices
        assert len(set(choices)) == len(choices)
        assert letter_choices(choices) in shown
    if isinstance(draft, UnderstandingDraft):
        wanted = [{draft.emotion, *draft.wrong_emotions}, {draft.cause, *draft.wrong_causes}]
    else:
        wanted = [{draft.best, *draft.wrong}]
    assert [set(choices) for choices, _ in posed.questions] == wanted
    assert draft.scenario in shown
    assert draft.explanation not in shown


def test_the_order_depends_on_draft_and_seed_alone_and_brings_the_key_to_every_letter(draft: Draft) -> None:
    assert pose(draft, 7, 2) == pose(draft, 7, 2)
    posed = [pose(draft, 7, vote) for vote in range(60)]
    for question, (choices, key) in enumerate(posed[0].questions):
        places = [one.questions[question][0].index(key) for one in posed]
        assert set(places) == set(range(len(choices)))


def test_an_answer_is_right_when_every_letter_stands_for_the_key(draft: Draft) -> None:
    posed = pose(draft, 3)
    keys = [LETTERS[choices.index(key)] for choices, key in posed.questions]
    right = answer_of(keys)
    assert posed.check(right) == ""
    assert posed.is_right(posed.picks(right))
    for number in range(len(keys)):
        wrong = [*keys]
        wrong[number] = "B" if keys[number] == "A" else "A"
        assert posed.check(answer_of(wrong)) == ""
        assert not posed.is_right(posed.picks(answer_of(wrong)))


def test_a_letter_beyond_the_options_is_complained_of_by_field_and_range(draft: Draft) -> None:
    posed = pose(draft, 3)
    letters = ["A"] * (len(posed.questions) - 1) + ["H"]
    field = "answer" if len(letters) == 1 else "answer_q2"
    assert posed.check(answer_of(letters)) == f"unreadable letter: {field} must be one letter from A to D"


@pytest.mark.parametrize(
    "said",
    [
        "B", "b", " B ", "B)", "(B)", "B.", "**B**", '"B"', "[B]", "B) Because the bus had gone", "B: the bus",
        "**B)** Because", "Option B", "The answer is B.", "Answer: B", "because the bus had gone", "B – the bus",
    ],
)  # fmt: skip
def test_a_letter_is_read_in_the_forms_in_which_models_give_it(said: str) -> None:
    assert find_choice(said, CHOICES) == CHOICES[1]


@pytest.mark.parametrize(
    "said", ["", "…", "A person was hurt", "I cannot tell", "A or B", "A/B", "E", "Z)", "All of them", "the second"]
)
def test_an_answer_that_names_no_single_option_is_not_read(said: str) -> None:
    assert find_choice(said, CHOICES) is None


@given(choices=st.lists(TEXT, min_size=2, max_size=10, unique_by=str.casefold), number=st.integers(0, 9))
def test_each_line_of_lettered_choices_is_an_answer_that_is_read(choices: list[str], number: int) -> None:
    line = letter_choices(tuple(choices)).splitlines()[number % len(choices)]
    assert find_choice(line, tuple(choices)) == choices[number % len(choices)]
