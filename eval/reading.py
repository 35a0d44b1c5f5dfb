"""Reading written answers, two ways that are always reported side by side.

*strict*: the JSON field equals the letter, as EmoBench's official scorer compares.
*lenient*, frozen, rule version 3 (`RULES`): find a JSON object anywhere in the text; if it holds the text of an
option, that option counts; else its answer field is read (`read_field`); without a JSON object, the same is tried on
the whole text for single-question tasks.  Anything that no rule reads is unanswered.  Version 1 lacked the rule
"letter and text", and knew no punctuation and letters of Chinese type; version 2 missed an answer beside which a text
held braces, or another object stood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from signatures.formats import LETTERS

RULES = 3
_OBJECT = re.compile(r"\{[^{}]*\}", re.DOTALL)
_LEADING = re.compile(r"^[\s(\[\"']*([A-Za-z])(?:[)\].:,\"']|\s*$)", re.MULTILINE)
# A letter ends where a word does, or where Chinese begins, which puts no space between words.
_LIST = re.compile(
    r"^[\s(\[\"']*[A-Za-z][)\].:\"']*"
    r"(?:\s*(?:,|&|/|\band\b|\bor\b|以?及|或者?|还是|[和与跟])\s*[(\[\"']*[A-Za-z](?:\b|(?=[\u4e00-\u9fff])))+",
    re.IGNORECASE,
)
# What Chinese type has in place of plain characters: the full-width forms of ASCII, the full stop, the comma between
# items of a list, brackets, and double quotation marks.  The closing single one is left out: it is an apostrophe too.
_PLAIN = {code + 0xFEE0: code for code in range(ord("!"), ord("~") + 1)}
_PLAIN |= {ord(wide): ord(plain) for wide, plain in zip("。、【】「」『』“”", ".,[]" + 6 * '"', strict=True)}


@dataclass(frozen=True)
class Reading:
    """One question's answer as read: option indices or None, and the rule that read it leniently."""

    strict: int | None
    lenient: int | None
    rule: str


def read_answer(raw: str, field: str, text_field: str, choices: Sequence[str], alone: bool) -> Reading:
    """Read the answer to one question.

    Args:
        raw: what the model wrote.
        field: name of the JSON field that holds the letter.
        text_field: name of the field that may hold the option's text.
        choices: the option texts, in the order shown.
        alone: whether the question is the only one, so that text without JSON can be read.
    """
    found = find_object(raw)
    answer = found.get(field) if found is not None else None
    strict = _index_of_letter(answer, choices) if isinstance(answer, str) and len(answer) == 1 else None
    if found is not None:
        if (by_text := _index_of_text(found.get(text_field), choices)) is not None:
            return Reading(strict, by_text, "option text")
        lenient, rule = read_field(answer, choices)
        return Reading(strict, lenient, f"json {rule}" if lenient is not None else "unread")
    if alone:
        lenient, rule = read_field(raw, choices)
        return Reading(None, lenient, f"bare {rule}" if lenient is not None else "unread")
    return Reading(None, None, "unread")


def read_text(raw: str, field: str) -> str:
    """Return a text field of the JSON object that an answer holds, stripped; empty where there is none."""
    value = (find_object(raw) or {}).get(field)
    return value.strip() if isinstance(value, str) else ""


def find_object(raw: str) -> dict[str, object] | None:
    """Return the JSON object of a text that is read; None when there is none.

    It is the whole text, where that is one object that holds more than other objects, as the official scorer reads it;
    else the first without an object in it.
    """
    whole = _parse(raw)
    if whole is not None and not all(isinstance(value, dict) for value in whole.values()):
        return whole
    return next((found for match in _OBJECT.finditer(raw) if (found := _parse(match[0])) is not None), None)


def _parse(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, a number of thousands of digits, or nested too deep
        return None
    return value if isinstance(value, dict) else None


def read_field(answer: object, choices: Sequence[str]) -> tuple[int | None, str]:
    """Read the answer to one question leniently; return the option's index and the rule, (None, "") when unread.

    In this order: the text of an option, exactly, but for case and punctuation; a letter and then that option's own
    text; not at all a list of letters ("A, C"); a leading letter followed by ``) . : ,`` or a bracket or quote, or
    alone on its line, in either case.  The "A" of "A friend would listen" is a word.  Punctuation and letters of
    Chinese type count as their plain kin ("B）", "【B】", "Ｂ", "A、C" is a list); words around the letter ("选B",
    "答案：B") are not read, as "Option B" is not.
    """
    if not isinstance(answer, str):
        return None, ""
    if (by_text := _index_of_text(answer, choices)) is not None:
        return by_text, "option text"
    if (by_both := _index_of_text(answer, [f"{LETTERS[n]} {choice}" for n, choice in enumerate(choices)])) is not None:
        return by_both, "letter and text"
    plain = answer.translate(_PLAIN)
    if (listed := _LIST.match(plain)) and all(
        _index_of_letter(letter.upper(), choices) is not None
        for letter in re.findall(r"\b[A-Za-z]\b", listed[0], re.ASCII)
    ):  # "A, C" is a list; in "A, I would wait" the I is a word
        return None, ""
    leading = _LEADING.match(plain)
    return (_index_of_letter(leading[1].upper(), choices), "letter") if leading else (None, "")


def _index_of_letter(letter: str, choices: Sequence[str]) -> int | None:
    index = LETTERS.find(letter)
    return index if 0 <= index < len(choices) else None


def _index_of_text(text: object, choices: Sequence[str]) -> int | None:
    if not isinstance(text, str) or not text.strip():
        return None
    matches = [index for index, choice in enumerate(choices) if _normal(choice) == _normal(text)]
    return matches[0] if len(matches) == 1 else None


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.translate(_PLAIN).lower()))
