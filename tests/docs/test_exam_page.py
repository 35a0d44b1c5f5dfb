"""docs/exam.md and the code say the same: every answer in its table is read as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from eval.baselines import best_constant, chance_level, choices_only, longest_option
from eval.emobench import load_emobench
from eval.predictions import read_predictions, score_predictions
from eval.reading import RULES, read_answer
from signatures.formats import LETTERS
from tests.conftest import OFFICIAL_EMOBENCH

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "exam.md").read_text(encoding="utf-8")
PREDICTIONS = OFFICIAL_EMOBENCH.parents[1] / "predictions"
CHOICES = re.findall(
    r"[A-D] `([^`]+)`", next(line for line in PAGE.splitlines() if line.startswith("With the options"))
)
FILES = {
    "Mistral-7B-Instruct-v0.3": "Mistral-7B-Instruct-v0_3",
    "the same, tuned": "Finetuned-Mistral-7B-Instruct-v0_3",
    "Llama-3.1-8B": "Llama-3_1-8B",
}
official = pytest.mark.skipif(not OFFICIAL_EMOBENCH.is_dir(), reason="needs the official data beside the project")


def rows_of(first: str) -> list[list[str]]:
    """The cells of the table whose head begins with a cell, without head and rule."""
    lines = PAGE.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |")) + 2
    rows = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip(" *") for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize(("raw", "strict", "lenient", "rule"), rows_of("the model writes"))
def test_answers_are_read_as_the_page_says(raw: str, strict: str, lenient: str, rule: str) -> None:
    reading = read_answer(raw.strip("`"), "answer", "option", CHOICES, alone=True)
    letters = ["–" if pick is None else LETTERS[pick] for pick in (reading.strict, reading.lenient)]
    assert [*letters, reading.rule] == [strict, lenient, rule]


def test_the_version_of_the_rule_is_the_one_in_force() -> None:
    assert len(CHOICES) == 4
    assert f"Lenient, version {RULES}." in PAGE


@official
@pytest.mark.skipif(not PREDICTIONS.is_dir(), reason="needs the published predictions beside the project")
def test_the_published_predictions_score_as_the_page_says() -> None:
    for model, *told in rows_of("model"):
        found = []
        for task in ("EA", "EU"):
            (predictions,) = read_predictions(PREDICTIONS / task / f"{FILES[model]}.jsonl")
            items = [item for item in load_emobench(str(OFFICIAL_EMOBENCH)) if item.task == task]
            score = score_predictions(predictions, items)
            found += [f"{100 * share:.1f}" for share in (score.strict, score.lenient, score.answered)]
        assert found == told, model


@official
@pytest.mark.skipif(not PREDICTIONS.is_dir(), reason="needs the published predictions beside the project")
def test_compare_says_what_the_page_quotes() -> None:
    told = {}
    for task in ("EA", "EU"):
        pair = [str(PREDICTIONS / task / f"{FILES[model]}.jsonl") for model in list(FILES)[:2]]
        result = CliRunner().invoke(app, ["compare", *pair, "--data", str(OFFICIAL_EMOBENCH), "--json"])
        (told[task],) = json.loads(result.stdout)
    assert f"{told['EA']['label']}: {told['EA']['summary']}" in " ".join(PAGE.replace("\n>", "").split())
    figures = {name: told["EU"][name] for name in ("strict", "lenient", "format_effect")}
    points = {name: [f"{100 * one[part]:+.1f}" for part in ("delta", "low", "high")] for name, one in figures.items()}
    assert (
        f"strictly {points['strict'][0]}, leniently {points['lenient'][0]} ({' to '.join(points['lenient'][1:])}), "
        f"format effect {points['format_effect'][0]} ({' to '.join(points['format_effect'][1:])})."
    ).replace("-", "−") in PAGE


@official
def test_the_baselines_are_those_of_the_page() -> None:
    begin = PAGE.index("| | chance |")
    rows = [line.strip("| ").split(" | ") for line in PAGE[begin:].splitlines()[2:6]]
    for name, *told in rows:
        items = load_emobench(str(OFFICIAL_EMOBENCH), ("zh" if "Chinese" in name else "en",))
        own = [item for item in items if item.task == name[:2]]
        exact = [baseline(own) for baseline in (chance_level, best_constant, longest_option)]
        assert told[:3] == [f"{100 * share:.1f}" for share in exact], name
        assert float(told[3]) == pytest.approx(100 * choices_only(own), abs=1), "a fit may end elsewhere by a hair"
