"""Categories, emotions, and needs: the vocabulary that plans, items, and exams share (data/taxonomy.yaml)."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
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
    """An emotion: the appraisal behind it and its dimensions, its neighbours, and the words that would give it away."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    appraisal: str
    event: str
    expectation: str
    cause: str
    standards: str
    near: tuple[str, ...]
    opposite: str
    words: tuple[str, ...]


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


@cache
def _leak_pattern() -> re.Pattern[str]:
    words = {w for e in load_taxonomy().emotions.values() for w in e.words}
    patterns = (re.escape(w[:-1]) + r"\w*" if w.endswith("*") else re.escape(w) for w in words)
    return re.compile(rf"\b(?:{'|'.join(sorted(patterns))})\b", re.IGNORECASE)


def find_emotion_words(text: str) -> list[str]:
    """Return the words of ``text`` that name an emotion of the taxonomy, in order."""
    return _leak_pattern().findall(text)
