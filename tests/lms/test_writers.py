from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from corpus.records import Moment, Person, Pronouns
from corpus.taxonomy import find_emotion_words, load_taxonomy, split_label
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt
from lms.scripted.writers import write_application, write_understanding

IDS, FLAWLESS = 8, Mistakes({})


def prompt_for(moment: Moment) -> Prompt:
    return Prompt({"moment": moment.brief()}, (), as_json=False, seed=0)


def understanding_moments() -> list[Moment]:
    return [
        Moment(
            id=f"s{number}-00000-m0", task="EU", category="any", sub_category=name, aim=aim, appraisal="because",
            subject=Person(name="Mira", pronouns=pronouns[number % 3]), other=Person(name="Bo", pronouns="they"),
        )
        for number in range(IDS) for name, sub in load_taxonomy().sub_categories.items() for aim in sub.aims
    ]  # fmt: skip


def application_moments() -> list[Moment]:
    return [
        Moment(
            id=f"s{number}-00000-m0", task="EA", category=name, question_type=question_type, aim=need, appraisal="so",
            subject=Person(name="Mira", pronouns=pronouns[number % 3]), other=Person(name="Bo", pronouns="he"),
        )
        for number in range(IDS) for name, entry in load_taxonomy().ea.categories.items()
        for question_type, needs in entry.calls_for.items() for need in needs
    ]  # fmt: skip


pronouns: tuple[Pronouns, ...] = ("she", "he", "they")


@pytest.fixture(scope="module")
def understanding() -> list[tuple[Moment, dict[str, Any]]]:
    return [(moment, write_understanding(prompt_for(moment), FLAWLESS)) for moment in understanding_moments()]


@pytest.fixture(scope="module")
def application() -> list[tuple[Moment, dict[str, Any]]]:
    return [(moment, write_application(prompt_for(moment), FLAWLESS)) for moment in application_moments()]


def test_a_scenario_or_cause_names_no_emotion(understanding: list[tuple[Moment, dict[str, Any]]]) -> None:
    for _, item in understanding:
        for text in (item["scenario"], item["cause"], *item["wrong_causes"]):
            assert find_emotion_words(text) == [], text


def test_the_planned_emotion_is_the_key_and_no_distractor_is_near_it(
    understanding: list[tuple[Moment, dict[str, Any]]],
) -> None:
    known = load_taxonomy().emotions
    for moment, item in understanding:
        assert item["emotion"] == moment.aim
        assert len({moment.aim, *item["wrong_emotions"]}) == 6
        assert {name for label in item["wrong_emotions"] for name in split_label(label)} <= set(known)
        for label in item["wrong_emotions"][3:]:  # the drawn ones; the others belong to the frame's other turns
            for name in split_label(label):
                assert name not in split_label(moment.aim)
                assert not any(name in known[key].near for key in split_label(moment.aim))


def test_causes_and_options_are_all_different_and_each_wrong_one_has_its_misreading(
    understanding: list[tuple[Moment, dict[str, Any]]], application: list[tuple[Moment, dict[str, Any]]]
) -> None:
    for _, item in understanding:
        assert len({item["cause"], *item["wrong_causes"]}) == 4
        assert len(set(item["misreadings"])) == 3
    for _, item in application:
        assert len({item["best"], *item["wrong"]}) == 4
        assert len(set(item["misreadings"])) == 3


def test_scenarios_are_as_long_as_a_recipe_wants_them(
    understanding: list[tuple[Moment, dict[str, Any]]], application: list[tuple[Moment, dict[str, Any]]]
) -> None:
    assert all(25 <= len(item["scenario"].split()) <= 120 for _, item in understanding)
    assert all(12 <= len(item["scenario"].split()) <= 70 for _, item in application)


def test_an_explanation_cites_its_own_scenario_and_answers(
    understanding: list[tuple[Moment, dict[str, Any]]], application: list[tuple[Moment, dict[str, Any]]]
) -> None:
    for _, item in understanding:
        quote = item["explanation"].partition("“")[2].partition("”")[0]
        assert quote
        assert quote in item["scenario"]
        assert all(part in item["explanation"] for part in (item["emotion"], item["cause"], item["wrong_causes"][-1]))
    for _, item in application:
        assert item["best"] in item["explanation"]
        assert item["wrong"][-1] in item["explanation"]


def test_no_option_is_right_much_more_often_than_it_is_wrong(
    application: list[tuple[Moment, dict[str, Any]]],
) -> None:
    """A reader of the choices alone cannot win by remembering which option is usually right."""
    shown, right = Counter[str](), Counter[str]()
    for _, item in application:
        shown.update([item["best"], *item["wrong"]])
        right.update([item["best"]])
    often = [text for text, count in shown.items() if count >= 8]
    assert len(often) > 50
    assert sum(right[text] for text in often) / sum(shown[text] for text in often) < 0.35


def test_the_same_moment_gives_the_same_item_and_other_moments_give_others(
    understanding: list[tuple[Moment, dict[str, Any]]],
) -> None:
    moment, item = understanding[0]
    assert write_understanding(prompt_for(moment), FLAWLESS) == item
    alike = [item["scenario"] for _, item in sorted(understanding, key=lambda pair: pair[0].aim)]
    assert sum(a == b for a, b in pairwise(alike)) < 0.01 * len(alike)
