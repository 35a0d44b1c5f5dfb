from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.taxonomy import (
    are_synonyms,
    find_emotion_words,
    load_taxonomy,
    match_emotion_words,
    match_words_of,
    split_label,
)

TAXONOMY = load_taxonomy()
GIVEAWAYS = sorted({word for emotion in TAXONOMY.emotions.values() for word in emotion.words})
OWN = [(name, word) for name, emotion in TAXONOMY.emotions.items() for word in emotion.own_words]
INFLECTIONS = """
    ashamed embarrassing worried anxiety guilty disappointed happier happiest saddest sadder angrier enraged raged
    jealousy envies hatred frightened terrifying fearful surprised relieved disgusting grieving mourned
    regretted amused nostalgia joyfully admiration loathing horrified curiosity hopeful
"""
LOOKALIKES = """
    environment happening happened perhaps saddle crusade garage courage average enjoyable Joyce joystick admiral
    museum terrific thriller resent trusty
    spider bride envoy invoice gladiator nomad eagle boarded boardroom hope carefully lovely danger
"""


def test_emobenchs_categories_are_all_there() -> None:
    assert len(TAXONOMY.sub_categories) == 11
    assert len(TAXONOMY.eu) == 4
    assert len(TAXONOMY.cells) == len(set(TAXONOMY.cells)) == 8


@pytest.mark.parametrize("name", TAXONOMY.sub_categories)
def test_every_aim_names_known_emotions_and_occurs_once(name: str) -> None:
    aims = TAXONOMY.sub_categories[name].aims
    assert {emotion for aim in aims for emotion in split_label(aim)} <= set(TAXONOMY.emotions)
    assert len({frozenset(split_label(aim)) for aim in aims}) == len(aims) > 0


@pytest.mark.parametrize("name", TAXONOMY.emotions)
def test_neighbours_and_opposite_exist_and_are_others(name: str) -> None:
    emotion = TAXONOMY.emotions[name]
    assert {*emotion.near, emotion.opposite} <= set(TAXONOMY.emotions) - {name}
    assert emotion.near
    assert emotion.opposite not in emotion.near
    assert emotion.appraisal


def test_every_cell_calls_for_known_needs_and_every_need_is_called_for() -> None:
    called: set[str] = set()
    for category, question_type in TAXONOMY.cells:
        needs = TAXONOMY.ea.categories[category].calls_for[question_type]
        assert len(set(needs)) == len(needs) > 0
        called |= set(needs)
    assert called == set(TAXONOMY.ea.needs)


def test_each_kind_of_moment_has_enough_known_misreadings_to_draw_from() -> None:
    kinds = [*(sub.misreadings for sub in TAXONOMY.sub_categories.values()), TAXONOMY.ea.misreadings]
    for names in kinds:
        assert len(set(names)) == len(names) >= 4
        assert set(names) <= set(TAXONOMY.misreadings)
    assert {name for names in kinds for name in names} == set(TAXONOMY.misreadings)
    assert len(set(TAXONOMY.misreadings.values())) == len(TAXONOMY.misreadings)


def test_each_emotion_is_appraised_in_its_own_way() -> None:
    appraisals = [emotion.appraisal for emotion in TAXONOMY.emotions.values()]
    assert len(set(appraisals)) == len(appraisals)
    for emotion in TAXONOMY.emotions.values():
        assert all((emotion.event, emotion.expectation, emotion.cause, emotion.standards))


def test_emotions_that_are_told_apart_differ_in_a_dimension() -> None:
    for one, other in (("Sadness", "Anger"), ("Guilt", "Anger"), ("Relief", "Disappointment"), ("Joy", "Delight")):
        first, second = TAXONOMY.emotions[one], TAXONOMY.emotions[other]
        assert (first.event, first.expectation, first.cause, first.standards) != (
            second.event, second.expectation, second.cause, second.standards,
        )  # fmt: skip


def test_the_papers_six_mixes_are_pairs_that_moments_may_aim_at() -> None:
    aims = {frozenset(split_label(aim)) for sub in TAXONOMY.sub_categories.values() for aim in sub.aims}
    assert len(TAXONOMY.mixes) == 6
    assert {frozenset(split_label(label)) for label in TAXONOMY.mixes.values()} <= aims


@pytest.mark.parametrize("name", TAXONOMY.sub_categories)
def test_what_a_kind_of_understanding_is_about_is_told_in_full(name: str) -> None:
    sub = TAXONOMY.sub_categories[name]
    assert len({sub.about, sub.build, sub.knows}) == 3
    assert all(len(text.split()) >= 6 for text in (sub.about, sub.build, sub.knows))


