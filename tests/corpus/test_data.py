"""What the packaged personas, themes, and names promise."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

import pytest
import yaml

from corpus.jsonl import iter_objects
from corpus.pairing import judge_fit, load_themes
from corpus.records import Persona
from corpus.taxonomy import find_emotion_words

DATA = files("corpus").joinpath("data")
PERSONAS = [row for _, row in iter_objects(DATA.joinpath("personas.jsonl"))]
NAMES: dict[str, dict[str, list[str]]] = yaml.safe_load(DATA.joinpath("names.yaml").read_text(encoding="utf-8"))


def test_there_are_240_distinct_personas_with_all_keys() -> None:
    assert len({row["persona"] for row in PERSONAS}) == len(PERSONAS) >= 240
    for row in PERSONAS:
        assert row.keys() == Persona.model_fields.keys()
        assert all(row.values())


def test_personas_are_adults_of_all_ages() -> None:
    ages = [row["age"] for row in PERSONAS]
    assert min(ages) >= 18
    assert max(ages) <= 75
    bands = Counter((age - 18) // 10 for age in ages)
    assert all(bands[band] >= len(ages) * 0.1 for band in range(5))


def test_personas_come_from_all_regions_alike_and_names_exist_for_each() -> None:
    regions = Counter(row["region"] for row in PERSONAS)
    assert regions.keys() == NAMES.keys()
    assert max(regions.values()) - min(regions.values()) <= 1


@pytest.mark.parametrize("region", NAMES)
def test_names_of_a_region_are_plain_distinct_and_give_no_emotion_away(region: str) -> None:
    names = [name for pronouns in ("she", "he", "they") for name in NAMES[region][pronouns]]
    assert NAMES[region].keys() == {"she", "he", "they"}
    assert len(set(names)) == len(names) >= 30
    assert all(name.isascii() and name.isalpha() and name.istitle() for name in names)
    assert find_emotion_words(" ".join(names)) == []


def test_there_are_48_distinct_themes_with_lower_case_keywords() -> None:
    themes = load_themes(None)
    assert len({theme.theme for theme in themes}) == len(themes) >= 48
    for theme in themes:
        assert theme.category
        assert theme.description
        assert theme.keywords
        assert all(word == word.lower() for word in theme.keywords)
        assert 18 <= theme.age_relevance[0] < theme.age_relevance[1] <= 75


def test_every_persona_has_a_choice_of_themes() -> None:
    themes = load_themes(None)
    for row in PERSONAS:
        persona = Persona.model_validate(row)
        assert sum(judge_fit(persona, theme).possible for theme in themes) >= 12


def test_every_theme_suits_personas_enough() -> None:
    personas = [Persona.model_validate(row) for row in PERSONAS]
    for theme in load_themes(None):
        assert sum(judge_fit(persona, theme).possible for persona in personas) >= 30


def test_no_category_of_themes_is_rare() -> None:
    counts = Counter(theme.category for theme in load_themes(None))
    assert len(counts) == 12
    assert min(counts.values()) >= 4


def test_themes_that_touch_self_harm_or_abuse_are_marked_and_no_others() -> None:
    grave = re.compile(
        r"suicid|self-harm|staying alive|go on living|nobody would miss|violent|abus|controlling|oversteps|harass"
    )
    themes = load_themes(None)
    assert Counter(theme.care for theme in themes if theme.care) == {"self-harm": 3, "abuse": 3}
    for theme in themes:
        assert bool(grave.search(f"{theme.theme} {theme.description}".lower())) == bool(theme.care), theme.theme


def test_dispositions_are_shared_out_evenly() -> None:
    counts = Counter(row["disposition"] for row in PERSONAS)
    assert max(counts.values()) - min(counts.values()) <= 1
