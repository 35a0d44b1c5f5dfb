"""Prediction files in the official format: read, marked, scored; the published ones give the figures of their paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.emobench import load_emobench
from eval.exam import keys_of
from eval.predictions import leaderboard, mark_predictions, name_model, read_predictions, score_predictions
from signatures.formats import LETTERS
from tests.conftest import OFFICIAL_EMOBENCH

Items = list[UnderstandingItem | ApplicationItem]
PUBLISHED = OFFICIAL_EMOBENCH.parent.parent / "predictions"
EU_FIELDS = ("emo_answer", "cause_answer")


def row_of(item: UnderstandingItem | ApplicationItem, *answers: Any, **changes: Any) -> dict[str, Any]:
    """A prediction; without answers the right one."""
    labels = [LETTERS[key] for key in keys_of(item)]
    given_answers = list(answers) or labels
    row: dict[str, Any] = {"qid": int(item.qid.partition("-")[2]), "lang": "en"}
    if isinstance(item, UnderstandingItem):
        row |= {"coarse_category": item.coarse_category, "finegrained_category": item.finegrained_category}
        row |= {"emo_label": labels[0], "emo_answer": given_answers[0]}
        row |= {"cause_label": labels[1], "cause_answer": given_answers[1]}
    else:
        row |= {"category": item.category, "label": labels[0], "answer": given_answers[0]}
    return row | changes


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def of_task(items: Items, task: Task) -> Items:
    return [item for item in items if item.task == task]


def test_a_flawless_file_is_all_right_under_both_readings(items: Items, tmp_path: Path) -> None:
    file = write(tmp_path / "model.jsonl", *(row_of(item) for item in items))
    scores = [score_predictions(part, of_task(items, part.task)) for part in read_predictions(file)]
    assert [(score.task, score.lang, score.n) for score in scores] == [("EA", "en", 4), ("EU", "en", 4)]
    for score in scores:
        assert (score.answered, score.strict, score.lenient, score.accuracy_answered) == (1, 1, 1, 1)
        assert score.rules == {"letter": score.n * (2 if score.task == "EU" else 1)}
        assert score.missing == 0
        assert score.interval[0] < 1


def test_form_and_understanding_are_told_apart(items: Items, tmp_path: Path) -> None:
    first, second, third, fourth = of_task(items, "EA")
    key = keys_of(first)[0]
    file = write(
        tmp_path / "model.jsonl",
        row_of(first, f"{LETTERS[key]}) {first.questions[0][0][key]}"),  # right, and not a bare letter
        row_of(second, LETTERS[(keys_of(second)[0] + 1) % 4]),  # wrong
        row_of(third, ""),
        row_of(fourth, ["A"]),  # no text
    )
    (part,) = read_predictions(file)
    score = score_predictions(part, of_task(items, "EA"))
    assert (score.answered, score.strict, score.lenient, score.accuracy_answered) == (0.5, 0, 0.25, 0.5)
    assert score.rules == {"letter and text": 1, "letter": 1, "empty": 2}


def test_understanding_is_right_only_as_a_whole(items: Items, tmp_path: Path) -> None:
    first, second, *_ = of_task(items, "EU")
    emotion = LETTERS[keys_of(first)[0]]
    file = write(tmp_path / "m.jsonl", row_of(first, emotion, "Z"), row_of(second, "B", ""))
    (part,) = read_predictions(file)
    score = score_predictions(part, of_task(items, "EU"))
    assert (score.n, score.missing, score.answered, score.lenient) == (2, 2, 0, 0)
    assert score.accuracy_answered is None


@given(answers=st.lists(st.text() | st.sampled_from("ABCD") | st.none() | st.integers(), min_size=4, max_size=4))
def test_whatever_stands_in_an_answer_the_shares_are_in_order(
    answers: list[Any], items: Items, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chosen = of_task(items, "EA")
    file = write(tmp_path_factory.mktemp("any") / "m.jsonl", *map(row_of, chosen, answers))
    (part,) = read_predictions(file)
    score = score_predictions(part, chosen)
    assert 0 <= score.strict <= score.lenient <= score.answered <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qid": 1}, r"m\.jsonl, line 2: qid 1 stands in line 1 already"),
        ({"lang": "de"}, r"line 2: lang is 'de', not en or zh"),
        ({"qid": None}, r"line 2: qid is missing"),
        ({"qid": 99}, r"line 2: the data has no item EA-99 in en"),
        ({"label": "A"}, r"line 2: the label is A, in the data it is [B-D]: the options stood in another order"),
    ],
)
def test_what_cannot_be_scored_is_named_by_line(
    changes: dict[str, Any], message: str, items: Items, tmp_path: Path
) -> None:
    first = of_task(items, "EA")[0]
    second = next(item for item in of_task(items, "EA")[1:] if keys_of(item) != [0])
    file = write(tmp_path / "m.jsonl", row_of(first), row_of(second) | changes)
    with pytest.raises(DataError, match=message) as caught:
        _ = [mark_predictions(part, of_task(items, part.task)) for part in read_predictions(file)]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no predictions"), ('{"qid": 1, "answer": "B"}', "line 1: no prediction in EmoBench's format"),
     ("[]", "line 1: expected a JSON object")],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_predictions(write(tmp_path / "m.jsonl", text))


def test_the_leaderboard_is_the_official_one(items: Items, tmp_path: Path) -> None:
    file = write(tmp_path / "some-model.jsonl", *(row_of(item) for item in of_task(items, "EU")))
    (part,) = read_predictions(file)
    table = leaderboard([score_predictions(part, of_task(items, "EU"))])
    assert set(table) == {"EU"}
    shares = table["EU"]["some-model"]["en"]
    assert shares["Overall"] == 1
    assert set(shares) - {"Overall"} == {item.coarse_category for item in of_task(items, "EU")}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("transformers/mistralai/Mistral-7B-Instruct-v0.3", "Mistral-7B-Instruct-v0_3"),
        ("transformers/out/quickstart/student/tuned/", "tuned"),
        ("ollama_chat/qwen3:8b", "qwen3-8b"),
        ("openrouter/qwen/qwen3-32b:free", "qwen3-32b-free"),
    ],
)
def test_a_file_is_named_as_the_official_script_names_it(model: str, name: str) -> None:
    assert name_model(model) == name


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published predictions are not at hand")
@pytest.mark.parametrize(
    ("file", "strict", "lenient", "answered"),
    [
        ("EA/Mistral-7B-Instruct-v0_3", 0.405, 0.645, 1.0),
        ("EA/Finetuned-Mistral-7B-Instruct-v0_3", 0.625, 0.625, 1.0),
        ("EA/Llama-3_1-8B", 0.13, 0.13, 0.27),
        ("EU/Mistral-7B-Instruct-v0_3", 0.105, 0.205, 0.935),
        ("EU/Finetuned-Mistral-7B-Instruct-v0_3", 0.155, 0.175, 0.92),
        ("EU/Llama-3_1-8B", 0.04, 0.04, 0.35),
    ],
)
def test_the_published_predictions_score_as_published(
    file: str, strict: float, lenient: float, answered: float
) -> None:
    (part,) = read_predictions(PUBLISHED / f"{file}.jsonl")
    score = score_predictions(part, of_task(load_emobench(str(OFFICIAL_EMOBENCH)), part.task))
    assert (score.n, score.missing) == (200, 0)
    assert (score.strict, score.lenient, score.answered) == pytest.approx((strict, lenient, answered))
