from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache
from itertools import combinations
from typing import Any

import pytest
from rapidfuzz import fuzz

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Moment, Narration, Person
from corpus.taxonomy import find_emotion_words, load_taxonomy, split_label
from lms.scripted.events import Event
from lms.scripted.faults import SPOTS
from lms.scripted.frames import FORMS, UnderstandingTurn
from lms.scripted.mistakes import Mistakes
from lms.scripted.names import Mistake
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt, read_moments
from lms.scripted.writers import write_application, write_understanding

FLAWLESS = Mistakes({})
PLANS = 60
ANSWERS = {"EU": ("cause", "wrong_causes"), "EA": ("best", "wrong")}
ASKED: dict[Narration, str] = {"first person": "I", "second person": "You"}
ITEM_MISTAKES: tuple[Mistake, ...] = (
    "names_emotion", "near_synonym", "twin_distractor", "long_key", "absurd_distractor", "generic_explanation",
    "contradicts_key", "foreign_fact",
)  # fmt: skip

Item = dict[str, Any]


def write(moment: Moment, mistakes: Mistakes = FLAWLESS, seed: int = 0) -> Item:
    writer = write_understanding if moment.task == "EU" else write_application
    return writer(Prompt({"moment": moment.brief()}, (), "chat", seed), mistakes)


@cache
def planned_items() -> list[tuple[Moment, Item]]:
    """The items of some hundred planned moments."""
    plans = make_plans(PlanConfig(sessions=PLANS), seed=11)
    return [(moment, write(moment)) for plan in plans for moment in plan.moments]


def items_of(task: str) -> list[tuple[Moment, Item]]:
    return [(moment, item) for moment, item in planned_items() if moment.task == task]


def key_and_wrong(moment: Moment, item: Item) -> tuple[str, list[str]]:
    key, wrong = ANSWERS[moment.task]
    return item[key], item[wrong]


def event_of(moment: Moment) -> Event:
    return Event.of(read_moments(moment.brief())[0])


def a_moment(task: str, **changes: Any) -> Moment:
    moment = next(moment for moment, _ in planned_items() if moment.task == task)
    people = {"subject": Person(name="Mira", pronouns="she"), "other": Person(name="Bo", pronouns="he")}
    return moment.model_copy(update=people | changes)


def test_a_scenario_or_cause_names_no_emotion() -> None:
    for _, item in items_of("EU"):
        for text in (item["scenario"], item["cause"], *item["wrong_causes"]):
            assert find_emotion_words(text) == [], text


def test_the_planned_emotion_is_the_key_and_all_labels_are_different() -> None:
    known = load_taxonomy().emotions
    for moment, item in items_of("EU"):
        assert item["emotion"] == moment.aim
        assert len(item["wrong_emotions"]) == 5
        assert len({moment.aim, *item["wrong_emotions"]}) == 6
        assert {name for label in item["wrong_emotions"] for name in split_label(label)} <= set(known)


def test_a_wrong_emotion_that_no_turn_tells_is_far_from_the_key() -> None:
    known = load_taxonomy().emotions
    for moment, item in items_of("EU"):
        told = {turn.emotion for turn in event_of(moment).frame.turns if isinstance(turn, UnderstandingTurn)}
        drawn = [label for label in item["wrong_emotions"] if label not in told]
        assert len(drawn) == 2
        for name in (name for label in drawn for name in split_label(label)):
            assert name not in split_label(moment.aim)
            assert not any(name in known[key].near or key in known[name].near for key in split_label(moment.aim))


def test_a_label_alone_tells_little_about_being_right() -> None:
    """Every label of a sub-category is shown wrong about five times as often as it is right, pairs and single ones."""
    shown, right = Counter[str](), Counter[str]()
    for moment, item in items_of("EU"):
        for label in (moment.aim, *item["wrong_emotions"]):
            shown["&" in label] += 1
        right["&" in moment.aim] += 1
    shares = {kind: right[kind] / shown[kind] for kind in shown}
    assert all(0.08 < share < 0.3 for share in shares.values()), shares


def test_answers_are_all_different_and_each_wrong_one_has_its_misreading() -> None:
    for moment, item in planned_items():
        key, wrong = key_and_wrong(moment, item)
        assert len({key, *wrong}) == 4
        assert len(set(item["misreadings"])) == len(wrong) == 3
        told = event_of(moment)
        for text, misreading, turn in zip(wrong, item["misreadings"], told.others, strict=True):
            forms = turn.cause if isinstance(turn, UnderstandingTurn) else turn.option
            assert text in [told.tell(form, told.voice) for form in forms]
            assert misreading == told.tell(turn.misread, told.voice)


