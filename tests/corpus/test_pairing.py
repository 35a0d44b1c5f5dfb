from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import DataError, RecipeError
from corpus.jsonl import BadRow
from corpus.pairing import Pairer, judge_fit, load_themes, sample_personas
from corpus.records import Persona, Theme

PACKAGED = 252


def write_personas(path: Path, count: int) -> Path:
    """A file in PersonaHub's form: one key, nothing else."""
    path.write_text("".join(json.dumps({"persona": f"A person numbered {n}"}) + "\n" for n in range(count)))
    return path


def theme(low: int, high: int, name: str = "t", *keywords: str, category: str = "c") -> Theme:
    return Theme(category=category, theme=name, description="d", keywords=keywords, age_relevance=(low, high))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 12), uses=st.integers(1, 4), seed=st.integers(0, 99), data=st.data())
def test_no_persona_is_used_again_before_all_are_used(
    tmp_path_factory: pytest.TempPathFactory, count: int, uses: int, seed: int, data: st.DataObject
) -> None:
    sessions = data.draw(st.integers(1, count * uses))
    path = write_personas(tmp_path_factory.getbasetemp() / f"p{count}.jsonl", count)
    chosen = [persona.persona for persona in sample_personas(path, sessions, uses, seed)]
    assert len(chosen) >= sessions
    for start in range(0, sessions, count):
        round_of = chosen[start : min(start + count, sessions)]
        assert len(set(round_of)) == len(round_of)
    assert max(Counter(chosen).values()) <= uses
    assert chosen == [persona.persona for persona in sample_personas(path, sessions, uses, seed)]


@pytest.mark.parametrize("uses", [1, 3])
def test_personas_to_spare_are_new_ones_while_the_file_has_any(tmp_path: Path, uses: int) -> None:
    chosen = sample_personas(write_personas(tmp_path / "many.jsonl", 500), 20, uses, seed=1)
    assert len(chosen) > 20
    assert len({persona.persona for persona in chosen}) == len(chosen)


def test_there_are_spare_personas_as_long_as_their_uses_last(tmp_path: Path) -> None:
    path = write_personas(tmp_path / "ten.jsonl", 10)
    assert len(sample_personas(path, 20, 3, seed=1)) == 30
    assert len(sample_personas(path, 30, 3, seed=1)) == 30


def test_packaged_personas_are_used_three_times_and_never_a_fourth() -> None:
    uses = Counter(p.persona for p in sample_personas(None, PACKAGED * 3, 3, seed=1))
    assert set(uses.values()) == {3}
    assert len(uses) == PACKAGED
    with pytest.raises(RecipeError, match=r"plan\.sessions is 757.*plan\.persona_uses.*756"):
        sample_personas(None, PACKAGED * 3 + 1, 3, seed=1)


def test_too_few_own_personas_name_key_and_file(tmp_path: Path) -> None:
    path = write_personas(tmp_path / "few.jsonl", 2)
    with pytest.raises(RecipeError, match=r"plan\.sessions is 5, but .*few\.jsonl has 2 personas"):
        sample_personas(path, 5, 2, seed=0)


def test_lines_that_are_no_persona_are_handed_out_and_the_others_used(tmp_path: Path) -> None:
    path = write_personas(tmp_path / "wild.jsonl", 6)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([b"oops", *lines[:3], b'{"persona": 3}', b"", *lines[3:], lines[0][:9]]))
    rejected: list[BadRow] = []
    chosen = sample_personas(path, 4, 1, seed=0, rejected=rejected)
    assert chosen == sample_personas(write_personas(tmp_path / "clean.jsonl", 6), 4, 1, seed=0)
    assert [(row.path, row.line) for row in rejected] == [(str(path), line) for line in (1, 5, 10)]
    assert rejected[1].reason == "persona: Input should be a valid string"


