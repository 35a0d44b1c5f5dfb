"""Recipe sections of the corpus: what is planned, and how drafts are curated."""

from __future__ import annotations

from pathlib import Path

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


class CurateConfig(BaseModel):
    """`curate:` what a draft must satisfy, and how items are split."""

    model_config = ConfigDict(extra="forbid")
    eu_words: tuple[int, int] = Field(default=(25, 120), description="fewest and most words of an EU scenario")
    ea_words: tuple[int, int] = Field(default=(12, 70), description="fewest and most words of an EA scenario")
    near_duplicate: float = Field(default=90.0, ge=50, le=100, description="token-set similarity of a near duplicate")
    validation: float = Field(default=0.08, gt=0, lt=0.5, description="share of items for validation")
    heldout: float = Field(default=0.12, gt=0, lt=0.5, description="share of items held out for the exam")
    min_kept: int = Field(default=1, ge=1, description="the stage fails when fewer items are kept")
