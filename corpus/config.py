"""Recipe sections of the corpus: what is planned, and how drafts are curated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from corpus.records import Method


class PlanConfig(BaseModel):
    """`plan:` how many sessions, about whom, and what their moments aim at."""

    model_config = ConfigDict(extra="forbid")
    sessions: int = Field(default=200, ge=1, description="number of therapy sessions to generate")
    method: Method | dict[Method, float] = Field(
        default="mads", description="mads, concise, or the share of each, e.g. {mads: 0.7, concise: 0.3}"
    )
    moments: tuple[int, int] = Field(
        default=(6, 8), description="fewest and most moments (and so items) of a mads session"
    )
    personas: Path | None = Field(default=None, description='JSONL of {"persona": …}; default: the packaged personas')
    themes: Path | None = Field(default=None, description="JSONL of themes; default: the packaged themes")
    persona_uses: int = Field(default=3, ge=1, description="how often one persona may be used before all are used")
    sensitive_themes: bool = Field(default=True, description="allow themes that touch self-harm or abuse (with care)")
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="relative weight, in quarters, of an EU category or sub-category, or of an EA category or cell",
    )

    @field_validator("method")
    @classmethod
    def _shares_are_positive(cls, method: Method | dict[Method, float]) -> Method | dict[Method, float]:
        if isinstance(method, dict) and (
            not method or not all(0 <= share < float("inf") for share in method.values()) or not any(method.values())
        ):
            raise ValueError("shares are numbers from 0 up, and one of them is above 0")
        return method


class VerifyConfig(BaseModel):
    """`verify:` what the judge is asked about each draft that the rules let pass, and about each session."""

    model_config = ConfigDict(extra="forbid")
    votes: int = Field(default=5, ge=0, le=25, description="blind answers per item, without the key; 0 asks for none")
    agreement: float = Field(
        default=0.8, gt=0.5, le=1, description="share of blind answers that must be the key; below it is ambiguous"
    )
    choices_only: bool = Field(default=True, description="ask each item once more without its scenario, and mark it")
    review: bool = Field(default=True, description="have the judge look for faults of item and explanation")
    sessions: bool = Field(default=True, description="have the judge look at each session as a whole")

    @property
    def asks_about_items(self) -> bool:
        """Whether the judge is asked anything about an item."""
        return bool(self.votes or self.choices_only or self.review)


class DecontaminateConfig(BaseModel):
    """`curate.decontaminate:` which exams the items are compared with, and how closely."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = Field(default=True, description="false is written into data card and report")
    files: tuple[Path, ...] = Field(default=(), description="further exams, JSON or JSONL, whose texts must not occur")
    ngram: int = Field(default=8, ge=5, le=20, description="words in a row that a scenario may not share with an exam")
    similarity: float = Field(default=75.0, ge=50, le=100, description="similarity of two texts that say the same")


class CurateConfig(BaseModel):
    """`curate:` what a draft must satisfy, and how items are balanced and split."""

    model_config = ConfigDict(extra="forbid")
    eu_words: tuple[int, int] = Field(default=(25, 120), description="fewest and most words of an EU scenario")
    ea_words: tuple[int, int] = Field(default=(12, 60), description="fewest and most words of an EA scenario")
    key_length: float = Field(
        default=1.5, ge=1, description="words of the right cause or option, at most so many times the median option's"
    )
    session_faults: float = Field(
        default=0.5, gt=0, le=1, description="share of a session's messages with a fault above which its items go"
    )
    near_duplicate: float = Field(default=85.0, ge=50, le=100, description="similarity of near-duplicate scenarios")
    seen: tuple[Path, ...] = Field(
        default=(), description="items.jsonl of other runs; what repeats a scenario of theirs is dropped as a duplicate"
    )
    embeddings: str | None = Field(
        default=None,
        description="sentence-transformers model, a folder or hub id; compares meanings too (extra `embeddings`)",
    )
    decontaminate: DecontaminateConfig = Field(
        default_factory=DecontaminateConfig, description="comparison with exams, which no recipe can leave out silently"
    )
    sizes: Literal["paper"] | dict[str, int] | None = Field(
        default=None, description="most items per category, `paper` for those of arXiv 2601.01407; default: all"
    )
    validation: float = Field(default=0.08, gt=0, lt=0.5, description="share of items for validation")
    heldout: float = Field(default=0.12, gt=0, lt=0.5, description="share of items held out for the exam")
    min_kept: int = Field(default=1, ge=1, description="the stage fails when fewer items are kept")
    min_yield: float = Field(
        default=0.25, ge=0, le=1, description="the stage fails when less than this share of the drafts is kept"
    )