def test_scenarios_are_as_long_as_a_recipe_wants_them() -> None:
    assert all(25 <= len(item["scenario"].split()) <= 120 for _, item in items_of("EU"))
    assert all(12 <= len(item["scenario"].split()) <= 70 for _, item in items_of("EA"))


@pytest.mark.parametrize("narration", ["first person", "second person", "third person"])
def test_a_scenario_is_told_in_the_person_that_was_planned_and_asks_for_its_subject(narration: Narration) -> None:
    told = [(moment, item) for moment, item in planned_items() if moment.narration == narration]
    assert len(told) > 15
    for moment, item in told:
        turn = event_of(moment).turn
        about_other = isinstance(turn, UnderstandingTurn) and turn.who == "O"
        subject = moment.other.name if about_other else ASKED.get(narration, moment.subject.name)
        assert item["subject"] == subject
        words = set(re.findall(r"[\w'-]+", re.sub(r'"[^"]*"|thank.you', "", item["scenario"])))
        by_name = {moment.subject.name, f"{moment.subject.name}'s"}
        assert bool(words & by_name) == (narration == "third person"), item["scenario"]
        assert bool(words & {"I", "me", "my", "My"}) == (narration == "first person"), item["scenario"]
        assert narration != "second person" or words & {"You", "you", "your", "Your"}, item["scenario"]


def test_answers_and_misreadings_speak_of_the_subject_as_the_scenario_does() -> None:
    for moment, item in planned_items():
        key, wrong = key_and_wrong(moment, item)
        for text in (key, *wrong, *item["misreadings"], item["explanation"]):
            if moment.narration != "third person":
                assert not re.search(rf"\b{moment.subject.name}\b", text), text
            if moment.narration != "first person":
                assert not re.search(r"\b(?:I|me|my)\b", re.sub(r'"[^"]*"', "", text)), text


def test_an_explanation_goes_from_cue_to_answer_in_five_steps() -> None:
    for moment, item in planned_items():
        told = event_of(moment)
        key, wrong = key_and_wrong(moment, item)
        text = item["explanation"]
        turn = told.turn
        means = told.tell(turn.means if isinstance(turn, UnderstandingTurn) else turn.why, told.voice)
        cue = text.partition("“")[2].partition("”")[0]
        assert cue
        assert item["scenario"].endswith(cue), text
        nearest = [answer for answer in wrong if f"“{answer}”" in text]
        assert len(nearest) == 1, text
        misreading = item["misreadings"][wrong.index(nearest[0])]
        aim = moment.aim if moment.task == "EU" else load_taxonomy().ea.needs[moment.aim].calls
        places = [
            text.index(f"“{cue}”"),
            text.index(means, len(cue)),
            text.index(aim, text.index(means, len(cue)) + len(means)),
            text.index(f"“{nearest[0]}”"),
            text.index(misreading, text.index(f"“{nearest[0]}”")),
            text.rindex(key.rstrip(".")),
        ]
        assert places == sorted(set(places)), text
        assert text.rstrip(".").endswith(key.rstrip(".")), text


def test_the_meaning_of_an_emotion_is_the_appraisal_behind_it() -> None:
    known = load_taxonomy().emotions
    for moment, item in items_of("EU"):
        because = ", and at once ".join(known[name].appraisal for name in split_label(moment.aim))
        assert f"{moment.aim}, since {because}" in item["explanation"]
        assert item["explanation"].rstrip(".").endswith(f"{moment.aim}, because: {item['cause']}")


def test_the_nearest_wrong_answer_belongs_to_a_neighbouring_emotion_if_there_is_one() -> None:
    known = load_taxonomy().emotions
    found = 0
    for moment, item in items_of("EU"):
        near = {name for key in split_label(moment.aim) for name in known[key].near}
        neighbours = [bool(near & set(split_label(label))) for label in item["wrong_emotions"][:3]]
        if any(neighbours):
            found += 1
            assert f"“{item['wrong_causes'][neighbours.index(True)]}”" in item["explanation"]
    assert found > 20


def test_explanations_do_not_all_begin_and_go_on_alike() -> None:
    said = [item["explanation"] for _, item in planned_items()]
    for step in ("cue", "means", "therefore", "nearest", "answer"):
        frames = [re.split(r"\{\w+\}", line) for line in phrases().explanation[step]]
        used = Counter(
            number for text in said for number, parts in enumerate(frames) if all(part in text for part in parts)
        )
        assert set(used) == set(range(len(frames))), step


