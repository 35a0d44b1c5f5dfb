from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpus.assemble import assemble_items
from corpus.checks import find_fault, find_faults
from corpus.checks.items import longest_key_share
from corpus.config import CurateConfig
from corpus.taxonomy import find_emotion_words

CONFIG = CurateConfig()


def test_sound_drafts_pass(make_eu: Any, make_ea: Any) -> None:
    assert [find_faults(make(f"s1-{n:05d}-m0"), CONFIG) for make in (make_eu, make_ea) for n in range(20)] == [[]] * 40


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": " "}, "empty field"),
        ({"explanation": ""}, "empty field"),
        ({"wrong_causes": ("It snowed.", "", "It hailed.")}, "empty field"),
        ({"wrong_emotions": ("Joy", "Anger")}, "number of choices"),
        ({"wrong_causes": ("It snowed.", "It hailed.")}, "number of choices"),
        ({"finegrained_category": "visual_cues"}, "category not in the taxonomy"),
        ({"coarse_category": "feelings"}, "category not in the taxonomy"),
        ({"emotion": "Hangry"}, "emotion not in the taxonomy"),
        ({"wrong_emotions": ("Joy & Hangry", "Anger", "Fear", "Pride", "Love")}, "emotion not in the taxonomy"),
        ({"wrong_emotions": ("Joy", "Relief & Guilt", "Fear", "Pride", "Love")}, "label among the wrong choices"),
        ({"wrong_emotions": ("Joy", "Guilt & Relief", "Fear", "Pride", "Love")}, "label among the wrong choices"),
        ({"cause": "It rained.", "wrong_causes": ("It was Monday.", "It rained.", "Tea.")},
         "label among the wrong choices"),
        ({"scenario": "Amina felt guilty. " + "word " * 30}, "scenario names an emotion"),
        ({"subject": "Otieno"}, "subject not in the scenario"),
        ({"subject": "Ami"}, "subject not in the scenario"),
        ({"wrong_emotions": ("Joy", "Joy", "Anger", "Pride", "Love")}, "choices alike"),
        ({"wrong_emotions": ("Joy & Guilt", "Guilt & Joy", "Anger", "Pride", "Love")}, "choices alike"),
        ({"cause": "the train left early", "wrong_causes": ("early left the train", "x", "y")}, "choices alike"),
        ({"wrong_causes": ("the train left early", "the train left early.", "y")}, "choices alike"),
        ({"emotion": "Joy", "wrong_emotions": ("Fear", "Delight", "Anger", "Pride", "Love")},
         "near-synonym of the key"),
        ({"emotion": "Joy & Relief", "wrong_emotions": ("Fear", "Relief & Delight", "Anger", "Pride", "Love")},
         "near-synonym of the key"),
        ({"cause": "word " * 16}, "key much longer"),
    ],
)  # fmt: skip
def test_faults_of_understanding_drafts_are_found(make_eu: Any, changes: dict[str, Any], reason: str) -> None:
    assert find_fault(make_eu(**changes), CONFIG) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wrong": ("Wait.", "Shout.")}, "number of choices"),
        ({"category": "Social"}, "category not in the taxonomy"),
        ({"best": "Call her.", "wrong": ("Wait.", "Call her.", "Shout.")}, "label among the wrong choices"),
        ({"best": "Call her now.", "wrong": ("Now call her.", "Wait.", "Shout.")}, "choices alike"),
        ({"wrong": ("Sit down with him", "Sit down with him!", "Shout.")}, "choices alike"),
        ({"subject": "Otieno"}, "subject not in the scenario"),
        ({"best": "word " * 16}, "key much longer"),
        ({"best": "“Come in.”", "wrong": ('"Go away."', "“Sit down, both of you.”", "“No.”")},
         "choices do not fit the question"),
        ({"question_type": "Response", "best": "Amina goes home.",
          "wrong": ("Amina waits outside.", "Amina shuts the door.", "Amina looks on.")},
         "choices do not fit the question"),
    ],
)  # fmt: skip
def test_faults_of_application_drafts_are_found(make_ea: Any, changes: dict[str, Any], reason: str) -> None:
    assert find_fault(make_ea(**changes), CONFIG) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"wrong_emotions": ("Delight & Fear", "Relief", "Anger", "Pride", "Love"), "emotion": "Joy & Anger"},
        {"cause": "He had at last been asked in", "wrong_causes": ("Tea was out", "It rained all day", "Otieno left")},
        {"scenario": "Joy had Amina wait. " + "word " * 30, "people": ({"name": "Joy", "pronouns": "she"},)},
    ],
)
def test_half_a_near_synonym_a_few_words_more_and_a_name_are_no_faults(make_eu: Any, changes: dict[str, Any]) -> None:
    assert find_faults(make_eu(**changes), CONFIG) == []


@pytest.mark.parametrize(
    ("question_type", "options"),
    [
        ("Response", ("I am sorry.", "They will come round.", "Let it be.", "What now?")),
        ("Response", ("Amina says that she is sorry.", "Amina waits.", "Amina laughs.", "Amina leaves.")),
        ("Action", ('Say: "I am here."', "“Well done.”", "“Never mind.”", "“Sit down, please.”")),
    ],
)
def test_options_are_left_alone_unless_all_are_of_the_other_kind(
    make_ea: Any, question_type: str, options: tuple[str, ...]
) -> None:
    best, *wrong = options
    assert find_faults(make_ea(question_type=question_type, best=best, wrong=tuple(wrong)), CONFIG) == []


@pytest.mark.parametrize(("words", "reason"), [(12, ""), (13, "key much longer")])
def test_a_key_may_have_one_and_a_half_times_the_median_words(
    make_ea: Any, prose: Any, words: int, reason: str
) -> None:
    wrong = tuple(prose(f"option {n}", 8) for n in range(3))
    assert find_fault(make_ea(best=prose("key", words), wrong=wrong), CONFIG) == reason


def test_how_often_the_key_is_longest_is_counted_and_ties_count_in_part(make_eu: Any, make_ea: Any, prose: Any) -> None:
    longest = make_eu("s1-00001-m0", cause=prose("long", 9))
    shortest = make_ea("s1-00002-m0", best=prose("short", 7))
    tied = make_ea("s1-00003-m0")  # eight words like the three others
    drafts = [longest, shortest, tied]
    assert longest_key_share(drafts) == longest_key_share(assemble_items(drafts, 0)) == pytest.approx(1.25 / 3)


def test_emobench_itself_names_an_emotion_in_some_scenarios_and_not_in_most(emobench_dir: Path) -> None:
    rows = [json.loads(line) for line in (emobench_dir / "EU.jsonl").read_text(encoding="utf-8").splitlines()]
    scenarios = [row["scenario"] for row in rows if row["language"] == "en"]
    assert sum(bool(find_emotion_words(scenario)) for scenario in scenarios) < 0.3 * len(scenarios)


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
        assert find_fault(make(scenario=f"Amina {text}"), config) == reason


def test_each_task_has_bounds_of_its_own(make_eu: Any, make_ea: Any, prose: Any) -> None:
    text = prose("short", 14)
    changes = {"scenario": f"Amina {text}"}
    assert find_fault(make_eu(**changes), CONFIG) == "scenario length"
    assert find_fault(make_ea(**changes), CONFIG) == ""


def test_a_subject_may_be_followed_by_punctuation(make_eu: Any, prose: Any) -> None:
    text = prose("apostrophe", 40)
    assert find_fault(make_eu(scenario=f"Amina's {text}"), CONFIG) == ""


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
        assert find_fault(make(subject=subject, scenario=f"{told} {text}."), CONFIG) == reason
