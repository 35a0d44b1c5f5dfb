"""Categories, emotions, and needs: the vocabulary that plans, items, and exams share (data/taxonomy.yaml)."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from itertools import permutations
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

QuestionType = Literal["Action", "Response"]


class SubCategory(BaseModel):
    """One of EmoBench's eleven EU sub-categories: what it is, what a scenario must hold, who knows what, and the
    misreadings from which its wrong answers come."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    about: str
    build: str
    knows: str
    misreadings: tuple[str, ...]
    aims: tuple[str, ...]


class Emotion(BaseModel):
    """An emotion: the appraisal behind it and its dimensions, its neighbours, and the words that would give it away.

    ``own_words`` give it away only where it is the key (``hated`` names a taste as often as a feeling).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    appraisal: str
    event: str
    expectation: str
    cause: str
    standards: str
    near: tuple[str, ...]
    opposite: str
    words: tuple[str, ...]
    own_words: tuple[str, ...] = ()


class Need(BaseModel):
    """What a situation can call for, and why other answers then fall short."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    calls: str
    others_fall_short: str


class ApplicationCategory(BaseModel):
    """One of EmoBench's four EA categories; ``calls_for`` lists the needs that its plans may set, by question type."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    about: str
    calls_for: dict[QuestionType, tuple[str, ...]]


class ApplicationTaxonomy(BaseModel):
    """EmoBench's EA categories and question types, and what a situation can call for."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    categories: dict[str, ApplicationCategory]
    misreadings: tuple[str, ...]
    question_types: dict[QuestionType, str]
    needs: dict[str, Need]


class Taxonomy(BaseModel):
    """The whole of data/taxonomy.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    eu: dict[str, dict[str, SubCategory]]
    ea: ApplicationTaxonomy
    misreadings: dict[str, str]
    mixes: dict[str, str]
    harmless: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...]
    emotions: dict[str, Emotion]

    def coarse_of(self, sub_category: str) -> str:
        """Return the coarse EU category of a sub-category; StopIteration if there is none."""
        return next(coarse for coarse, subs in self.eu.items() if sub_category in subs)

    @property
    def sub_categories(self) -> dict[str, SubCategory]:
        """All eleven EU sub-categories, in file order."""
        return {name: sub for subs in self.eu.values() for name, sub in subs.items()}

    @property
    def cells(self) -> list[tuple[str, QuestionType]]:
        """The eight EA cells, category by question type, in file order."""
        return [(c, q) for c in self.ea.categories for q in self.ea.question_types]


@cache
def load_taxonomy() -> Taxonomy:
    """Read the packaged taxonomy once."""
    text = files("corpus").joinpath("data/taxonomy.yaml").read_text(encoding="utf-8")
    return Taxonomy.model_validate(yaml.safe_load(text))


def split_label(label: str) -> list[str]:
    """Split ``"Relief & Guilt"`` into its emotion names (EmoBench joins them with ``" & "``)."""
    return [part.strip() for part in label.split("&")]


def are_synonyms(label: str, other: str) -> bool:
    """Whether two labels mean nearly the same.

    Labels of two are compared by parts: ``Delight & Relief`` is a near-synonym of ``Joy & Relief``, and ``Joy & Fear``
    is none.  Equal labels are near-synonyms too.
    """
    first, second = split_label(label), split_label(other)
    return len(first) == len(second) and any(all(map(_mean_the_same, first, parts)) for parts in permutations(second))


def _mean_the_same(name: str, other: str) -> bool:
    return name == other or any({name, other} == set(pair) for pair in load_taxonomy().synonyms)


def find_emotion_words(text: str, label: str = "") -> list[str]:
    """Return the words of ``text`` that name an emotion of the taxonomy, in order.

    Args:
        text: any text.  Phrases in which such a word means something else (``relief map``) do not count; negation is
            not looked at.
        label: the key, if known: words that give an emotion away only where it is the key then count for its parts.
    """
    return [match.group() for match in match_emotion_words(text, label)]


def match_emotion_words(text: str, label: str = "") -> list[re.Match[str]]:
    """Like `find_emotion_words`, with positions in ``text``."""
    emotions = load_taxonomy().emotions
    own = (name for name in split_label(label) if name in emotions)
    words = (*(w for e in emotions.values() for w in e.words), *(w for name in own for w in emotions[name].own_words))
    return list(_word_pattern(words).finditer(_mask_harmless(text)))


def match_words_of(text: str, label: str) -> list[re.Match[str]]:
    """Return the places of ``text`` that name a part of ``label`` or a near-synonym of it; none of an unknown label."""
    emotions = load_taxonomy().emotions
    names = (name for name in emotions if any(_mean_the_same(name, part) for part in split_label(label)))
    words = tuple(word for name in names for word in (name, *emotions[name].words, *emotions[name].own_words))
    return list(_word_pattern(words).finditer(_mask_harmless(text))) if words else []


@lru_cache(maxsize=1024)
def _word_pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Whole words in any case; a trailing * stands for any ending, and the longest wins."""
    patterns = {re.escape(word[:-1]) + r"\w*" if word.endswith("*") else re.escape(word) for word in words}
    return re.compile(rf"\b(?:{'|'.join(sorted(patterns, reverse=True))})\b", re.IGNORECASE)


def _mask_harmless(text: str) -> str:
    return _harmless_pattern().sub(lambda found: "_" * len(found.group()), text)


@cache
def _harmless_pattern() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(load_taxonomy().harmless)})(?!\w)", re.IGNORECASE)
