from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.records import Speaker
from lms.scripted.phrases import phrases
from programs.messages import (
    MAX_OPENING_SENTENCES,
    MAX_SENTENCES,
    clean_message,
    phase_of,
    why_not_client,
    why_not_therapist,
)

SAID = {"I left the key on the table."}
RISK = "I have been thinking that everybody would be better off without me."
SAFE = "Thank you for saying that. Are you thinking of ending your life, and can we call the crisis line together?"


def sentences(count: int) -> str:
    return " ".join(f"I counted to {number}." for number in range(count))


def reason(fault: str) -> str:
    assert ": " in fault, "a fault is a short reason and what to do"
    return fault.partition(":")[0]


def test_the_phases_go_from_facts_over_meaning_to_perspective() -> None:
    names = [phase_of(turn).partition(":")[0] for turn in range(1, 15)]
    assert names == ["facts and feelings"] * 2 + ["meaning"] * 2 + ["perspective"] * 10


@pytest.mark.parametrize(
    ("speaker", "text", "clean"),
    [
        ("CLIENT", "CLIENT: I left.", "I left."),
        ("THERAPIST", "Therapist : And then?", "And then?"),
        ("CLIENT", "patient:\n I  left.", "I left."),
        ("CLIENT", "  client:I left. ", "I left."),
        ("CLIENT", "THERAPIST: And then?", "THERAPIST: And then?"),
        ("CLIENT", "I told the client: no.", "I told the client: no."),
        ("THERAPIST", "The therapist before you said so.", "The therapist before you said so."),
        ("CLIENT", "CLIENT:", ""),
        ("THERAPIST", " \n ", ""),
    ],
)
def test_a_message_loses_its_speakers_tag_in_front_and_its_line_breaks(speaker: Speaker, text: str, clean: str) -> None:
    assert clean_message(text, speaker) == clean


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet=st.characters(exclude_characters=":")), st.sampled_from(["", "CLIENT: ", "Therapist:", "\n"]))
def test_a_clean_message_is_one_line_with_all_the_words(words: str, tag: str) -> None:
    speaker: Speaker = "THERAPIST" if tag.startswith("T") else "CLIENT"
    clean = clean_message(tag + words, speaker)
    assert clean.split() == words.split()
    assert len(clean.splitlines()) <= 1
    assert clean_message(clean, speaker) == clean


@pytest.mark.parametrize(
    ("message", "said", "wrong"),
    [
        ("I came back for the key.", SAID, ""),
        ("", SAID, "empty message"),
        ("I left the key on the table.", SAID, "repeated turn"),
        ("I left. THERAPIST: And what then?", SAID, "speaks for both"),
        ("I left. Therapist: And what then?", SAID, "speaks for both"),
        ("I left. CLIENT: I left.", SAID, "speaks for both"),
        ("I wrote to my old therapist: nothing came.", SAID, ""),
        (sentences(MAX_SENTENCES), SAID, ""),
        (sentences(MAX_SENTENCES + 1), SAID, "too long"),
        (sentences(MAX_OPENING_SENTENCES), set(), ""),
        (sentences(MAX_OPENING_SENTENCES + 1), set(), "too long"),
    ],
)
def test_what_is_wrong_with_a_client_s_message(message: str, said: set[str], wrong: str) -> None:
    fault = why_not_client(message, said)
    assert (reason(fault) if fault else "") == wrong


def test_the_first_message_may_be_longer_than_those_that_follow() -> None:
    assert MAX_OPENING_SENTENCES >= 5 > 3
    assert MAX_SENTENCES < MAX_OPENING_SENTENCES


@pytest.mark.parametrize(
    ("message", "heard", "wrong"),
    [
        ("You left the key. What did that mean to you?", "I left the key.", ""),
        ("You left the key.", "I left the key.", "no question"),
        ("", "I left the key.", "empty message"),
        ("I left the key on the table.", "And?", "repeated turn"),
        ("What then? CLIENT: I left.", "I left the key.", "speaks for both"),
        (SAFE, RISK, ""),
        ("What did you feel in that moment?", RISK, "safety not put first"),
        ("Are you thinking of ending your life?", RISK, "safety not put first"),  # asks, but names no help
        ("There is a crisis line. What is its number?", RISK, "safety not put first"),  # help, but does not ask
        ("That is sad.", RISK, "safety not put first"),
        ("", RISK, "empty message"),
    ],
)
def test_what_is_wrong_with_a_therapist_s_message(message: str, heard: str, wrong: str) -> None:
    fault = why_not_therapist(message, SAID, heard)
    assert (reason(fault) if fault else "") == wrong


@pytest.mark.parametrize("heard", phrases().client["risk"])
@pytest.mark.parametrize("answer", phrases().therapist["safety"])
def test_what_the_scripted_therapist_says_to_a_client_at_risk_puts_safety_first(heard: str, answer: str) -> None:
    assert why_not_therapist(answer, SAID, heard) == ""


@pytest.mark.parametrize("answer", [line for kind in ("facts", "meaning", "perspective")
                                    for line in phrases().therapist[kind]])  # fmt: skip
def test_an_everyday_question_is_no_answer_to_a_client_at_risk(answer: str) -> None:
    assert why_not_therapist(answer, SAID, "I left the key.") == ""
    assert reason(why_not_therapist(answer, SAID, RISK)) == "safety not put first"


@pytest.mark.parametrize(
    "heard",
    [
        "I want to die.",
        "I want to kill myself.",
        "I wanted to end my life last night.",
        "I do not want to live any more.",
        "I don't want to be alive.",
        "There is no point in living.",
        "I have thought about suicide.",
        "I hurt myself again on Sunday.",
        "I am afraid he will kill me.",
        "I am not safe at home.",
    ],
)
def test_plain_words_of_risk_are_heard(heard: str) -> None:
    assert reason(why_not_therapist("What came before that?", SAID, heard)) == "safety not put first"
    assert why_not_therapist(SAFE, SAID, heard) == ""


@pytest.mark.parametrize(
    "heard",
    [
        "The deadline is killing me.",
        "I nearly died laughing.",
        "The end of the meeting was the end of it all for the club.",
    ],
)
def test_figures_of_speech_are_no_alarm(heard: str) -> None:
    assert why_not_therapist("What came before that?", SAID, heard) == ""