def test_too_few_personas_say_that_others_could_not_be_used(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('oops\n{"persona": "A diver"}\n[]\n')
    with pytest.raises(RecipeError, match=r"has 1 personas.*; unusable lines: 2, line 1: not JSON"):
        sample_personas(path, 5, 2, seed=0, rejected=[])


def test_a_persona_file_without_a_persona_is_a_data_error(tmp_path: Path) -> None:
    path = write_personas(tmp_path / "none.jsonl", 0)
    with pytest.raises(DataError, match=r"none\.jsonl: has no rows"):
        sample_personas(path, 1, 3, seed=0, rejected=[])
    path.write_text('{"description": "no persona"}\n')
    with pytest.raises(DataError, match=r"line 1: persona: Field required; none of 1 lines"):
        sample_personas(path, 1, 3, seed=0, rejected=[])


def test_keys_of_other_peoples_persona_files_are_ignored_but_persona_is_required(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"persona": "A diver", "source": "hub"}\n{"description": "no persona"}\n')
    with pytest.raises(DataError, match=r"own\.jsonl, line 2: persona: Field required"):
        sample_personas(path, 1, 1, seed=0)
    path.write_text('{"persona": "A diver", "source": "hub"}\n')
    assert sample_personas(path, 1, 1, seed=0) == [Persona(persona="A diver")]


def test_a_big_file_is_sampled_evenly_and_is_not_held_in_memory(tmp_path: Path) -> None:
    count, sessions = 50_000, 400
    path = write_personas(tmp_path / "big.jsonl", count)
    tracemalloc.start()
    chosen = sample_personas(path, sessions, 1, seed=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size
    assert len({persona.persona for persona in chosen[:sessions]}) == sessions
    quarters = Counter(int(persona.persona.split()[-1]) * 4 // count for persona in chosen[:sessions])
    assert all(70 <= quarters[quarter] <= 130 for quarter in range(4))
    assert sample_personas(path, sessions, 1, seed=5) == chosen
    assert sample_personas(path, sessions, 1, seed=6) != chosen


@settings(max_examples=50, deadline=None)
@given(age=st.integers(0, 120), low=st.integers(0, 120), high=st.integers(0, 120))
def test_a_theme_fits_within_its_ages_bounds_included(age: int, low: int, high: int) -> None:
    fit = judge_fit(Persona(persona="x", age=age), theme(low, high))
    assert fit.possible == (low <= age <= high)
    assert f"age {age}" in fit.reasons[0]


def test_a_persona_without_an_age_fits_every_theme_and_the_reasons_say_so() -> None:
    fit = judge_fit(Persona(persona="x"), theme(30, 31))
    assert fit.possible
    assert "age not given" in fit.reasons[0]


@pytest.mark.parametrize("occupation", ["retired teacher", "Unemployed", "homemaker", "pensioner"])
def test_a_career_theme_is_for_those_who_work(occupation: str) -> None:
    persona = Persona(persona="x", age=60, occupation=occupation)
    assert not judge_fit(persona, theme(18, 75, category="career")).possible
    assert judge_fit(persona, theme(18, 75, category="family")).possible
    assert judge_fit(Persona(persona="x", age=60, occupation="teacher"), theme(18, 75, category="career")).possible


def test_the_reasons_name_the_keywords_and_where_they_were_found() -> None:
    persona = Persona(persona="Sails with two sons.", age=40, occupation="baker", relationship="divorced")
    age, trade, about = judge_fit(persona, theme(18, 75, "t", "baker", "son", "divorced", "cello")).reasons
    assert "40" in age
    assert "occupation" in trade
    assert "baker" in trade
    assert {"son", "divorced"} <= set(about.replace(",", "").split())
    assert "cello" not in " ".join((trade, about))


def test_a_keyword_is_a_word_and_not_a_part_of_one() -> None:
    plain, other = (
        judge_fit(Persona(persona="The person is a carpenter.", age=40), theme(18, 75, "t", *words))
        for words in ((), ("son", "car", "pen"))
    )
    assert other.weight == plain.weight


@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.sampled_from(["harp", "dog", "boat", "tea", "rain"]), unique=True))
def test_each_shared_keyword_makes_a_theme_three_times_as_likely_up_to_two(words: list[str]) -> None:
    fit = judge_fit(Persona(persona=f"Likes {' and '.join(words)}.", age=40), theme(18, 75, "t", *words))
    assert fit.weight == 3 ** min(2, len(words))


@settings(max_examples=50, deadline=None)
@given(age=st.integers(18, 75), key=st.integers())
def test_a_chosen_theme_fits_and_is_chosen_again(age: int, key: int) -> None:
    persona, themes = Persona(persona="x", age=age), load_themes(None)
    chosen, fit = Pairer(themes).choose(persona, key)
    assert fit == judge_fit(persona, chosen)
    assert fit.possible
    assert Pairer(themes).choose(persona, key) == (chosen, fit)


def test_no_fitting_theme_is_a_recipe_error() -> None:
    with pytest.raises(RecipeError, match=r"plan\.themes.*aged 20"):
        Pairer([theme(30, 40)]).choose(Persona(persona="x", age=20), 1)


def test_a_keyword_that_occurs_makes_a_theme_three_times_as_often_chosen() -> None:
    themes = [theme(0, 99, "dull", "sailing"), theme(0, 99, "apt", "bakery")]
    persona = Persona(persona="Runs a bakery", age=40)
    drawn = Counter(Pairer(themes).choose(persona, key)[0].theme for key in range(2000))
    assert 2.6 < drawn["apt"] / drawn["dull"] < 3.5


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 8), people=st.integers(1, 4), key=st.integers())
def test_no_pair_comes_twice_while_others_are_left(count: int, people: int, key: int) -> None:
    pairer = Pairer([theme(0, 99, f"t{n}", "harp") for n in range(count)])
    personas = [Persona(persona=f"Number {n} plays the harp") for n in range(people)]
    pairs = [
        (persona.persona, pairer.choose(persona, key, number, persona.persona)[0].theme)
        for number in range(count)
        for persona in personas
    ]
    assert len(set(pairs)) == count * people
    pairer.choose(personas[0], key, "once more")  # then a pair comes again, and nothing fails


def test_a_theme_that_was_used_is_less_likely_to_be_used_again() -> None:
    pairer = Pairer([theme(0, 99, "apt", "bakery"), *(theme(0, 99, f"t{n}") for n in range(4))])
    for n in range(2000):
        pairer.choose(Persona(persona=f"Number {n} runs a bakery"), n)
    others = [pairer.uses[f"t{n}"] for n in range(4)]
    assert 1.5 < pairer.uses["apt"] / (sum(others) / 4) < 2.1  # without regard to use it would be 3
    assert max(others) < 1.2 * min(others)


def test_themes_are_read_strictly_unless_bad_lines_are_collected(tmp_path: Path) -> None:
    path = tmp_path / "themes.jsonl"
    path.write_text('{"category": "c", "theme": "t", "description": "d", "ages": [1, 2]}\n')
    with pytest.raises(DataError, match=r"themes\.jsonl, line 1: ages"):
        load_themes(path)
    path.write_text(path.read_text() + '{"category": "c", "theme": "t", "description": "d"}\n')
    rejected: list[BadRow] = []
    assert load_themes(path, rejected) == [Theme(category="c", theme="t", description="d")]
    assert [(row.line, row.reason) for row in rejected] == [(1, "ages: Extra inputs are not permitted")]
