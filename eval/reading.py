"""Reading written answers, two ways that are always reported side by side.

*strict*: the JSON field equals the letter, as EmoBench's official scorer compares.
*lenient*, rule version 1, frozen: find a JSON object anywhere in the text; if it holds the text of an option, that
option counts; else the leading letter of its answer field counts, with or without ``) . :`` or brackets, in either
case; without a JSON object, the same is tried on the whole text for single-question tasks.  A letter with neither
stands alone on its line: the "A" of "A friend would listen" is a word.  Anything else, several letters among it, is
unanswered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from signatures.formats import LETTERS

_OBJECT = re.compile(r"\{[^{}]*\}", re.DOTALL)
_LEADING = re.compile(r"^[\s(\[\"']*([A-Za-z])(?:[)\].:,\"']|\s*$)", re.MULTILINE)
_LIST = re.compile(
    r"^[\s(\[\"']*[A-Za-z][)\].:\"']*(?:\s*(?:,|&|/|\band\b|\bor\b)\s*[(\[\"']*[A-Za-z]\b)+", re.IGNORECASE
)


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
    found = _find_object(raw)
    answer = found.get(field) if found is not None else None
    strict = _index_of_letter(answer, choices) if isinstance(answer, str) and len(answer) == 1 else None
    if found is not None:
        if (by_text := _index_of_text(found.get(text_field), choices)) is not None:
            return Reading(strict, by_text, "option text")
        lenient, rule = _read_loosely(answer, choices)
        return Reading(strict, lenient, f"json {rule}" if lenient is not None else "unread")
    if alone:
        lenient, rule = _read_loosely(raw, choices)
        return Reading(None, lenient, f"bare {rule}" if lenient is not None else "unread")
    return Reading(None, None, "unread")


def _find_object(raw: str) -> dict[str, object] | None:
    for match in _OBJECT.finditer(raw):
        try:
            value = json.loads(match[0])
        except (ValueError, RecursionError):  # not JSON, a number of thousands of digits, or nested too deep
            continue
        if isinstance(value, dict):
            return value
    return None


def _read_loosely(answer: object, choices: Sequence[str]) -> tuple[int | None, str]:
    if not isinstance(answer, str):
        return None, ""
    if (by_text := _index_of_text(answer, choices)) is not None:
        return by_text, "option text"
    if (listed := _LIST.match(answer)) and all(
        _index_of_letter(letter.upper(), choices) is not None for letter in re.findall(r"\b[A-Za-z]\b", listed[0])
    ):  # "A, C" is a list; in "A, I would wait" the I is a word
        return None, ""
    leading = _LEADING.match(answer)
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
    return " ".join(re.findall(r"\w+", text.lower()))
