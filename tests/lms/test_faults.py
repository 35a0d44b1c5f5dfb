from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Moment, Plan
from lms.scripted.faults import ABSURD, FOREIGN, GENERIC, LONG_BY, SPOTS, SYNONYMS
from lms.scripted.mistakes import Mistakes
from lms.scripted.names import MISTAKES, Mistake
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt
from lms.scripted.speakers import respond_as_therapist, speak_as_client, write_dialogue
from lms.scripted.writers import write_application, write_understanding
from signatures.judging import CLIENT_FAULTS, EXPLANATION_FAULTS, ITEM_FAULTS, THERAPIST_FAULTS

Written = tuple[dict[str, str], dict[str, Any]]  # what was given, what was written

SESSIONS = 60
SLIPS = 0.01  # of clean answers may show a fault by accident
PHASES = ("facts and feelings: x", "meaning: x", "perspective: x")
OF_ITEMS = [name for name in (*ITEM_FAULTS, *EXPLANATION_FAULTS) if name in MISTAKES]
RUBRICS = (OF_ITEMS, CLIENT_FAULTS, THERAPIST_FAULTS)


@pytest.fixture(scope="module")
def many_plans() -> list[Plan]:
    return list(make_plans(PlanConfig(sessions=SESSIONS), seed=5))


@pytest.fixture(scope="module")
def moments(many_plans: list[Plan]) -> dict[str, list[Moment]]:
    told = [moment for plan in many_plans for moment in plan.moments]
    return {task: [moment for moment in told if moment.task == task] for task in ("EU", "EA")}


def prompt(seed: int, **inputs: str) -> Prompt:
    return Prompt(inputs, (), "chat", seed)


def write_items(moments: list[Moment], *made: Mistake) -> Iterator[Written]:
    mistakes = Mistakes(dict.fromkeys(made, 1.0))
    for number, moment in enumerate(moments):
        asked = prompt(number, moment=moment.brief())
        write = write_understanding if moment.task == "EU" else write_application
        yield asked.inputs, write(asked, mistakes)


def hold_session(plan: Plan, *made: Mistake) -> Iterator[tuple[str, Written]]:
    """Who spoke, and what, message by message; the mistakes are those of the speaker who can make them."""
    mistakes, lines = Mistakes(dict.fromkeys(made, 1.0)), list[str]()
    who = {"client": f"{plan.client.name} ({plan.client.pronouns})", "background": "A life.", "manner": "plain"}
    for number, moment in enumerate([*plan.moments, None]):
        now = {"stage": plan.stage(number + 1, 8), "moment": moment.brief() if moment else "none"}
        recent = {"recent_turns": "\n".join(lines[-4:])} if lines else {}
        asked = prompt(plan.seed + number, **who, **now, **recent)
        said = speak_as_client(asked, mistakes)
        yield "client", (asked.inputs, said)
        lines.append(f"CLIENT: {said['message']}")
        recent = {"recent_turns": "\n".join(lines[-4:])}
        asked = prompt(plan.seed + number, phase=PHASES[number % 3], care="nothing in particular", **recent)
        said = respond_as_therapist(asked, mistakes)
        yield "therapist", (asked.inputs, said)
        lines.append(f"THERAPIST: {said['message']}")


def write_dialogues(plans: list[Plan], *made: Mistake) -> Iterator[Written]:
    for plan in plans:
        asked = prompt(
            plan.seed, client=f"{plan.client.name} ({plan.client.pronouns})", background="A life.", manner="plain",
            arc="\n".join(plan.arc), moments="\n\n".join(moment.brief() for moment in plan.moments[:5]), care="x",
        )  # fmt: skip
        yield asked.inputs, write_dialogue(asked, Mistakes(dict.fromkeys(made, 1.0)))


def share(name: str, written: list[Written]) -> float:
    return sum(SPOTS[name](given, fields) for given, fields in written) / len(written)


def can_be_made(mistake: str, moment: Moment) -> bool:
    if moment.task == "EA":
        return mistake not in ("names_emotion", "near_synonym")
    return mistake != "near_synonym" or any(moment.aim in pair for pair in SYNONYMS)


def test_every_mistake_but_the_broken_format_has_a_spotter_and_a_line_in_one_rubric() -> None:
    assert set(SPOTS) == set(MISTAKES) - {"breaks_format"}
    assert Counter(name for rubric in RUBRICS for name in rubric) == Counter(SPOTS.keys())


@pytest.mark.parametrize("task", ["EU", "EA"])
@pytest.mark.parametrize("mistake", OF_ITEMS)
def test_a_spotter_sees_its_mistake_in_every_item_that_has_it(
    mistake: Mistake, task: str, moments: dict[str, list[Moment]]
) -> None:
    told = [moment for moment in moments[task] if can_be_made(mistake, moment)]
    assert bool(told) == (task == "EU" or mistake not in ("names_emotion", "near_synonym"))
    for given, fields in write_items(told, mistake):
        assert SPOTS[mistake](given, fields), fields


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_spotters_see_almost_nothing_in_items_without_mistakes(task: str, moments: dict[str, list[Moment]]) -> None:
    written = list(write_items(moments[task]))
    assert len(written) >= 200
    shares = {name: share(name, written) for name in SPOTS}
    assert not {name: value for name, value in shares.items() if value > SLIPS}


