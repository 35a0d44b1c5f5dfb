"""Recipe section `train:`: which student, how it answers, and how it is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finetune.presets import PRESETS, PresetName, fill_in
from signatures.formats import AnswerFormat

SCRATCH = "scratch"
Method = Literal["full", "lora", "qlora"]
# group: rows of like length together; pack: several rows in one sequence; pad: all to max_length, as in the paper.
Layout = Literal["auto", "group", "pack", "pad"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
Attention = Literal["auto", "flash", "sdpa", "eager"]
Launch = Literal["none", "ddp", "fsdp2", "zero3"]


class ScratchConfig(BaseModel):
    """Size of a student made from scratch: a Llama-architecture model with random weights."""

    model_config = ConfigDict(extra="forbid")
    vocabulary: int = Field(default=2048, ge=300, description="entries of the tokenizer, trained on the corpus")
    hidden: int = Field(default=128, ge=16, description="width")
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    init_std: float = Field(default=0.05, gt=0, description="spread of the random weights")
    warm_up_epochs: float = Field(
        default=0, ge=0, description="passes over the training sessions' text before tuning, as a language model"
    )


class LoraSection(BaseModel):
    """`train.lora:` the adapter of the methods lora and qlora."""

    model_config = ConfigDict(extra="forbid")
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: Literal["all-linear"] | tuple[str, ...] = Field(
        default="all-linear", description="modules that get an adapter: all-linear, or names such as q_proj"
    )


class TrainConfig(BaseModel):
    """`train:`; keys that are not set are the preset's."""

    model_config = ConfigDict(extra="forbid")
    preset: PresetName = Field(default="default", description=f"what keys are when not set: {', '.join(PRESETS)}")
    base: str = Field(default=SCRATCH, description="`scratch`, a local model folder, or a Hugging Face id")
    scratch: ScratchConfig = Field(default_factory=ScratchConfig)
    method: Method = Field(default="full", description="all weights; a LoRA adapter; one on a base in 4 bits (QLoRA)")
    lora: LoraSection = Field(default_factory=LoraSection)
    formats: dict[AnswerFormat, Annotated[int, Field(ge=1)]] = Field(
        default={"option": 1},
        min_length=1,
        description="answer format → how often each item is shown in it, each time in another order of options",
    )
    with_items: tuple[Path, ...] = Field(
        default=(), description="items.jsonl of other runs, whose training part is trained on too"
    )
    rename: bool = Field(default=False, description="give an item's people new names each time it is shown")
    loss_on: Literal["answer", "all"] = Field(default="answer", description="tokens that carry loss")
    layout: Layout = Field(default="auto", description="how rows share a batch; auto: pack where flash attention is")
    epochs: float = Field(default=1, gt=0, description="passes over the rows")
    max_steps: int = Field(default=-1, description="stop after so many steps; -1 for all epochs")
    batch_size: int = Field(default=8, ge=1, description="rows (or packed sequences) at once on one device")
    accumulate: int = Field(default=1, ge=1, description="batches whose gradients are summed for one step")
    learning_rate: float = Field(default=2e-4, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = Field(default="cosine", description="after the warm-up")
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_length: int = Field(default=1024, ge=32, description="most tokens of a row; none is ever cut")
    too_long: Literal["stop", "drop"] = Field(
        default="stop", description="rows over max_length: stop the stage, or leave them out, counted and named"
    )
    checkpoint_steps: int = Field(default=200, ge=1, description="a killed training goes on from the last checkpoint")
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many looks at the validation loss without a lower one"
    )
    keep: Literal["best", "last"] = Field(default="last", description="which checkpoint becomes the student")
    precision: Precision = Field(default="auto", description="auto: bf16 where the device has it, else fp32")
    attention: Attention = Field(default="auto", description="auto: flash attention where it is installed, else sdpa")
    gradient_checkpointing: bool | None = Field(default=None, description="default: only where memory asks for it")
    liger: bool | None = Field(default=None, description="Liger's fused kernels; default: where they are installed")
    tracker: Literal["none", "tensorboard", "trackio"] = Field(default="none", description="where curves are logged")
    launch: Launch = Field(default="none", description="several devices: by accelerate launch, in this way")
    processes: int | None = Field(default=None, ge=1, description="of launch: default one per GPU")
    threads: int | None = Field(default=None, ge=1, description="CPU threads of torch; default: torch's own choice")

    @property
    def written_format(self) -> AnswerFormat:
        """The format in which the student is asked to write: the first one that shows options, if there is one."""
        return next((name for name in self.formats if name != "open"), "open")

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter is trained and merged, and not the weights themselves."""
        return self.method != "full"

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_preset(cls, data: Any) -> Any:
        return fill_in(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.base == SCRATCH and self.has_adapter and not self.scratch.warm_up_epochs:
            raise ValueError(
                f"method {self.method} needs a trained base: random weights frozen under an adapter learn little; "
                "write `method: full`, set scratch.warm_up_epochs, or name a model in `base`"
            )
        if self.scratch.hidden % self.scratch.heads:
            raise ValueError(f"scratch.hidden ({self.scratch.hidden}) must be a multiple of scratch.heads")
        return self
