from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Moment
from lms.scripted.events import Event
from lms.scripted.frames import FORMS, UnderstandingTurn, load_frames
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt, read_moments
from lms.scripted.recognise import Found, emotion_of, recognise_answer, recognise_scenario
from lms.scripted.writers import write_application, write_understanding

SEEN = 0.99  # of what the teacher writes is recognised for what it is

FOREIGN = [
    "Jonas had waited three years for the transplant list to move. When the surgeon rang at dawn he let the kettle "
    "boil dry, sat down on the kitchen floor, and could not say one word to his wife.",
    "The referee whistled, the stadium roared, and Keiko, who had trained since she was six, walked past the cameras "
    "without a glance and threw her medal into the nearest bin.",
    "Photosynthesis turns carbon dioxide and water into sugar and oxygen in the presence of light.",
    "",
]
FOREIGN_ANSWERS = [
    "The surgeon's call means that the operation he no longer dared to hope for will take place",
    "She thinks that second place is worth nothing",
    "Offer to drive him to the hospital and stay until the evening",
    "Joy",
    "",
]


def written() -> Iterator[tuple[Found, Moment, dict[str, Any]]]:
    for plan in make_plans(PlanConfig(sessions=40), seed=8):
        for moment in plan.moments:
            event = Event.of(read_moments(moment.brief())[0])
            asked = Prompt({"moment": moment.brief()}, (), "chat", 1)
            write = write_understanding if moment.task == "EU" else write_application
            yield Found(event.frame.id, event.number), moment, write(asked, Mistakes({}))


@pytest.fixture(scope="module")
def items() -> list[tuple[Found, Moment, dict[str, Any]]]:
    return list(written())


def test_a_scenario_is_traced_to_the_turn_that_it_tells_in_every_narration(
    items: list[tuple[Found, Moment, dict[str, Any]]],
) -> None:
    assert {moment.narration for _, moment, _ in items} == {"first person", "second person", "third person"}
    for narration in ("first person", "second person", "third person"):
        right = [
            recognise_scenario(item["scenario"]) == f for f, moment, item in items if moment.narration == narration
        ]
        assert sum(right) >= SEEN * len(right)


def test_the_right_answer_is_traced_to_the_same_turn_and_wrong_ones_to_the_others_of_its_frame(
    items: list[tuple[Found, Moment, dict[str, Any]]],
) -> None:
    right, wrong = [], []
    for found, _, item in items:
        right.append(recognise_answer(item.get("cause") or item["best"]) == found)
        seen = {recognise_answer(text) for text in item.get("wrong_causes") or item["wrong"]}
        wrong.append(seen == {Found(found.frame, number) for number in range(4)} - {found})
    assert sum(right) >= SEEN * len(right)
    assert sum(wrong) >= SEEN * len(wrong)


def test_the_emotion_of_a_turn_is_the_planned_one_and_an_application_turn_has_none(
    items: list[tuple[Found, Moment, dict[str, Any]]],
) -> None:
    for found, moment, _ in items:
        assert emotion_of(found) == (moment.aim if moment.task == "EU" else "")


def test_a_scenario_is_found_within_a_longer_text(items: list[tuple[Found, Moment, dict[str, Any]]]) -> None:
    for found, _, item in items[:40]:
        assert recognise_scenario(f"It was a Monday in spring. {item['scenario']} Nobody came back to it.") == found


def test_the_wordings_of_a_frame_are_traced_to_their_own_turns() -> None:
    seen = []
    for place, frame in enumerate(frame for file in load_frames() for frame in file.frames):
        form, number = place % FORMS, place % 4
        turn = frame.turns[number]
        answers = turn.cause if isinstance(turn, UnderstandingTurn) else turn.option
        found = Found(frame.id, number)
        seen += [recognise_scenario(turn.happens[form]) == found, recognise_answer(answers[form]) == found]
    assert len(seen) > 200
    assert sum(seen) >= SEEN * len(seen)


@pytest.mark.parametrize("text", FOREIGN)
def test_a_scenario_of_another_hand_is_not_recognised(text: str) -> None:
    assert recognise_scenario(text) is None


@pytest.mark.parametrize("text", FOREIGN_ANSWERS)
def test_an_answer_of_another_hand_is_not_recognised(text: str) -> None:
    assert recognise_answer(text) is None
