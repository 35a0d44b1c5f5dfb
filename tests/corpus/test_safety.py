from __future__ import annotations

from typing import get_args

import pytest

from corpus.records import Care
from corpus.safety import PLANNING, puts_safety_first, voices_risk
from lms.scripted.frames import load_frames
from lms.scripted.phrases import phrases

AT_RISK = """
    I want to kill myself.
    I just want to die.
    I want to die, and I have told nobody.
    I do not want to live any more.
    I don't want to live anymore.
    I don’t want to live like this.
    I do not want to be alive.
    I don't want to be here anymore.
    I don't want to wake up tomorrow.
    I do not want to wake up in the morning.
    I do not want to live with this any more.
    I wish I were dead.
    I wish I was dead, that is all.
    I keep wishing I were dead.
    I would rather be dead than go back.
    I would be better off dead.
    Everyone would be better off without me.
    I have been thinking about suicide.
    At night I feel suicidal.
    I am thinking of taking my own life.
    I could take my own life and nobody would notice.
    I want to end my life.
    Last night I thought about ending it all.
    There is no point in living.
    I see no reason to stay alive.
    I can't go on living like this.
    I have started cutting myself again.
    I hurt myself again last night, on purpose.
    I am afraid that I will hurt myself tonight.
    He will kill me if I leave.
    He said he would kill me.
    I am afraid he will hurt me.
    I am not safe at home.
    He is going to beat me when he reads this.
"""
IN_A_MANNER_OF_SPEAKING = """
    This bill will kill me.
    I could not stop laughing, I nearly died.
    My feet are killing me.
    The suspense is killing me.
    I was dying to tell her.
    I would die for that cake.
    I died of embarrassment.
    The deadline almost killed us.
    I killed the engine and sat there.
    I was scared to death of the dog.
    My phone died on the train.
    The project was dead on arrival.
    It would be career suicide to say no.
    I wanted the ground to swallow me.
    I wanted to disappear under the table.
    I cut myself short.
    I cut myself shaving.
    I hurt myself lifting the box.
    That remark hurt me.
    She might beat me at chess again.
    He will beat me to the promotion.
    I want to take my life into my own hands.
    I want to end my working life in Lisbon.
    I ended it with him in March.
    I do not want to live in that flat any more.
    I did not want to live with my parents again.
    I no longer want to live with him.
    I did not want to wake up the baby.
    There was no point in staying at the party.
    I see no reason to live in the city.
    The money is not safe at home.
    I am tired and I want to go home.
    I was glad to be alive and to be there.
"""
SAFETY_FIRST = """
    Are you thinking about suicide? I will call the crisis line with you.
    Are you safe right now, and is there someone who can stay with you until we reach the emergency service?
    Are you thinking of killing yourself? You should not be alone tonight.
    Do you want to kill yourself? If so, we call an ambulance now.
    Have you thought of taking your own life? Let us ring the crisis line together.
    Have you thought about ending your life? We can go to the emergency room together.
    Are you having thoughts of suicide? I would like us to call the crisis line.
    Do you have thoughts of hurting yourself? Let us make a safety plan, and here is the number of a helpline.
    Do you feel safe tonight? I will not leave you alone with this; we can call the hotline.
    Are you safe at home tonight? There is a shelter, and I can call the police with you.
"""
NOT_SAFETY_FIRST = """
    What did you feel just then?
    You said that you wish you were dead. What does that stand for?
    Please call a crisis line.
    Are you safe at home?
    Are you thinking of suicide? Tell me more about your mother.
    I am sorry that it is so hard. You are not alone.
    That sounds like an emergency. What would your sister say?
    The police came, and what did you see?
    It is not that bad; many feel like this.
    I hear you. Call a helpline if you like. What else happened at work?
    Was it safe to say that at the table? What would you tell a friend?
"""


def lines(block: str) -> list[str]:
    return [line.strip() for line in block.strip().splitlines()]


@pytest.mark.parametrize("message", lines(AT_RISK))
def test_a_message_that_says_that_life_or_safety_is_at_risk_is_heard(message: str) -> None:
    assert voices_risk(message)
    assert voices_risk(f"It was a long week. {message} Nobody knows.")


@pytest.mark.parametrize("message", lines(IN_A_MANNER_OF_SPEAKING))
def test_a_figure_of_speech_or_an_everyday_matter_is_no_risk(message: str) -> None:
    assert not voices_risk(message)


@pytest.mark.parametrize("message", ["I WANT TO KILL MYSELF", "i wish i were dead", "Suicidal, that is the word."])
def test_risk_is_heard_in_any_case(message: str) -> None:
    assert voices_risk(message)


@pytest.mark.parametrize("answer", lines(SAFETY_FIRST))
def test_an_answer_that_asks_directly_and_names_help_puts_safety_first(answer: str) -> None:
    assert puts_safety_first(answer)


@pytest.mark.parametrize("answer", lines(NOT_SAFETY_FIRST))
def test_an_answer_that_lacks_the_question_or_the_help_does_not(answer: str) -> None:
    assert not puts_safety_first(answer)


@pytest.mark.parametrize("line", phrases().therapist["safety"])
def test_the_scripted_therapist_puts_safety_first(line: str) -> None:
    assert puts_safety_first(line)


@pytest.mark.parametrize("line", phrases().client["risk"])
def test_the_scripted_client_voices_risk_where_it_is_planned(line: str) -> None:
    assert voices_risk(line)


def test_no_other_line_of_the_scripted_client_voices_risk() -> None:
    said = [line for kind, group in phrases().client.items() if kind != "risk" for line in group]
    said += [line for group in phrases().stages.values() for line in group]
    assert len(said) > 50
    assert [line for line in said if voices_risk(line)] == []


def test_no_other_line_of_the_scripted_therapist_is_a_safety_answer() -> None:
    said = [line for kind, group in phrases().therapist.items() if kind != "safety" for line in group]
    assert len(said) > 40
    assert [line for line in said if puts_safety_first(line)] == []


def test_no_event_that_the_scripted_client_tells_voices_risk() -> None:
    frames = [frame for file in load_frames() for frame in file.frames]
    told = [
        text for frame in frames for part in (frame.setup, *(turn.happens for turn in frame.turns)) for text in part
    ]
    assert len(told) > 1000
    assert [text for text in told if voices_risk(text)] == []


def test_every_kind_of_care_says_what_the_writers_must_leave_out() -> None:
    assert PLANNING.keys() == set(get_args(Care)) - {""}
    assert "Name no method" in PLANNING["self-harm"]
    assert "no violence" in PLANNING["abuse"]
    assert "not at fault" in PLANNING["abuse"]
