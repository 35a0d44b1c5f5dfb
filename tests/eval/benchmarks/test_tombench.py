from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import DataError
from eval.benchmarks import BENCHMARKS
from eval.benchmarks.tombench import FILES
from tests.eval.benchmarks.conftest import story_row, write_rows

TOMBENCH = BENCHMARKS["tombench"]
HIDDEN = "Hidden Emotions.jsonl"


def test_a_row_is_a_question_in_english_and_in_chinese(stories: Path) -> None:
    english, chinese = TOMBENCH.load(str(stories), "en"), TOMBENCH.load(str(stories), "zh")
    assert [q.id for q in english] == [f"{name}-1" for name in FILES.values()] == [q.id for q in chinese]
    assert english[0].texts == {
        "story": "Lin gave the scarf to a sister and walked home in the wind.",
        "question": "How does Lin look?",
    }
    assert english[0].parts[0].choices == ("Angry", "Scared", "Calm", "Bored")
    assert chinese[0].texts["question"] == "小林看起来怎么样？"
    assert chinese[0].parts[0].choices == ("生气", "害怕", "平静", "无聊"), (
        "letters that options begin with are cut off"
    )
    assert english[0].parts[0].key == chinese[0].parts[0].key == 2
    assert english[0].category == chinese[0].category == "Emotion: Hidden emotions"


@pytest.mark.parametrize(
    ("option", "text"), [("A friend", "A friend"), ("B. both", "B. both"), ("A. B. Lee", "B. Lee")]
)
def test_only_the_options_own_letter_is_cut_off(stories: Path, option: str, text: str) -> None:
    write_rows(stories / HIDDEN, [story_row(**{"OPTION-A": option})])
    assert TOMBENCH.load(str(stories))[1].parts[0].choices[0] == text


def test_questions_on_one_story_are_one_cluster(stories: Path) -> None:
    other = "Rune sold the boat that his father had built, and bought two bicycles."
    rows = [
        story_row(1),
        story_row(2),
        story_row(
            3, STORY="Lin had meant the scarf for a friend. Lin gave it to a sister and walked home in the wind."
        ),
        story_row(1, STORY=other),
        story_row(1, STORY=other.replace("bicycles", "bicyles")),  # a slip of the pen, mended in one of the two
        story_row(1),
    ]
    write_rows(stories / HIDDEN, rows)
    found = [q.cluster for q in TOMBENCH.load(str(stories)) if q.id.startswith("hidden")]
    first = str(rows[0]["STORY"])
    assert found == [first, first, first, other, other, first]


@pytest.mark.parametrize(("lang", "wanted"), [("en", "reasoning>"), ("zh", "<你的推理>")])
def test_a_story_is_asked_in_its_language(stories: Path, lang: str, wanted: str) -> None:
    question = TOMBENCH.load(str(stories), lang)[0]  # type: ignore[arg-type]
    (message,) = TOMBENCH.adapter().format(TOMBENCH.signature(question, True), [], question.inputs)
    text = message["content"]
    assert wanted in text.rsplit("\n", 1)[1]
    assert f"Story: {question.texts['story']}\nQuestion: {question.texts['question']}\nA) " in text
    assert set(TOMBENCH.signature(question, False).output_fields) == {"answer"}
    answer = TOMBENCH.read('{"answer": "C"}', question)
    assert TOMBENCH.score(answer, question, "strict") == TOMBENCH.score(answer, question) == 1.0


def test_a_missing_file_is_named(stories: Path) -> None:
    (stories / HIDDEN).unlink()
    with pytest.raises(DataError, match=rf"^{stories} has no 'Hidden Emotions\.jsonl'; name the folder `data`"):
        TOMBENCH.load(str(stories))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"答案\nANSWER": "E"}, r"'答案\nANSWER' is 'E', not one of A, B, C, D"),
        ({"答案\nANSWER": "AB"}, r"'答案\nANSWER' is 'AB', not one of A, B, C, D"),
        ({"答案\nANSWER": None}, r"'答案\nANSWER' is no text"),
        ({"OPTION-D": None}, "'OPTION-D' is no text"),
        ({"STORY": " "}, "'STORY' is no text"),
        ({"序号\nINDEX": "one"}, r"'序号\nINDEX' is no number"),
    ],
)
def test_a_malformed_row_is_named_by_line_and_key(stories: Path, changes: dict[str, object], problem: str) -> None:
    path = write_rows(stories / HIDDEN, [story_row(), story_row(**changes)])
    with pytest.raises(DataError) as caught:
        TOMBENCH.load(str(stories))
    message = str(caught.value)
    assert message.startswith(f"{path}, line 2: {problem}")
    assert "\n" not in message


@pytest.mark.parametrize("key", ["答案\nANSWER", "能力\nABILITY", "序号\nINDEX", "STORY", "OPTION-B"])
def test_a_missing_key_is_named(stories: Path, key: str) -> None:
    row = story_row()
    del row[key]
    path = write_rows(stories / HIDDEN, [row])
    with pytest.raises(DataError) as caught:
        TOMBENCH.load(str(stories))
    assert str(caught.value) == f"{path}, line 1: {key!r} is missing; is this a file of ToMBench?"


def test_a_row_may_lack_the_other_language(stories: Path) -> None:
    row = {key: value for key, value in story_row().items() if key not in ("故事", "问题") and "选项" not in key}
    for name in FILES:
        write_rows(stories / name, [row])
    assert len(TOMBENCH.load(str(stories), "en")) == 5
    with pytest.raises(DataError, match="line 1: '故事' is missing"):
        TOMBENCH.load(str(stories), "zh")
