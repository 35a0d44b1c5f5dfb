from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.reading import Reading, read_answer

CHOICES = ("Call her back", "Wait until Monday", "Say nothing", "Ask what she needs")
LETTER = st.sampled_from("ABCDEFGHIJKabcd")
TEXT = st.sampled_from([*CHOICES, "call her back!", "", "B", "something else"])
LOOSE = st.text() | st.text(alphabet="ABab {}[]()\"':,.\n&/Ｂ（）：、。和", max_size=30)


def read(raw: str, alone: bool = True) -> Reading:
    return read_answer(raw, "answer", "option", CHOICES, alone=alone)


def answered(answer: object, **other: object) -> Reading:
    return read(json.dumps({**other, "answer": answer}))


@pytest.mark.parametrize("letter", ["A", "B", "C", "D"])
def test_strict_takes_the_letter(letter: str) -> None:
    assert answered(letter) == Reading("ABCD".index(letter), "ABCD".index(letter), "json letter")


@given(st.dictionaries(LOOSE, LOOSE | st.integers() | st.dictionaries(LOOSE, LOOSE, max_size=2), max_size=3))
@example({"reasoning": "She {smiles}."})
@example({"sure": {"of": "it"}})
def test_strict_takes_the_letter_whatever_stands_beside_it(other: dict[str, object]) -> None:
    beside = {name: value for name, value in other.items() if name not in ("answer", "option")}
    assert answered("B", **beside) == Reading(1, 1, "json letter")


@pytest.mark.parametrize(
    "answer", ["b", "B)", "(B)", " B", "B ", "B: because", "Wait until Monday", "", "E", "AB", "Ｂ"]
)
def test_strict_takes_nothing_but_the_letter(answer: str) -> None:
    assert answered(answer).strict is None


@pytest.mark.parametrize("answer", [None, 1, ["B"], {"letter": "B"}, True])
def test_an_answer_that_is_no_text_is_unanswered(answer: object) -> None:
    assert answered(answer) == Reading(None, None, "unread")


WRITTEN = [
    ("B", 1),
    ("b", 1),
    ("b)", 1),
    ("(B)", 1),
    ("[B]", 1),
    ("'B'", 1),
    ("B.", 1),
    ("B: because she asked", 1),
    ("B) Wait until Monday", 1),
    ("C, Wait until Monday", 2),
    ("  B  ", 1),
    ("B\nShe asked for time.", 1),
    ("wait until MONDAY.", 1),
    ("**B**", None),
    ("Option B", None),
    ("The answer is B", None),
    ("A friend would call her back", None),
    ("a bit of both", None),
    ("B because she asked", None),
    ("Because she asked", None),
    ("A, B", None),
    ("A and B", None),
    ("a or b", None),
    ("A/B", None),
    ("(A) and (B)", None),
    ("A), B)", None),
    ("E", None),
    ("E) Leave", None),
    ("", None),
    ("   ", None),
    ("...", None),
    ("<letter>", None),
]


WRITTEN += [  # as Chinese is typed
    ("B）", 1),
    ("（B）", 1),
    ("【B】", 1),
    ("「B」", 1),
    ("“B”", 1),
    ("B。", 1),
    ("B．", 1),
    ("Ｂ", 1),
    ("ｂ）", 1),
    ("B：因为她在等", 1),
    ("B、因为她在等", 1),
    ("B，因为她在等", 1),
    ("B，不是C", 1),
    ("B） Wait until Monday", 1),
    ("Ｃ、Wait until Monday。", 2),
    ("A、C", None),
    ("Ａ，Ｃ", None),
    ("A、C都可以", None),
    ("A）和C）", None),
    ("（A）或者（C）", None),
    ("A）以及C）", None),
    ("A）还是C）？", None),
    ("Ｅ）", None),
    ("选B", None),
    ("选项B", None),
    ("我选B。", None),
    ("答案：B", None),
    ("答案是B", None),
    ("B选项", None),
    ("B因为她在等", None),
    ("B！", None),
    ("A型血的人", None),
    ("A’s friend", None),
    ("A 朋友会打电话", None),
]


