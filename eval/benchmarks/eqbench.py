"""EQ-Bench v2 (Paech, arXiv 2312.06281): how strongly does a character feel each of four emotions, 0 to 10?

171 items, English.  The prompt comes with the item and asks for first ratings, a critique, and revised ratings.  As
the official pipeline does by default, the exam cuts the critique out and takes the ratings at once; with thinking the
item is asked in full, and the revised ratings count.  (The official pipeline then reports the better of the two passes;
a choice made after the fact is not made here.)
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from corpus.errors import DataError, UsageError
from eval.benchmarks.base import Answer, Benchmark, Picks, Question
from eval.benchmarks.hub import iter_hub_rows
from eval.config import HUB
from eval.emobench import Language

if TYPE_CHECKING:
    import dspy

HUB_DATASET = "pbevan11/EQ-Bench"
RATING_RULES = 1  # version of the lenient rule of `read_ratings`
LEAST_PARSED = 0.83
_SOURCE = "the JSON file eq_bench_v2_questions_171.json, or `hub`"

# How the prompt asks for a critique and for second ratings.
_TWICE = re.compile(r" Then critique .*? revised scores\.")
_FIRST_HEADING = "First pass scores:\n"
_CRITIQUE = re.compile(r"Critique: .*?(?=\[End of answer\])", re.DOTALL)
_AT_ONCE = "\nYour answer:\n"

_FIRST, _REVISED = "First pass scores:", "Revised scores:"
_OFFICIAL_LINE = re.compile(r"(\w+):\s+(\d+)")
_NUMBER = r"(\d+(?:\.\d+)?)(?![.\d]*\d)(?!\s*[-–]\s*\d)"  # "6-7" is no rating

_Rating = Annotated[float, Field(ge=0, le=10)]
_Text = Annotated[str, Field(pattern=r"\S")]


class _Reference(BaseModel):
    """The ratings of a reference, some of them written as strings."""

    emotion1: _Text
    emotion2: _Text
    emotion3: _Text
    emotion4: _Text
    emotion1_score: _Rating
    emotion2_score: _Rating
    emotion3_score: _Rating
    emotion4_score: _Rating

    def ratings(self) -> dict[str, float]:
        return {
            self.emotion1: self.emotion1_score,
            self.emotion2: self.emotion2_score,
            self.emotion3: self.emotion3_score,
            self.emotion4: self.emotion4_score,
        }


class _Row(BaseModel):
    prompt: _Text
    reference_answer_fullscale: _Reference


def read_ratings(raw: str, question: Question) -> Answer:
    """Read four ratings, in the order of the question's reference; all four or none.

    Strictly, as the official parser: every ``word: number`` counts, and the words must be exactly the four emotions.
    Leniently (`RATING_RULES`): for each emotion, in either case, the last number on the scale that follows its name
    after a colon, an equals sign, or a bar, decimals included, whatever marks up the two; other lines are passed over.
    Both read what follows the heading of the revised ratings; an answer that ends before them has not rated.
    """
    emotions = tuple(question.reference)
    _, revised, last = raw.partition(_REVISED)
    text = last if revised else "" if _FIRST in raw else raw
    official = dict(_OFFICIAL_LINE.findall(text))
    strict: Picks = (None,) * len(emotions)
    if official.keys() == set(emotions):
        strict = tuple(int(official[name]) for name in emotions)
    found = [_last_rating(text, name) for name in emotions]
    if any(rating is None for rating in found):
        return Answer(strict, (None,) * len(emotions), ("unread",))
    if any(rating is not None and rating > 10 for rating in found):
        return Answer(strict, (None,) * len(emotions), ("off the scale",))
    return Answer(strict, tuple(found), ("name: number" if strict == tuple(found) else "number after a name",))


def score_ratings(picks: Picks, question: Question) -> float | None:
    """Return the points of an item: 10 when all ratings equal the reference, about 0 for random ones, less for worse.

    Full-scale scoring of version 2: a difference counts by an S-shaped curve up to 5, in full above, and the sum is
    scaled so that random ratings get 0.  None when the ratings were not read.
    """
    ratings = [pick for pick in picks if pick is not None]
    if len(ratings) < len(question.reference):
        return None
    pairs = zip(ratings, question.reference.values(), strict=True)
    return 10 - 0.7477 * sum(_penalty(abs(rating - reference)) for rating, reference in pairs)


def _penalty(difference: float) -> float:
    if difference == 0:
        return 0.0
    return 6.5 / (1 + math.exp(-1.2 * (difference - 4))) if difference <= 5 else difference


def _last_rating(text: str, emotion: str) -> float | None:
    marks = r"[\s\"'`*_]*"
    found = re.findall(rf"(?<!\w){re.escape(emotion)}{marks}[:=|]{marks}{_NUMBER}", text, re.IGNORECASE)
    return float(found[-1]) if found else None


def _load(source: str, lang: Language) -> list[Question]:
    return [_question(*found) for found in (_iter_hub() if source == HUB else _iter_file(Path(source)))]


def _iter_hub() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield (name, row, place); rows are numbered as the file names its items, so an item has one ID."""
    for number, (where, row) in enumerate(iter_hub_rows(HUB_DATASET), 1):
        yield str(number), row, where