def test_every_need_says_what_is_called_for_and_why_other_answers_fall_short() -> None:
    told = [text for need in TAXONOMY.ea.needs.values() for text in (need.calls, need.others_fall_short)]
    assert len(TAXONOMY.ea.needs) == 12
    assert all(told)
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("coarse", TAXONOMY.eu)
def test_coarse_of_inverts_the_tree(coarse: str) -> None:
    assert {TAXONOMY.coarse_of(sub) for sub in TAXONOMY.eu[coarse]} == {coarse}


@pytest.mark.parametrize("giveaway", GIVEAWAYS)
def test_a_giveaway_is_found_as_a_word_but_not_inside_one(giveaway: str) -> None:
    word = giveaway.removesuffix("*")
    assert find_emotion_words(f"Then, {word.upper()}!") == [word.upper()]
    assert find_emotion_words(f"Then xq{word} came") == []
    if not giveaway.endswith("*"):
        assert find_emotion_words(f"Then {word}xq came") == []


@pytest.mark.parametrize("word", INFLECTIONS.split())
def test_inflections_are_found(word: str) -> None:
    assert find_emotion_words(f"She looked {word} at last.") == [word]


@pytest.mark.parametrize("word", LOOKALIKES.split())
def test_lookalikes_are_not_found(word: str) -> None:
    assert find_emotion_words(f"There was the {word} again.") == []


@pytest.mark.parametrize(("name", "giveaway"), OWN)
def test_an_own_word_gives_away_its_own_emotion_only(name: str, giveaway: str) -> None:
    word = giveaway.removesuffix("*")
    assert find_emotion_words(f"Then {word} came", name) == [word]
    assert find_emotion_words(f"Then {word} came", f"Amusement & {name}") == [word]
    assert find_emotion_words(f"Then {word} came") == find_emotion_words(f"Then {word} came", "Amusement") == []


def test_every_emotion_has_words_that_give_it_away() -> None:
    assert all(emotion.words or emotion.own_words for emotion in TAXONOMY.emotions.values())


def test_words_are_found_in_order_and_in_several_words() -> None:
    text = "Sad at first, then in love; never mad at them, and let down."
    assert find_emotion_words(text) == ["Sad", "mad at", "let down"]
    assert find_emotion_words(text, "Love") == ["Sad", "in love", "mad at", "let down"]


def test_a_word_in_a_harmless_phrase_is_passed_over_and_positions_hold() -> None:
    text = "The relief map was all the rage, and he let down the blind with relief."
    [found] = match_emotion_words(text)
    assert text[found.start() : found.end()] == "relief"
    assert found.start() == text.rindex("relief")


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("Anger", ["furious", "annoyed"]),
        ("Joy & Sadness", ["grief"]),
        ("Fear", ["horror"]),
        ("Guilt", []),
        ("Hangry", []),
    ],
)
def test_words_of_a_label_are_those_of_its_parts_and_their_near_synonyms(label: str, words: list[str]) -> None:
    text = "He was furious, she was annoyed, and there was grief and horror."
    assert [found.group() for found in match_words_of(text, label)] == words


def test_near_synonyms_are_pairs_of_known_emotions_and_no_sub_category_mixes_them() -> None:
    pairs = [frozenset(pair) for pair in TAXONOMY.synonyms]
    assert len(set(pairs)) == len(pairs)
    assert all(len(pair) == 2 and pair <= set(TAXONOMY.emotions) for pair in pairs)
    assert not any(frozenset(split_label(aim)) in pairs for sub in TAXONOMY.sub_categories.values() for aim in sub.aims)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Joy", "Delight", True),
        ("Joy", "Joy", True),
        ("Joy", "Amusement", False),
        ("Joy & Relief", "Delight & Relief", True),
        ("Joy & Relief", "Relief & Delight", True),
        ("Guilt & Sadness", "Grief & Remorse", True),
        ("Joy & Anger", "Joy & Fear", False),
        ("Joy & Anger", "Delight", False),
        ("Fear & Joy", "Horror & Nervousness", False),  # not both parts for the same one
    ],
)
def test_labels_of_two_are_near_synonyms_part_by_part(one: str, other: str, alike: bool) -> None:
    assert are_synonyms(one, other) is are_synonyms(other, one) is alike


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(TAXONOMY.emotions)), min_size=1, max_size=3))
def test_labels_split_into_what_they_were_joined_from(names: list[str]) -> None:
    assert split_label(" & ".join(names)) == names
