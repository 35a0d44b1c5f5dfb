"""docs/appraisal.md and corpus/data/taxonomy.yaml say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from corpus.taxonomy import load_taxonomy

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "appraisal.md").read_text(encoding="utf-8")
TAXONOMY = load_taxonomy()
AIMS = {aim for sub in TAXONOMY.sub_categories.values() for aim in sub.aims}
WRONG_ANSWER_ONLY = " ¹"


def rows_of(heading: str) -> dict[str, list[str]]:
    """The table under a heading: first cell → the other cells."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(heading + "\n"))
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({first for first, *_ in cells}) == len(cells)
    return {first: rest for first, *rest in cells}


def test_every_emotion_is_told_with_its_appraisal_and_dimensions() -> None:
    table = {name.removesuffix(WRONG_ANSWER_ONLY): row for name, row in rows_of("Emotions").items()}
    assert table == {
        name: [emotion.appraisal, emotion.event, emotion.expectation, emotion.cause, emotion.standards]
        for name, emotion in TAXONOMY.emotions.items()
    }


def test_emotions_that_only_wrong_answers_name_are_marked_so() -> None:
    aimed = {name for aim in AIMS for name in aim.split(" & ")}
    marked = {name.removesuffix(WRONG_ANSWER_ONLY) for name in rows_of("Emotions") if name.endswith(WRONG_ANSWER_ONLY)}
    assert marked == set(TAXONOMY.emotions) - aimed


def test_every_pair_that_a_plan_may_aim_at_is_explained_and_no_other() -> None:
    table = rows_of("Mixed emotions")
    assert table.keys() == {aim for aim in AIMS if " & " in aim}
    assert all(len(why.split()) >= 5 for (why,) in table.values())


def test_the_papers_six_mixes_are_named_as_the_taxonomy_names_them() -> None:
    assert len(TAXONOMY.mixes) == 6
    for paper, ours in TAXONOMY.mixes.items():
        assert f"{paper} = {ours}" in PAGE


def test_every_kind_of_understanding_is_told_with_what_must_hold_who_knows_and_its_misreadings() -> None:
    assert rows_of("Kinds of understanding") == {
        name: [sub.build, sub.knows, ", ".join(sub.misreadings)] for name, sub in TAXONOMY.sub_categories.items()
    }


def test_every_need_is_told_with_why_other_answers_fall_short() -> None:
    assert rows_of("What a situation calls for") == {
        name: [need.calls, need.others_fall_short] for name, need in TAXONOMY.ea.needs.items()
    }


def test_every_misreading_is_told_in_the_words_of_the_taxonomy() -> None:
    assert rows_of("Misreadings") == {name: [text] for name, text in TAXONOMY.misreadings.items()}


@pytest.mark.parametrize("name", [*TAXONOMY.emotions, *TAXONOMY.ea.needs])
def test_no_cell_of_a_table_could_break_it(name: str) -> None:
    told = TAXONOMY.emotions.get(name) or TAXONOMY.ea.needs[name]
    assert all("|" not in str(value) for value in told.model_dump().values())
