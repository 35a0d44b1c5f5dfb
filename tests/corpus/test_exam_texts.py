from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import DataError
from corpus.exam_texts import ExamText, fold, is_by_characters, read_exam_file, size_of, texts_of_items, words_of
from corpus.records import UnderstandingItem
from eval.emobench import load_emobench

STORY = "Her brother sold the boat that they had built together"
OTHER = "The ferry left without the two of them on Monday"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "exam.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize(
    "copy",
    [
        "“Don’t” say: she’s HERE…",
        "don't say - she's here",
        "Ｄｏｎ＇ｔ say, she`s here!",
        "don\u2019t s\u00aday\u200b (she\u00b4s) here",
        "Dón't  say\nshe's   hére",
    ],
)
def test_what_a_copy_may_change_unseen_is_not_compared(copy: str) -> None:
    assert words_of(copy) == ["dont", "say", "shes", "here"]


@given(st.text(max_size=40))
def test_folding_twice_changes_no_word(text: str) -> None:
    assert words_of(fold(text)) == words_of(text)


def test_chinese_is_compared_by_characters_and_counts_as_fewer_words() -> None:
    words = words_of("小安（Ann）遇到了，交通堵塞。")
    assert words == ["小", "安", "ann", "遇", "到", "了", "交", "通", "堵", "塞"]
    assert is_by_characters(words)
    assert size_of(words) == pytest.approx(1 + 9 / 1.5)
    assert not is_by_characters(words_of("Xiao An 安 told us everything"))


def test_texts_of_an_item_share_its_source_and_emotions_are_left_out(
    emobench_dir: Path,
) -> None:
    understanding = next(item for item in load_emobench(str(emobench_dir)) if isinstance(item, UnderstandingItem))
    texts = texts_of_items([understanding])
    assert {text.source for text in texts} == {"EmoBench EU-1 (en)"}
    assert [text.text for text in texts if text.part == "scenario"] == [understanding.scenario]
    options = {text.text for text in texts if text.part == "option"}
    assert options
    assert options <= set(understanding.cause_choices)


def test_rows_of_any_keys_are_read(tmp_path: Path) -> None:
    row = {"答案\nANSWER": "B", "STORY": STORY, "故事": "她的哥哥卖掉了船。", "OPTION-A": OTHER, "序号": 3}
    assert read_exam_file(written(tmp_path, lines({"B": OTHER}, row))).texts == (
        ExamText("exam.jsonl, line 1", "option", OTHER),
        ExamText("exam.jsonl, line 2", "scenario", STORY),
        ExamText("exam.jsonl, line 2", "scenario", "她的哥哥卖掉了船。"),
        ExamText("exam.jsonl, line 2", "option", OTHER),
    )


@pytest.mark.parametrize(
    ("value", "sources"),
    [
        ({"17": {"prompt": STORY, "reference_answer": {"emotion1": "Joy"}}}, {"exam.jsonl, 17"}),
        ([{"story": STORY, "n": 1}, {"story": OTHER}], {"exam.jsonl[0]", "exam.jsonl[1]"}),
        ({"v": "1", "data": [{"q": STORY}, {"q": OTHER}]}, {"exam.jsonl, data[0]", "exam.jsonl, data[1]"}),
        ({"story": STORY, "choices": [{"text": OTHER}, {"text": STORY}]}, {"exam.jsonl"}),
        ({"multiple_choice_questions": [{"q": STORY}, {"q": OTHER}]},
         {"exam.jsonl, multiple_choice_questions[0]", "exam.jsonl, multiple_choice_questions[1]"}),
        ([STORY, OTHER], {"exam.jsonl"}),
        (STORY, {"exam.jsonl"}),
    ],
)  # fmt: skip
def test_one_json_value_of_any_shape_is_read(tmp_path: Path, value: object, sources: set[str]) -> None:
    read = read_exam_file(written(tmp_path, json.dumps(value, indent=1)))
    assert {text.source for text in read.texts} == sources
    assert read.texts[0].text == STORY
    assert read.problems == ()


def test_options_are_told_from_scenarios_by_their_key(tmp_path: Path) -> None:
    row = {"story": [STORY], "choices": {"text": [OTHER]}, "cause_label": OTHER, "answer_question": OTHER}
    parts = [text.part for text in read_exam_file(written(tmp_path, lines(row))).texts]
    assert parts == ["scenario", "option", "option", "scenario"]


def test_lines_that_are_not_json_are_passed_over_and_explained(tmp_path: Path) -> None:
    bad = ['{"story": ', "\xff\xfe", "[" * 100_000, "1" * 5000]
    content = b"\xef\xbb\xbf" + lines({"story": STORY}).encode() + "\n".join(bad[:1]).encode() + b"\n\xff\xfe\n"
    content += "\n".join(bad[2:]).encode() + b"\n\n" + lines({"story": OTHER}).encode()
    read = read_exam_file(written(tmp_path, content))
    assert [text.text for text in read.texts] == [STORY, OTHER]
    places = [problem.partition(": ")[0] for problem in read.problems]
    assert places == [f"exam.jsonl, line {number}" for number in (2, 3, 4, 5)]
    assert all("\n" not in problem and len(problem) < 300 for problem in read.problems)


@pytest.mark.parametrize("content", ["", "[]", "a,b\n1,2\n", lines({"id": 1, "label": "Joy"}), "\0\xff"])
def test_a_file_without_texts_is_refused_with_the_key(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"^curate\.decontaminate\.files: .*exam\.jsonl holds no text[^\n]*$"):
        read_exam_file(written(tmp_path, content))


def test_a_file_that_cannot_be_read_is_refused_with_the_key(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.jsonl"):
        with pytest.raises(DataError, match=r"^curate\.decontaminate\.files: .* cannot be read"):
            read_exam_file(path)


def test_half_an_emoji_can_be_written_again(tmp_path: Path) -> None:
    (text,) = read_exam_file(written(tmp_path, r'{"story": "she sent one more \ud83d to him"}')).texts
    assert text.text.encode("utf-8")


def test_a_row_nested_deeper_than_python_calls_is_read(tmp_path: Path) -> None:
    row = '{"a": ' * 700 + json.dumps(STORY) + "}" * 700
    assert [text.text for text in read_exam_file(written(tmp_path, row)).texts] == [STORY]


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.just(STORY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(_JSON, max_size=4), cut=st.integers(0, 60))
def test_good_rows_survive_any_others(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], cut: int) -> None:
    torn = lines({"story": OTHER})[:cut].rstrip("\n")
    path = written(tmp_path_factory.mktemp("exam"), lines({"story": STORY}, *rows) + torn + "\n" + lines([OTHER]))
    texts = [text.text for text in read_exam_file(path).texts]
    assert texts[0] == STORY
    assert texts[-1] == OTHER
    assert texts.count(STORY) == 1 + json.dumps(rows).count(STORY)
