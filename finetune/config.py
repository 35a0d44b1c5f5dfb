"""Recipe section `train:`: which student, how it answers, and how it is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from signatures.formats import AnswerFormat

SCRATCH = "scratch"


class ScratchConfig(BaseModel):
    """Size of a student made from scratch: a Llama-architecture model with random weights."""

    model_config = ConfigDict(extra="forbid")
    vocabulary: int = Field(default=2048, ge=300, description="entries of the tokenizer, trained on the corpus")
    hidden: int = Field(default=128, ge=16, description="width")
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    init_std: float = Field(default=0.05, gt=0, description="spread of the random weights")


class TrainConfig(BaseModel):
    """`train:`"""

    model_config = ConfigDict(extra="forbid")
    base: str = Field(default=SCRATCH, description="`scratch`, a local model folder, or a Hugging Face id")
    scratch: ScratchConfig = Field(default_factory=ScratchConfig)
    method: Literal["full", "lora"] = Field(default="full", description="all weights, or a PEFT LoRA adapter, merged")
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=32, ge=1)
    formats: dict[AnswerFormat, Annotated[int, Field(ge=1)]] = Field(
        default={"option": 1},
        min_length=1,
        description="answer format → how often each item is shown in it, each time in another order of options",
    )
    with_items: tuple[Path, ...] = Field(
        default=(), description="items.jsonl of other runs, whose training part is trained on too"
    )
    rename: bool = Field(default=False, description="give an item's people new names each time it is shown")
    epochs: float = Field(default=1, gt=0, description="passes over the rows")
    max_steps: int = Field(default=-1, description="stop after so many steps; -1 for all epochs")
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    warmup_steps: int = Field(default=20, ge=0)
    max_length: int = Field(default=1024, ge=32, description="tokens of a row; longer rows stop the stage, uncut")
    checkpoint_steps: int = Field(default=200, ge=1, description="a killed training goes on from the last checkpoint")
    threads: int | None = Field(default=None, ge=1, description="CPU threads of torch; default: torch's own choice")

    @property
    def written_format(self) -> AnswerFormat:
        """The format in which the student is asked to write: the first one that shows options, if there is one."""
        return next((name for name in self.formats if name != "open"), "open")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.base == SCRATCH and self.method == "lora":
            raise ValueError(
                "method lora needs a trained base: random weights frozen under an adapter learn little; "
                "write `method: full`, or name a model in `base`"
            )
        if self.scratch.hidden % self.scratch.heads:
            raise ValueError(f"scratch.hidden ({self.scratch.hidden}) must be a multiple of scratch.heads")
        return self
