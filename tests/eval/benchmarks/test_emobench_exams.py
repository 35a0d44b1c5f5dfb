from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from corpus.errors import DataError
from corpus.records import ApplicationItem, UnderstandingItem
from eval.benchmarks import BENCHMARKS, Question, reordered
from eval.emobench import load_emobench
from signatures.exam import exam_signature
from tests.conftest import OFFICIAL_EMOBENCH, OWN_EMOBENCH

EA, EU = BENCHMARKS["emobench-ea"], BENCHMARKS["emobench-eu"]


def asked(question: Question, thinking: bool) -> str:
    benchmark = EU if len(question.parts) == 2 else EA
    (message,) = benchmark.adapter().format(benchmark.signature(question, thinking), [], question.inputs)
    assert message["role"] == "user"
    return str(message["content"])


@pytest.fixture
def chinese(tmp_path: Path) -> Path:
    """Our own items, the first of each file said to be Chinese."""
    shutil.copytree(OWN_EMOBENCH, tmp_path / "emobench")
    for name in ("EA.jsonl", "EU.jsonl"):
        path = tmp_path / "emobench" / name
        path.write_text(path.read_text(encoding="utf-8").replace('"en"', '"zh"', 1), encoding="utf-8")
    return tmp_path / "emobench"


def test_items_become_questions(application: Question, understanding: Question) -> None:
    assert (application.id, application.lang, application.category) == ("EA-1", "en", "Personal-Self")
    assert [(part.field, len(part.choices), part.key) for part in application.parts] == [("answer", 4, 1)]
    assert (understanding.id, understanding.category) == ("EU-1", "complex_emotions")
    assert [(part.field, len(part.choices), part.key) for part in understanding.parts] == [
        ("answer_q1", 6, 2),
        ("answer_q2", 4, 1),
    ]
    assert understanding.cluster == understanding.texts["scenario"]


def test_each_exam_holds_the_items_of_its_task() -> None:
    items = load_emobench(str(OWN_EMOBENCH))
    for benchmark, kind in ((EA, ApplicationItem), (EU, UnderstandingItem)):
        ids = [question.id for question in benchmark.load(str(OWN_EMOBENCH))]
        assert ids == [item.qid for item in items if isinstance(item, kind)]


@pytest.mark.parametrize("thinking", [False, True])
def test_signatures_take_the_inputs_and_give_the_answers(
    application: Question, understanding: Question, thinking: bool
) -> None:
    for benchmark, question in ((EA, application), (EU, understanding)):
        signature = benchmark.signature(question, thinking)
        assert set(signature.input_fields) == set(question.inputs)
        letters = [part.field for part in question.parts]
        assert list(signature.output_fields) == (["reasoning", *letters] if thinking else letters)


def test_english_questions_are_asked_as_they_are_trained(application: Question) -> None:
    assert EA.signature(application, False) is exam_signature("EA", "letter")
    assert EA.signature(application, True) is exam_signature("EA", "reasoned")


def test_chinese_questions_are_asked_in_chinese(chinese: Path) -> None:
    (ea,), (eu,) = EA.load(str(chinese), "zh"), EU.load(str(chinese), "zh")
    text = asked(ea, thinking=True)
    assert text.startswith("选出在这种情况下最有帮助的选项。")
    assert "对Rhona来说，最有帮助的做法是什么？" in text
    assert text.endswith('Answer: {"reasoning": "<你的推理>", "answer": "<字母>"}')
    text = asked(eu, thinking=False)
    assert "Ottilie最终会有什么样的情绪？\nA) Boredom" in text
    assert "Ottilie为什么会有这样的情绪？\nA) The blanket" in text
    assert text.endswith('Answer: {"answer_q1": "<字母>", "answer_q2": "<字母>"}')


def test_a_reordered_question_is_shown_reordered(application: Question) -> None:
    shown = reordered(application, 1)
    assert "\n".join(f"{'ABCD'[n]}) {choice}" for n, choice in enumerate(shown.parts[0].choices)) in asked(shown, False)


@pytest.mark.parametrize(
    ("raw", "strict", "lenient", "rule"),
    [
        ('{"answer": "B"}', 1, 1, "json letter"),
        ('{"answer": "b)"}', None, 1, "json letter"),
        ("B) Tell her sister today", None, 1, "bare letter"),
        ('{"answer": "A, B"}', None, None, "unread"),
        ("", None, None, "unread"),
    ],
)
def test_answers_are_read_both_ways(
    application: Question, raw: str, strict: int | None, lenient: int | None, rule: str
) -> None:
    answer = EA.read(raw, application)
    assert (answer.strict, answer.lenient, answer.rules) == ((strict,), (lenient,), (rule,))
    assert answer.answered == (lenient is not None)
    assert EA.score(answer, application) == float(lenient == 1)
    assert EA.score(answer, application, "strict") == float(strict == 1)


@pytest.mark.parametrize(("letters", "points"), [("CB", 1.0), ("CA", 0.0), ("AB", 0.0)])
def test_understanding_is_right_when_emotion_and_cause_are(
    understanding: Question, letters: str, points: float
) -> None:
    raw = json.dumps(dict(zip(("answer_q1", "answer_q2"), letters, strict=True)))
    assert EU.score(EU.read(raw, understanding), understanding, "strict") == points


@pytest.mark.parametrize("order", range(5))
def test_the_key_under_any_order_is_right(understanding: Question, order: int) -> None:
    shown = reordered(understanding, order)
    raw = json.dumps({part.field: "ABCDEF"[part.key] for part in shown.parts})
    assert EU.score(EU.read(raw, shown), shown) == 1.0
    if order:
        assert EU.score(EU.read(raw, understanding), understanding) == 0.0


def test_a_malformed_row_is_named(chinese: Path) -> None:
    path = chinese / "EU.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"subject"', '"object"', 1), encoding="utf-8")
    with pytest.raises(DataError, match=rf"^{path}, line 1: subject: Field required$"):
        EU.load(str(chinese), "zh")


@pytest.mark.skipif(not OFFICIAL_EMOBENCH.is_dir(), reason="the official test sets are not at hand")
@pytest.mark.parametrize("benchmark", [EA, EU])
def test_the_official_sets_hold_200_questions_in_either_language(benchmark: object) -> None:
    english, chinese = (benchmark.load(str(OFFICIAL_EMOBENCH), lang) for lang in ("en", "zh"))  # type: ignore[attr-defined]
    assert [len(english), len(chinese)] == [200, 200]
    assert {q.id for q in english} == {q.id for q in chinese}
