from __future__ import annotations

import re

import pytest

from corpus.records import Person, Plan
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt
from lms.scripted.speakers import respond_as_therapist, speak_as_client, supervise, write_background

FLAWLESS = Mistakes({})


def prompt(seed: int = 0, **inputs: str) -> Prompt:
    return Prompt(inputs, (), as_json=False, seed=seed)


def client_says(plan: Plan, client: Person, number: int) -> str:
    moment = plan.moments[number]
    inputs = {
        "client": f"{client.name} ({client.pronouns})",
        "moment": moment.brief(),
        "recent_turns": "THERAPIST: So?",
    }
    return str(speak_as_client(prompt(number, **inputs), FLAWLESS)["message"])


def test_a_background_holds_client_people_and_theme_within_the_word_limit(plans: list[Plan]) -> None:
    for plan in plans:
        written = write_background(
            prompt(
                plan.seed,
                persona=plan.persona.persona,
                client=f"{plan.client.name} ({plan.client.pronouns})",
                theme=plan.theme.description,
                moments="\n\n".join(moment.brief() for moment in plan.moments),
            ),
            FLAWLESS,
        )["background"]
        assert 120 <= len(written.split()) <= 600
        assert plan.theme.description in written
        assert plan.client.name in written
        assert "{" not in written
        told = [moment.other.name in written for moment in plan.moments]
        assert sum(told) >= len(told) - 1  # a setup may leave the other person to what happens next


def test_a_client_tells_their_own_story_as_i_and_that_of_others_by_name(plans: list[Plan]) -> None:
    for plan in plans:
        for number, moment in enumerate(plan.moments):
            message = client_says(plan, plan.client, number)
            own = moment.subject == plan.client
            assert bool(re.search(rf"\b{moment.subject.name}\b", message)) is not own, message
            assert re.search(rf"\b{moment.other.name}\b", message), message


def test_a_client_with_nothing_left_to_tell_brings_up_no_one() -> None:
    message = speak_as_client(prompt(client="Mira (she)", moment="none", recent_turns="THERAPIST: So?"), FLAWLESS)
    assert "Mira" not in message["message"]
    assert len(message["message"].split()) > 5


@pytest.mark.parametrize("phase", ["facts and feelings: find out", "meaning: explore", "perspective: look at it"])
def test_the_therapist_quotes_the_client_and_asks_a_question_not_asked_before(phase: str) -> None:
    said = "I put the letter back into the drawer and locked it."
    questions: list[str] = []
    for seed in range(5):
        turns = "\n".join([*(f"THERAPIST: {question}" for question in questions), f"CLIENT: {said}"])
        message = respond_as_therapist(prompt(seed, phase=phase, recent_turns=turns), FLAWLESS)["message"]
        assert said in message
        assert message.endswith("?")
        question = re.split(r"(?<=[.”]) ", message)[-1]
        assert question not in questions
        questions.append(question)


def test_the_supervisor_is_content_when_every_planned_moment_has_been_told(plans: list[Plan]) -> None:
    for plan in plans:
        planned = "\n".join(f"a kind: about {m.subject.name}, with {m.other.name}" for m in plan.moments)
        lines = [f"CLIENT: {client_says(plan, plan.client, number)}" for number in range(len(plan.moments))]
        doubt = ["CLIENT: But I also know that there is another side."]
        assert all(supervise(prompt(planned=planned, transcript="\n".join(lines + doubt)), FLAWLESS).values())
        early = supervise(prompt(planned=planned, transcript="\n".join(lines[:-1] + doubt)), FLAWLESS)
        assert early["scenario_clear"]
        assert not early["rich_enough"]


def test_the_supervisor_misses_a_doubt_that_nobody_voiced() -> None:
    planned, said = "a: about Mira, with Bo\nb: about Mira, with Ada", "CLIENT: Bo sang. Ada came."
    seen = supervise(prompt(planned=planned, transcript=said), FLAWLESS)
    assert [name for name, value in seen.items() if not value] == ["dilemma_present"]
