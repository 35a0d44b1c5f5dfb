"""The emotion files of ToMBench (Chen et al., ACL 2024) as one exam: 480 four-option questions on short stories.

Its authors publish it for evaluation only: nothing of it belongs in training data.  A row holds the question in Chinese
and in English; the names of three of its keys hold a line feed.  A third of the Unexpected Outcome file asks what is
believed rather than what is felt; the category, which is the column ABILITY, tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidfuzz import fuzz

from corpus.errors import DataError
from corpus.jsonl import iter_objects
from eval.benchmarks.base import Part, Question
from eval.benchmarks.choice import choice_benchmark
from eval.emobench import Language

if TYPE_CHECKING:
    import dspy

# The files, and what the IDs of their questions begin with.
FILES = {
    "Unexpected Outcome Test.jsonl": "unexpected-outcome",
    "Hidden Emotions.jsonl": "hidden-emotions",
    "Discrepant Emotions.jsonl": "discrepant-emotions",
    "Moral Emotions.jsonl": "moral-emotions",
    "Emotion Regulation.jsonl": "emotion-regulation",
}
ABILITY, INDEX, ANSWER = "能力\nABILITY", "序号\nINDEX", "答案\nANSWER"
# Story, question, and options by language.
_KEYS: dict[Language, tuple[str, str, str]] = {
    "en": ("STORY", "QUESTION", "OPTION-{}"),
    "zh": ("故事", "问题", "选项{}"),
}
_LETTERS = "ABCD"
# `fuzz.ratio` of a story that is told twice, once with a slip of the pen, is above it; that of two stories far below.
_SAME_STORY = 90.0


def _load(source: str, lang: Language) -> list[Question]:
    folder = Path(source)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise DataError(f"{folder} has no {missing[0]!r}; name the folder `data` of a checkout of ToMBench")
    return [question for name in FILES for question in _questions(folder / name, lang)]


def _questions(path: Path, lang: Language) -> Iterator[Question]:
    story_key, question_key, option_key = _KEYS[lang]
    cluster = before = ""
    for number, row in iter_objects(path):
        where = f"{path}, line {number}"
        story, index = _text(row, story_key, where), _number(row, where)
        # The questions on a story are numbered; where they are not, the story is told again.
        if not (before and (index > 1 or fuzz.ratio(story, before) > _SAME_STORY)):
            cluster = story
        before = story
        key = _text(row, ANSWER, where).strip()
        if len(key) != 1 or key not in _LETTERS:
            raise DataError(f"{where}: {ANSWER!r} is {key!r}, not one of {', '.join(_LETTERS)}")
        choices = (_unletter(_text(row, option_key.format(letter), where), letter) for letter in _LETTERS)
        yield Question(
            id=f"{FILES[path.name]}-{number}",
            lang=lang,
            cluster=cluster,
            category=_text(row, ABILITY, where),
            texts={"story": story, "question": _text(row, question_key, where)},
            parts=(Part("answer", "option", "choices", tuple(choices), _LETTERS.index(key)),),
        )


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {key!r} is {'no text' if key in row else 'missing'}; is this a file of ToMBench?")
    return value


def _number(row: dict[str, Any], where: str) -> int:
    value = row.get(INDEX)
    if not isinstance(value, int):
        raise DataError(
            f"{where}: {INDEX!r} is {'no number' if INDEX in row else 'missing'}; is this a file of ToMBench?"
        )
    return value


def _unletter(option: str, letter: str) -> str:
    """Take off the letter that Chinese options begin with, in some files with and in some without a space."""
    return re.sub(rf"^\s*{letter}\s*[.．、]\s*", "", option)


def _signature(question: Question, thinking: bool) -> type[dspy.Signature]:
    from signatures.stories import story_signature

    return story_signature(question.lang, thinking)


TOMBENCH = choice_benchmark(
    "tombench",
    "ToMBench, emotion files",
    ("en", "zh"),
    "the folder `data` of a checkout of ToMBench",
    _load,
    _signature,
)
