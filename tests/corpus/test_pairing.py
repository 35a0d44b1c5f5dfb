from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import DataError, RecipeError
from corpus.pairing import choose_theme, load_themes, sample_personas, why_unfit
from corpus.records import Persona, Theme

PACKAGED = 252


def write_personas(path: Path, count: int) -> Path:
    """A file in PersonaHub's form: one key, nothing else."""
    path.write_text("".join(json.dumps({"persona": f"A person numbered {n}"}) + "\n" for n in range(count)))
    return path


def theme(low: int, high: int, name: str = "t", *keywords: str) -> Theme:
    return Theme(category="c", theme=name, description="d", keywords=keywords, age_relevance=(low, high))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 12), uses=st.integers(1, 4), seed=st.integers(0, 99), data=st.data())
def test_no_persona_is_used_again_before_all_are_used(
    tmp_path_factory: pytest.TempPathFactory, count: int, uses: int, seed: int, data: st.DataObject
) -> None:
    sessions = data.draw(st.integers(1, count * uses))
    path = write_personas(tmp_path_factory.getbasetemp() / f"p{count}.jsonl", count)
    chosen = [persona.persona for persona in sample_personas(path, sessions, uses, seed)]
    assert len(chosen) == sessions
    for start in range(0, sessions, count):
        round_of = chosen[start : start + count]
        assert len(set(round_of)) == len(round_of)
    assert max(Counter(chosen).values()) <= uses


def test_packaged_personas_are_used_three_times_and_never_a_fourth() -> None:
    uses = Counter(p.persona for p in sample_personas(None, PACKAGED * 3, 3, seed=1))
    assert set(uses.values()) == {3}
    with pytest.raises(RecipeError, match=r"plan\.sessions is 757.*plan\.persona_uses.*756"):
        sample_personas(None, PACKAGED * 3 + 1, 3, seed=1)


def test_too_few_own_personas_name_key_and_file(tmp_path: Path) -> None:
    path = write_personas(tmp_path / "few.jsonl", 2)
    with pytest.raises(RecipeError, match=r"plan\.sessions is 5, but .*few\.jsonl has 2 personas"):
        sample_personas(path, 5, 2, seed=0)


def test_an_empty_persona_file_is_a_recipe_error(tmp_path: Path) -> None:
    path = write_personas(tmp_path / "none.jsonl", 0)
    with pytest.raises(RecipeError, match="has 0 personas"):
        sample_personas(path, 1, 3, seed=0)


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
    assert len({persona.persona for persona in chosen}) == sessions
    quarters = Counter(int(persona.persona.split()[-1]) * 4 // count for persona in chosen)
    assert all(70 <= quarters[quarter] <= 130 for quarter in range(4))
    assert sample_personas(path, sessions, 1, seed=5) == chosen
    assert sample_personas(path, sessions, 1, seed=6) != chosen


@settings(max_examples=50, deadline=None)
@given(age=st.integers(0, 120), low=st.integers(0, 120), high=st.integers(0, 120))
def test_a_theme_fits_within_its_ages_bounds_included(age: int, low: int, high: int) -> None:
    reason = why_unfit(Persona(persona="x", age=age), theme(low, high))
    assert bool(reason) == (not low <= age <= high)
    if reason:
        assert str(age) in reason


def test_a_persona_without_an_age_fits_every_theme() -> None:
    assert not why_unfit(Persona(persona="x"), theme(30, 31))


@settings(max_examples=50, deadline=None)
@given(age=st.integers(18, 75), key=st.integers())
def test_a_chosen_theme_fits_and_is_chosen_again(age: int, key: int) -> None:
    persona, themes = Persona(persona="x", age=age), load_themes(None)
    chosen = choose_theme(persona, themes, key)
    assert not why_unfit(persona, chosen)
    assert choose_theme(persona, themes, key) == chosen


def test_no_fitting_theme_is_a_recipe_error() -> None:
    with pytest.raises(RecipeError, match=r"plan\.themes.*aged 20"):
        choose_theme(Persona(persona="x", age=20), [theme(30, 40)], 1)


def test_a_keyword_that_occurs_makes_a_theme_three_times_as_likely() -> None:
    themes = [theme(0, 99, "dull", "sailing"), theme(0, 99, "apt", "bakery")]
    persona = Persona(persona="Runs a bakery", age=40)
    drawn = Counter(choose_theme(persona, themes, key).theme for key in range(2000))
    assert 2.6 < drawn["apt"] / drawn["dull"] < 3.5


def test_own_themes_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "themes.jsonl"
    path.write_text('{"category": "c", "theme": "t", "description": "d", "ages": [1, 2]}\n')
    with pytest.raises(DataError, match=r"themes\.jsonl, line 1: ages"):
        load_themes(path)