def _iter_file(path: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); name {_SOURCE}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8; convert the file to UTF-8") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}); name {_SOURCE}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise DataError(f"{path}: not usable JSON ({error}); name {_SOURCE}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected one JSON object, found {type(found).__name__}; name {_SOURCE}")
    for name, row in found.items():
        where = f"{path}, item {name}"
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected a JSON object, found {type(row).__name__}")
        yield name, row, where


def _question(name: str, row: dict[str, Any], where: str) -> Question:
    reference = row.get("reference_answer_fullscale")
    if isinstance(reference, str):  # the hub's table holds it as the text of a Python dictionary
        try:
            row = row | {"reference_answer_fullscale": ast.literal_eval(reference)}
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise DataError(f"{where}: reference_answer_fullscale: not a dictionary") from error
    try:
        parsed = _Row.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    ratings = parsed.reference_answer_fullscale.ratings()
    if len(ratings) != 4:
        raise DataError(f"{where}: reference_answer_fullscale: an emotion comes twice")
    prompt = parsed.prompt
    texts = {"prompt": _without_critique(prompt)}
    if _CRITIQUE.search(prompt):
        texts["prompt_with_critique"] = prompt
    return Question(f"EQ-{name}", "en", _first_turn(prompt), "", texts, reference=ratings)


def _without_critique(prompt: str) -> str:
    """Return the prompt that asks for ratings at once, to the letter as the official pipeline makes it."""
    if not _CRITIQUE.search(prompt):
        return prompt
    once = _TWICE.sub("", prompt).replace(_FIRST_HEADING, "")
    return _CRITIQUE.sub("\n", once) + _AT_ONCE


def _first_turn(prompt: str) -> str:
    """Return the first line of the dialogue: items that stop one dialogue at several places are one cluster."""
    lines = [line for line in prompt.splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)]


def _signature(question: Question, thinking: bool) -> type[dspy.Signature]:
    from signatures.rating import RateEmotions, RateEmotionsTwice

    if not thinking:
        return RateEmotions
    if "prompt_with_critique" not in question.texts:
        raise UsageError(f"{question.id} does not ask for a critique, so EQ-Bench has no form with thinking here")
    return RateEmotionsTwice


def _adapter() -> dspy.Adapter:
    from signatures.prompt_adapter import PromptAdapter

    return PromptAdapter()


EQ_BENCH = Benchmark(
    name="eq-bench",
    title="EQ-Bench v2",
    languages=("en",),
    source=_SOURCE,
    loader=_load,
    signature=_signature,
    adapter=_adapter,
    read=read_ratings,
    metric=score_ratings,
    points=10.0,
    least_parsed=LEAST_PARSED,
)