@pytest.mark.parametrize(("text", "index"), WRITTEN)
def test_lenient_reads_an_answer_field_by_the_frozen_rule(text: str, index: int | None) -> None:
    assert answered(text).lenient == index


@pytest.mark.parametrize(("text", "index"), WRITTEN)
def test_lenient_reads_text_without_json_by_the_same_rule(text: str, index: int | None) -> None:
    assert (read(text).strict, read(text).lenient) == (None, index)


def test_the_width_of_a_letter_in_an_option_does_not_matter() -> None:
    choices = ("打给Ｂ君", "等一等", "ABC", "什么也不说")
    for text, index in (("打给B君", 0), ("A）打给Ｂ君", 0), ("ＡＢＣ", 2)):
        assert read_answer(text, "answer", "option", choices, alone=True).lenient == index


@pytest.mark.parametrize(
    "raw",
    [
        'Let me think. {"answer": "C"} I am sure.',
        '```json\n{\n "answer": "C"\n}\n```',
        '{not json} {"answer": "C"}',
        '{"reasoning": "A friend asks", "answer": "C"}',
        '{"outer": {"answer": "C"}}',
    ],
)
def test_json_is_found_anywhere(raw: str) -> None:
    assert read(raw) == Reading(2, 2, "json letter")


@pytest.mark.parametrize("text", ["Say nothing", "say nothing.", '"SAY  nothing"', "Say nothing!"])
def test_the_text_of_an_option_beats_the_letter(text: str) -> None:
    assert answered("A", option=text) == Reading(0, 2, "option text")


@pytest.mark.parametrize("text", ["Say nothing at all", "Say", "", "C", None, 2])
def test_a_text_that_is_no_option_leaves_the_letter(text: object) -> None:
    assert answered("A", option=text) == Reading(0, 0, "json letter")


def test_a_text_that_stands_twice_decides_nothing() -> None:
    assert read_answer('{"option": "Same", "answer": "C"}', "answer", "option", ("Same", "same!", "x"), alone=True) == (
        Reading(2, 2, "json letter")
    )


def test_the_rule_that_read_it_is_named() -> None:
    assert answered("Say nothing").rule == "json option text"
    assert read("Say nothing").rule == "bare option text"
    assert read("C)").rule == "bare letter"
    assert read("no idea").rule == "unread"


def test_text_without_json_does_not_answer_one_of_two_questions() -> None:
    assert read("B", alone=False) == Reading(None, None, "unread")
    assert read('{"answer": "B"}', alone=False).lenient == 1


def test_json_without_the_field_is_unanswered_whatever_stands_around_it() -> None:
    assert read('B {"other": "B"}') == Reading(None, None, "unread")


@settings(max_examples=100, deadline=None)
@given(LOOSE, st.booleans())
@example('{"answer": ' + "[" * 100_000 + "]" * 100_000 + "}", True)
@example('{"answer": ' + "1" * 5000 + "}", True)
@example("{" * 10_000, True)
@example('{"answer": "\\ud800"}', True)
def test_no_text_makes_it_raise(raw: str, alone: bool) -> None:
    reading = read(raw, alone)
    assert reading.strict in (None, 0, 1, 2, 3)
    assert reading.lenient in (None, 0, 1, 2, 3)
    assert (reading.lenient is None) == (reading.rule == "unread")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="xyz .\n", max_size=10), LETTER | LOOSE, TEXT)
def test_what_strict_reads_lenient_reads_alike_unless_an_option_text_overrides(
    before: str, answer: str, option: str
) -> None:
    reading = read(before + json.dumps({"option": option, "answer": answer}))
    if reading.strict is not None and reading.rule != "option text":
        assert reading.lenient == reading.strict
    if reading.rule == "option text":
        assert reading.lenient is not None
        assert CHOICES[reading.lenient].lower() == option.lower().rstrip("!")