def test_no_option_is_right_much_more_often_than_it_is_wrong() -> None:
    """A reader of the choices alone cannot win by remembering which situation's answer is usually right."""
    shown, right = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for moment, _ in planned_items():
        told = event_of(moment)
        shown.update((told.frame.id, number) for number in range(4))
        right[told.frame.id, told.number] += 1
    often = [place for place, count in shown.items() if count >= 3]
    assert len(often) > 100
    assert sum(right[place] for place in often) / sum(shown[place] for place in often) == pytest.approx(0.25)
    assert max(right[place] / shown[place] for place in often) < 1


def test_no_scenario_is_told_twice() -> None:
    scenarios = [item["scenario"] for _, item in planned_items()]
    assert len(set(scenarios)) == len(scenarios)


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_the_same_moment_is_the_same_item_whatever_the_seed_of_the_call(task: str) -> None:
    moment = a_moment(task)
    assert write(moment) == write(moment, seed=99) == write(moment.model_copy())


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_every_variant_of_a_moment_is_another_scenario(task: str) -> None:
    told = [write(a_moment(task, variant=variant))["scenario"] for variant in range(3 * FORMS)]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_the_first_36_variants_of_a_situation_share_at_most_one_text_in_three(task: str) -> None:
    tellings: dict[tuple[str, int], list[tuple[int, list[str]]]] = defaultdict(list)
    moments = [a_moment(task, variant=variant) for variant in range(FORMS * FORMS * 12)]
    for moment in moments:
        told = event_of(moment)
        if told.telling < FORMS * FORMS:
            tellings[told.frame.id, told.number].append((moment.variant, forms_of(told)))
    assert len(tellings) >= 2
    for scenes in tellings.values():
        assert len(scenes) == FORMS * FORMS
        for (_, one), (_, two) in combinations(scenes, 2):
            assert sum(a == b for a, b in zip(one, two, strict=True)) <= 1


def forms_of(told: Event) -> list[str]:
    """Which forms a scenario takes, whatever its details."""
    slots = [
        told.frame.setup,
        told.turn.happens,
        *([told.turn.shows] if isinstance(told.turn, UnderstandingTurn) else []),
    ]
    return [
        next(form for form in forms if told.tell(form, told.voice) == text)
        for forms, text in zip(slots, told.scene(), strict=True)
    ]


def test_the_variants_of_one_situation_are_no_near_duplicates() -> None:
    told: dict[str, list[str]] = defaultdict(list)
    for variant in range(60):
        moment = a_moment("EU", variant=variant, narration="third person")
        told[event_of(moment).frame.id].append(write(moment)["scenario"])
    for scenarios in told.values():
        alike = [fuzz.token_set_ratio(one, two) for one, two in combinations(scenarios, 2)]
        assert sum(value > 90 for value in alike) <= 0.05 * len(alike)


@pytest.mark.parametrize("mistake", ITEM_MISTAKES)
def test_a_mistake_is_made_when_it_is_set_and_can_be_spotted(mistake: Mistake) -> None:
    always, made, tried = Mistakes({mistake: 1.0}), 0, 0
    for moment, _ in planned_items()[:80]:
        if moment.task == "EA" and mistake in ("names_emotion", "near_synonym"):
            continue
        made += SPOTS[mistake]({"moment": moment.brief()}, write(moment, always))
        tried += 1
    assert made >= (0.3 if mistake == "near_synonym" else 0.95) * tried  # not every emotion has a near-synonym


@pytest.mark.parametrize("mistake", ITEM_MISTAKES)
def test_an_item_without_mistakes_shows_none(mistake: Mistake) -> None:
    spotted = [item for moment, item in planned_items() if SPOTS[mistake]({"moment": moment.brief()}, item)]
    assert spotted == []


@pytest.mark.parametrize("mistake", ITEM_MISTAKES)
def test_a_mistake_leaves_the_rest_of_the_item_as_it_was(mistake: Mistake) -> None:
    touched = {
        "names_emotion": {"scenario"}, "near_synonym": {"wrong_emotions"}, "long_key": {"cause", "best", "explanation"},
        "twin_distractor": {"wrong_causes", "wrong", "explanation"}, "generic_explanation": {"explanation"},
        "absurd_distractor": {"wrong_causes", "wrong", "explanation"}, "contradicts_key": {"explanation"},
        "foreign_fact": {"explanation"},
    }[mistake]  # fmt: skip
    for task in ("EU", "EA"):
        clean, faulty = write(a_moment(task)), write(a_moment(task), Mistakes({mistake: 1.0}))
        assert {name for name in clean if clean[name] != faulty[name]} <= touched
