from __future__ import annotations

from typing import Any

import pytest

from corpus.checks import find_fault
from corpus.config import CurateConfig

CONFIG = CurateConfig()


def test_sound_drafts_pass(make_eu: Any, make_ea: Any) -> None:
    assert [find_fault(make(f"s1-{n:05d}-m0"), CONFIG) for make in (make_eu, make_ea) for n in range(20)] == [""] * 40


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"emotion": "Hangry"}, "emotion not in the taxonomy"),
        ({"wrong_emotions": ("Joy & Hangry", "Anger")}, "emotion not in the taxonomy"),
        ({"wrong_emotions": ("Joy", "Relief & Guilt")}, "label among the wrong choices"),
        ({"wrong_emotions": ("Joy", "Guilt & Relief")}, "label among the wrong choices"),
        ({"cause": "It rained.", "wrong_causes": ("It snowed.", "It rained.")}, "label among the wrong choices"),
        ({"scenario": "Amina felt guilty. " + "word " * 30}, "scenario names an emotion"),
        ({"subject": "Otieno"}, "subject not in the scenario"),
        ({"subject": ""}, "subject not in the scenario"),
        ({"subject": "Ami"}, "subject not in the scenario"),
        ({"wrong_emotions": ("Joy", "Joy", "Anger")}, "choices alike"),
        ({"wrong_emotions": ("Joy & Guilt", "Guilt & Joy", "Anger")}, "choices alike"),
        ({"cause": "the train left early", "wrong_causes": ("early left the train", "x", "y")}, "choices alike"),
        ({"wrong_causes": ("the train left early", "the train left early.", "y")}, "choices alike"),
        ({"explanation": "Nothing here rests upon what anybody was told before."}, "explanation not grounded"),
        ({"explanation": ""}, "explanation not grounded"),
    ],
)
def test_faults_of_understanding_drafts_are_found(make_eu: Any, changes: dict[str, Any], reason: str) -> None:
    assert find_fault(make_eu(**changes), CONFIG) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"best": "Call her.", "wrong": ("Wait.", "Call her.", "Shout.")}, "label among the wrong choices"),
        ({"best": "Call her now.", "wrong": ("Now call her.", "Wait.", "Shout.")}, "choices alike"),
        ({"wrong": ("Sit down with him", "Sit down with him!", "Shout.")}, "choices alike"),
        ({"subject": "Otieno"}, "subject not in the scenario"),
        ({"explanation": "Nothing here rests upon what anybody was told before."}, "explanation not grounded"),
    ],
)
def test_faults_of_application_drafts_are_found(make_ea: Any, changes: dict[str, Any], reason: str) -> None:
    assert find_fault(make_ea(**changes), CONFIG) == reason


def test_application_scenarios_may_name_an_emotion(make_ea: Any) -> None:
    draft = make_ea()
    assert find_fault(draft.model_copy(update={"scenario": draft.scenario + " and was angry"}), CONFIG) == ""


@pytest.mark.parametrize(("words", "reason"), [(9, "scenario length"), (10, ""), (14, ""), (15, "scenario length")])
def test_the_word_bounds_of_the_recipe_count_inclusively(
    make_eu: Any, make_ea: Any, prose: Any, words: int, reason: str
) -> None:
    config = CurateConfig(eu_words=(10, 14), ea_words=(10, 14))
    text = prose("bounds", words - 1)
    for make in (make_eu, make_ea):
        assert find_fault(make(scenario=f"Amina {text}", explanation=text), config) == reason


def test_each_task_has_bounds_of_its_own(make_eu: Any, make_ea: Any, prose: Any) -> None:
    text = prose("short", 14)
    changes = {"scenario": f"Amina {text}", "explanation": text}
    assert find_fault(make_eu(**changes), CONFIG) == "scenario length"
    assert find_fault(make_ea(**changes), CONFIG) == ""


def test_a_subject_may_be_followed_by_punctuation(make_eu: Any, prose: Any) -> None:
    text = prose("apostrophe", 40)
    assert find_fault(make_eu(scenario=f"Amina's {text}", explanation=text), CONFIG) == ""


@pytest.mark.parametrize(
    ("subject", "told", "reason"),
    [
        ("I", "Then I came home", ""),
        ("I", "Then Otieno waved at me", ""),
        ("I", "Then Otieno took my bag", ""),
        ("I", "My bag was gone", ""),
        ("I", "I'm at home", ""),
        ("I", "Then Ivan took his bag to Imre", "subject not in the scenario"),
        ("I", "Then Otieno took it, mystery that he is", "subject not in the scenario"),
        ("You", "You come home", ""),
        ("You", "Otieno waves at you", ""),
        ("You", "Your bag is gone", ""),
        ("You", "Otieno takes your bag", ""),
        ("You", "The youngest takes it in her youth", "subject not in the scenario"),
        ("You", "Then I came home", "subject not in the scenario"),
        ("Amina", "Then I came home", "subject not in the scenario"),
    ],
)
def test_a_narrator_and_a_reader_addressed_occur_by_their_pronouns(
    make_eu: Any, make_ea: Any, prose: Any, subject: str, told: str, reason: str
) -> None:
    text = prose("narrated", 40)
    for make in (make_eu, make_ea):
        assert find_fault(make(subject=subject, scenario=f"{told} {text}.", explanation=text), CONFIG) == reason
