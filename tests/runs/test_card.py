"""What goes into a card from a run: figures of its stages, and no path of the machine that it ran on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RunError
from corpus.outcomes import Verified
from runs.card import gather_facts, guess_rates, without_places
from runs.folder import open_run
from runs.program_notes import read_notes
from runs.recipe import load_recipe

segment = st.text(
    st.characters(codec="utf-8", exclude_characters="/\n\r", exclude_categories=("Cc",)), min_size=1
).filter(lambda part: part not in (".", ".."))

GENERATED = {"sessions": 5, "methods": {"mads": 5}, "failed_sessions": {}, "moments": 40, "drafts": 40, "unwritten": {}}
VERIFIED = {
    "drafts": 40, "judge": "j", "screened": {}, "sessions": {"marked": {}, "dropped": {}}, "duplicates": {},
    "contaminated": {}, "aside": {}, "passed": 40, "exams": {"compared": {}, "problems": [], "off": False},
    "choices_only": {}, "examples": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("transformers//home/someone/models/m", "transformers/m"),
        ("/home/someone/EmoBench/data/", "data"),
        ("/exam.jsonl", "exam.jsonl"),
        ("ollama_chat/qwen3:8b", "ollama_chat/qwen3:8b"),
        ("hosted_vllm/Qwen/Qwen3-8B", "hosted_vllm/Qwen/Qwen3-8B"),
        ("EmoBench (EA, EU)", "EmoBench (EA, EU)"),
        ("models/m", "models/m"),
    ],
)
def test_an_absolute_path_is_cut_to_its_last_part(text: str, public: str) -> None:
    assert without_places(text) == public


@given(st.sampled_from(["", "transformers/"]), st.lists(segment, min_size=1, max_size=4))
def test_nothing_of_a_folder_but_its_name_is_left(provider: str, parts: list[str]) -> None:
    public = without_places(provider + "/" + "/".join(parts))
    assert public == provider + parts[-1]
    assert without_places(public) == public


def test_guesses_get_the_interval_of_wilson() -> None:
    verified = Verified.model_validate(VERIFIED | {"choices_only": {"EA": {"n": 40, "right": 10, "chance": 0.25}}})
    (rate,) = guess_rates(verified)
    assert (rate.task, rate.n, rate.share, rate.chance) == ("EA", 40, 0.25, 0.25)
    assert (round(rate.low, 3), round(rate.high, 3)) == (0.142, 0.402)


def test_a_run_of_another_version_is_one_line(tiny_recipe: Path, tmp_path: Path) -> None:
    with open_run(tmp_path / "out", load_recipe(tiny_recipe)) as run:
        run.finish("generate", 1, {"sessions": 3})
        with pytest.raises(RunError, match="stage `verify` is not done"):
            gather_facts(run, [], {}, {})
        run.finish("verify", 1, {})
        with pytest.raises(RunError, match="was made by another version of EmoReason"):
            gather_facts(run, [], {}, {})


def test_the_card_names_the_programs_that_wrote_the_data_without_places(tiny_recipe: Path, tmp_path: Path) -> None:
    note = {
        "name": "n", "fingerprint": "0" * 16, "optimizers": ["gepa"], "teacher": "transformers//home/someone/m",
        "quality": {"before": 0.5, "after": 0.9, "interval": [0.2, 0.6], "n": 80},
    }  # fmt: skip
    with open_run(tmp_path / "out", load_recipe(tiny_recipe)) as run:
        assert read_notes(run) == {}
        run.note(prompts={}, programs={"exam": note, "items": note, "session": note})
        run.finish("generate", 1, GENERATED)
        run.finish("verify", 1, VERIFIED)
        facts = gather_facts(run, [], {}, {"kept": 0, "surplus": {}, "cells": {}, "splits": {}, "short": {}})
        assert list(read_notes(run)) == ["session", "items", "exam"]
    assert [(used.kind, used.teacher, used.after, used.n) for used in facts.programs] == [
        ("session", "transformers/m", 0.9, 80), ("items", "transformers/m", 0.9, 80),
    ]  # fmt: skip
