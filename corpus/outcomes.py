"""What the stages record in stages/*.json, as far as funnel and data card read it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Counts = dict[str, int]  # reason → how many


class _Outcome(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Generated(_Outcome):
    """`generate`: sessions held by method, sessions that failed, moments told in them, drafts and what became none."""

    sessions: int
    methods: Counts
    failed_sessions: Counts
    moments: int
    drafts: int
    unwritten: Counts


class ScreenedSessions(_Outcome):
    """Faults found in sessions, and drafts that went because too much of their session was at fault."""

    marked: Counts
    dropped: Counts


class Exams(_Outcome):
    """The exams that drafts were compared with: source → texts, and what could not be read of them.

    ``long_ngrams`` counts the drafts that share 13 words in a row with one, as GPT-3 was checked.
    """

    compared: Counts
    long_ngrams: int = 0
    problems: list[str]
    off: bool


class ChoicesOnly(_Outcome):
    """Items of a task that the judge answered without their scenario, how many of them rightly, and chance."""

    n: int
    right: int
    chance: float


class OverlapRow(_Outcome):
    """A draft that overlaps with an exam, and the rule that found it.

    The texts themselves are not read: a card that repeats them would spread the exam.
    """

    id: str
    source: str
    part: str
    rule: str


class Verified(_Outcome):
    """`verify`: drafts that went, by the rule or the judge that said so, and what was compared and asked.

    ``unverified`` counts those that the judge gave no usable answer to, where they are not among those set ``aside``.
    """

    drafts: int
    screened: Counts
    sessions: ScreenedSessions
    duplicates: Counts
    contaminated: Counts
    aside: Counts
    unverified: Counts = {}
    passed: int
    judge: str
    exams: Exams
    choices_only: dict[Literal["EU", "EA"], ChoicesOnly]
    examples: list[OverlapRow]


class Curated(_Outcome):
    """`curate`: items kept, surplus over the sizes asked for, items per cell and part, and cells that fell short."""

    kept: int
    surplus: Counts
    cells: Counts
    splits: Counts
    short: Counts
