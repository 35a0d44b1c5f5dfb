"""Recipe sections `compile:`, `programs:`, and `rounds:`; read without loading DSPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lms.limits import LimitsConfig

Kind = Literal["session", "items", "exam"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OptimizerName = Literal[
    "labeled", "bootstrap", "random-search", "mipro", "gepa", "simba", "copro", "infer-rules"
]  # fmt: skip
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
BEST = "best"
ItemCriterion = Literal["format", "leak", "plan_fit", "distractors", "grounded", "agreement", "novelty"]
SessionCriterion = Literal["format", "leak", "plan_fit", "phases", "arc", "craft", "novelty", "safety"]
ExamCriterion = Literal["format", "right"]
Weight = float


class WeightsConfig(BaseModel):
    """`compile.weights:` how much of the quality is lost when a criterion fails: 1 all of it, 0 nothing."""

    model_config = ConfigDict(extra="forbid")
    items: dict[ItemCriterion, Weight] = Field(
        default_factory=dict, description=f"criterion → 0 to 1; {', '.join(get_args(ItemCriterion))}"
    )
    session: dict[SessionCriterion, Weight] = Field(
        default_factory=dict, description=f"criterion → 0 to 1; {', '.join(get_args(SessionCriterion))}"
    )
    exam: dict[ExamCriterion, Weight] = Field(
        default_factory=dict, description=f"criterion → 0 to 1; {', '.join(get_args(ExamCriterion))}"
    )

    @field_validator("items", "session", "exam")
    @classmethod
    def _are_shares(cls, weights: dict[str, Weight]) -> dict[str, Weight]:
        if not all(0 <= weight <= 1 for weight in weights.values()):
            raise ValueError("weights are shares from 0 to 1")
        return weights


class CompileConfig(BaseModel):
    """`compile:` how prompts are compiled, on what, and what it may cost."""

    model_config = ConfigDict(extra="forbid")
    optimizer: OptimizerName | list[OptimizerName] = Field(
        default="gepa", description="one optimizer, or a chain such as [bootstrap, gepa]"
    )
    train: int = Field(default=60, ge=2, description="cases that an optimizer learns from")
    dev: int = Field(default=30, ge=2, description="cases by which it chooses")
    final: int = Field(default=80, ge=10, description="cases that no optimizer sees: the result is measured on them")
    budget: LimitsConfig = Field(
        default_factory=LimitsConfig, description="most calls, tokens, money, or minutes of one compilation"
    )
    metric_calls: int = Field(
        default=600, ge=20, description="most cases that an optimizer may try; a budget of calls lowers it"
    )
    demos: int = Field(default=4, ge=0, le=16, description="most demonstrations per predictor")
    threshold: float = Field(default=0.9, gt=0, le=1, description="quality from which a case may be a demonstration")
    judge: bool = Field(default=True, description="ask the judge where rules cannot tell")
    votes: int = Field(default=2, ge=0, le=9, description="blind answers per item that the metric asks for")
    weights: WeightsConfig = Field(default_factory=WeightsConfig, description="weights of the criteria")
    existing: tuple[Path, ...] = Field(
        default=(), description="items.jsonl files of runs: a new item must not repeat a scenario of theirs"
    )
    failures: float = Field(
        default=0.1, gt=0, lt=1, description="share of cases without an answer from which the compilation stops"
    )
    threads: int = Field(default=1, ge=1, le=512, description="cases at once")

    @property
    def chain(self) -> list[OptimizerName]:
        """The optimizers in the order in which they run."""
        return self.optimizer if isinstance(self.optimizer, list) else [self.optimizer]

    @field_validator("optimizer", mode="before")
    @classmethod
    def _are_known(cls, chain: Any) -> Any:
        names = chain if isinstance(chain, list) else [chain]
        if unknown := [name for name in names if name not in OPTIMIZERS] or ([] if names else [""]):
            raise ValueError(f"{unknown[0]!r} is no optimizer; name one of {', '.join(OPTIMIZERS)}, or a list of them")
        return chain


class ProgramsConfig(BaseModel):
    """`programs:` compiled programs that a run uses: a path, or `best` of those in out/programs."""

    model_config = ConfigDict(extra="forbid")
    session: str | None = Field(default=None, description="how sessions are written; default: uncompiled")
    items: str | None = Field(default=None, description="how items are written; default: uncompiled")
    exam: str | None = Field(
        default=None, description="prompt with which the untuned student is examined too, beside its plain one"
    )


class RoundsConfig(BaseModel):
    """`rounds:` generate → train → examine → plan again, so many times."""

    model_config = ConfigDict(extra="forbid")
    count: int = Field(default=1, ge=1, le=20, description="rounds; 1 is a plain run")
    sessions: int | None = Field(
        default=None, ge=1, description="sessions of each further round; default: plan.sessions"
    )
    compile: list[Kind] = Field(default_factory=list, description="programs compiled anew before each further round")