@pytest.mark.parametrize("task", ["EU", "EA"])
@pytest.mark.parametrize("mistake", OF_ITEMS)
def test_no_spotter_takes_one_mistake_of_an_item_for_another(
    mistake: Mistake, task: str, moments: dict[str, list[Moment]]
) -> None:
    written = list(write_items(moments[task][:100], mistake))
    others = {name: share(name, written) for name in SPOTS if name != mistake}
    assert not {name: value for name, value in others.items() if value > SLIPS}


@pytest.mark.parametrize("mistake", [*CLIENT_FAULTS, *THERAPIST_FAULTS])
def test_a_spotter_sees_its_mistake_in_every_message_and_dialogue_that_has_it(
    mistake: Mistake, many_plans: list[Plan]
) -> None:
    speaker = "client" if mistake in CLIENT_FAULTS else "therapist"
    for plan in many_plans[:20]:
        said = [written for who, written in hold_session(plan, mistake) if who == speaker]
        if mistake == "names_feeling":
            said.pop()  # with nothing left to tell there is nothing to label
        if mistake == "repeats_turn":
            said.pop(0)  # there is nothing to repeat yet
        for given, fields in said:
            assert SPOTS[mistake](given, fields), fields
    for given, fields in write_dialogues(many_plans, mistake):
        assert SPOTS[mistake](given, fields), fields


def test_spotters_see_almost_nothing_in_sessions_without_mistakes(many_plans: list[Plan]) -> None:
    said: dict[str, list[Written]] = {"client": [], "therapist": []}
    for plan in many_plans:
        for who, written in hold_session(plan):
            said[who].append(written)
    assert min(map(len, said.values())) > 400
    for rubric, written in ((CLIENT_FAULTS, said["client"]), (THERAPIST_FAULTS, said["therapist"])):
        assert not {name: value for name in rubric if (value := share(name, written)) > SLIPS}
    dialogues = list(write_dialogues(many_plans))
    assert not {
        name: value for name in (*CLIENT_FAULTS, *THERAPIST_FAULTS) if (value := share(name, dialogues)) > SLIPS
    }


@pytest.mark.parametrize("message", phrases().therapist["safety"])
def test_an_answer_that_puts_safety_first_is_no_fault(message: str) -> None:
    given = {"recent_turns": "CLIENT: I keep thinking of ending it all, and I have told nobody."}
    assert not [name for name in THERAPIST_FAULTS if SPOTS[name](given, {"message": message})]


@pytest.mark.parametrize(
    ("mistake", "fields"),
    [
        ("names_emotion", {"emotion": "Fear", "scenario": "Ana waited by the door. Ana was afraid and full of fear."}),
        ("near_synonym", {"emotion": "Joy", "wrong_emotions": ["Fear", "Delight"]}),
        ("long_key", {"cause": "word " * (4 + LONG_BY), "wrong_causes": ["one two three four"] * 3}),
        ("absurd_distractor", {"best": "Call her.", "wrong": ["Wait.", ABSURD[2], "Write."]}),
        ("generic_explanation", {"explanation": GENERIC[0]}),
        ("contradicts_key", {"best": "Call.", "wrong": ["Go.", "Stay."], "explanation": "Some. The answer: Go."}),
        ("foreign_fact", {"explanation": f"The cue is “x”. {FOREIGN[1]} Answer: y."}),
        ("names_feeling", {"message": "I was so angry that I left."}),
        ("speaks_for_both", {"message": "I left. THERAPIST: And then?"}),
        ("repeats_turn", {"messages": ["I left.", "And then?", "I slept.", "And then?"]}),
        ("closed_question", {"message": "You left early. Did you sleep well?"}),
        ("closed_question", {"messages": ["I left.", "Were you at home then?"]}),
        ("early_advice", {"message": "You should call her. What would you say?"}),
    ],
)
def test_a_mistake_that_others_wrote_is_seen_too(mistake: str, fields: dict[str, Any]) -> None:
    assert SPOTS[mistake]({}, fields)


@pytest.mark.parametrize(
    ("mistake", "fields"),
    [
        ("names_emotion", {"emotion": "Fear", "scenario": "Ana stood by the door and did not move."}),
        ("near_synonym", {"emotion": "Joy", "wrong_emotions": ["Fear", "Anger & Sadness"]}),
        ("near_synonym", {"emotion": "Joy & Relief", "wrong_emotions": ["Fear", "Delight"]}),  # half is wrong enough
        ("long_key", {"cause": "word " * (3 + LONG_BY), "wrong_causes": ["one two three four"] * 3}),
        (
            "contradicts_key",
            {"best": "Call.", "wrong": ["Go.", "Stay."], "explanation": "“Go.” fails. The answer: Call."},
        ),
        ("names_feeling", {"message": "I was on the stairs, and my hands shook."}),
        ("closed_question", {"message": "You asked, “Did you sleep?” What made you ask?"}),
        ("early_advice", {"message": "What would you say to a friend who told you this?"}),
    ],
)
def test_its_neighbour_without_the_mistake_is_left_alone(mistake: str, fields: dict[str, Any]) -> None:
    assert not SPOTS[mistake]({}, fields)


@pytest.mark.parametrize("name", SPOTS)
def test_nothing_is_seen_where_nothing_was_written(name: str) -> None:
    assert not SPOTS[name]({}, {})
