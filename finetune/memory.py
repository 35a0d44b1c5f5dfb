"""Memory of a training, estimated from a model's config before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Machine

if TYPE_CHECKING:
    from finetune.plan import Plan

NF4_BITS = 4.127  # per parameter, with double quantisation (Dettmers et al. 2023, section 3)
SPARE = 0.5e9  # bytes: libraries, CUDA context, allocator's slack


@dataclass(frozen=True)
class ModelSize:
    """What a config says of a model; ``embedded`` are the parameters that are never quantised (embedding and head)."""

    parameters: int
    hidden: int
    layers: int
    heads: int
    vocabulary: int
    intermediate: int
    embedded: int
    linears: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Estimate:
    """Expected bytes on one device."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All of it, in bytes."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + SPARE

    def __str__(self) -> str:
        parts = ("weights", "gradients", "optimizer", "activations", "logits")
        said = ", ".join(f"{part} {getattr(self, part) / 1e9:.1f}" for part in parts)
        return f"{self.total / 1e9:.1f} GB expected ({said})"


def size_of(base: str) -> ModelSize:
    """Return the size of a base from its config alone; of a hub id nothing else is downloaded.

    Raises:
        TrainingError: it has no config that transformers knows.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"train.base {base!r} cannot be loaded: {reason}") from error
    text = config.get_text_config()
    head = model.get_output_embeddings()
    linears = {
        name: (module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    parameters = sum(weight.numel() for weight in model.parameters())
    inner = sum(rows * columns for rows, columns in linears.values())
    return ModelSize(
        parameters, text.hidden_size, text.num_hidden_layers, text.num_attention_heads, text.vocab_size,
        text.intermediate_size, parameters - inner, linears,
    )  # fmt: skip


def count_adapter(config: TrainConfig, size: ModelSize) -> int:
    """Return the parameters of the adapter: rank × (inputs + outputs) per adapted module (Hu et al. 2021)."""
    wanted = config.lora.targets
    return sum(
        config.lora.rank * (inputs + outputs)
        for name, (inputs, outputs) in size.linears.items()
        if wanted == "all-linear" or name.rpartition(".")[2] in wanted
    )


def estimate(config: TrainConfig, plan: Plan, size: ModelSize) -> Estimate:
    """Estimate the bytes of one training step on one device.

    Weights 4 bytes each in full tuning, else those of the precision, or 4.127 bits in QLoRA.  Trained parameters: 4
    bytes of gradient and 8 of AdamW's moments.  Activations per token and layer: 34 × hidden bytes in 16 bits, as in
    Korthikanti et al. 2022 (equation 2, without the attention matrix, which flash and sdpa do not keep), twice that in
    32; with checkpointing the layer's input alone, and one layer in full.  Logits in 32 bits with their gradient, at
    every token.
    """
    width = 4 if plan.precision == "fp32" else 2
    trained = count_adapter(config, size) if config.has_adapter else size.parameters
    if config.method == "full":
        weights = 4.0 * size.parameters
    elif config.method == "qlora":
        weights = (size.parameters - size.embedded) * NF4_BITS / 8 + size.embedded * width + 4.0 * trained
    else:
        weights = float(width * size.parameters + 4 * trained)
    tokens = config.batch_size * config.max_length
    layer = 34 * size.hidden * tokens * width / 2
    kept = size.layers * size.hidden * tokens * width + layer if plan.gradient_checkpointing else size.layers * layer
    return Estimate(
        weights / plan.shards,
        4.0 * trained / plan.shards,
        8.0 * trained / plan.shards,
        kept,
        8.0 * tokens * size.vocabulary,
    )


def check_memory(needed: Estimate, machine: Machine) -> None:
    """Raise TrainingError, with what helps, where the estimate is more than the machine has free."""
    if needed.total > machine.free:
        raise TrainingError(
            f"this training needs about {needed.total / 1e9:.1f} GB and {machine.free / 1e9:.1f} GB are free: lower "
            "train.batch_size or max_length, set gradient_checkpointing: true, or choose method: lora or qlora"
        )
