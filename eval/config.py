"""Recipe section `exam:`: what the student is examined on, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["likelihood", "generate"]
HUB = "hub"
RunName = Annotated[str, Field(pattern=r"^[\w-]+( [\w-]+)*$")]  # becomes a part of a file name


class ExamConfig(BaseModel):
    """`exam:`"""

    model_config = ConfigDict(extra="forbid")
    emobench: str | None = Field(
        default=HUB,
        description="folder with EA.jsonl and EU.jsonl, `hub` for the Hugging Face data set, or null for none",
    )
    also: dict[RunName, Path] = Field(
        default_factory=dict, description="name → items.jsonl of another run, whose held-out part is examined too"
    )
    modes: tuple[Mode, ...] = Field(default=("likelihood", "generate"), min_length=1)
    limit: int | None = Field(default=None, ge=1, description="at most so many items per task, drawn; default: all")
    max_tokens: int = Field(default=96, ge=8, description="most tokens of a generated answer")
    batch_size: int = Field(default=32, ge=1)
    orders: int = Field(
        default=1,
        ge=1,
        description="in how many orders of the options written answers are asked for; the first is the published one",
    )
    judge_explanations: int = Field(
        default=0,
        ge=0,
        description="answers per student and benchmark whose reasoning the judge looks at; needs lms.judge",
    )


class AnalyseConfig(BaseModel):
    """`analyse:` how the panel is asked."""

    model_config = ConfigDict(extra="forbid")
    samples: int = Field(default=3, ge=1, description="answers per item and model, each with a seed of its own")
    limit: int | None = Field(default=None, ge=1, description="at most so many items per task; default: all")
