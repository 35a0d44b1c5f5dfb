"""Memory of a training, estimated from a model's config before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Machine
from lms.hub import check_model

if TYPE_CHECKING:
    from finetune.plan import Plan

NF4_BITS = 4.127  # per parameter, with double quantisation (Dettmers et al. 2023, section 3)
SPARE = 0.5e9  # bytes: libraries, CUDA context, allocator's slack


@dataclass(frozen=True)
class ModelSize:
    """What a config says of a model.

    ``queries`` and ``keys`` are the widths of all query heads and of all key heads; ``embedded`` are the parameters
    that are never quantised (embedding, head, norms).
    """

    parameters: int
    hidden: int
    layers: int
    queries: int
    keys: int
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
        check_model(base)
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
    head_width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    key_heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    return ModelSize(
        parameters, text.hidden_size, text.num_hidden_layers, head_width * text.num_attention_heads,
        head_width * key_heads, text.vocab_size, text.intermediate_size, parameters - inner, linears,
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

    Weights 4 bytes each in full tuning (and a copy in 16 bits where that is computed in), else those of the precision,
    or 4.127 bits in QLoRA.  Trained parameters: 4 bytes of gradient and 8 of AdamW's moments.  Logits in 32 bits with
    their gradient, at every token.  Activations: see ``_activations``.
    """
    width = 4 if plan.precision == "fp32" else 2
    trained = count_adapter(config, size) if config.has_adapter else size.parameters
    inner = size.parameters - size.embedded
    if config.method == "full":
        copied = inner / size.layers if plan.gradient_checkpointing else inner
        weights = 4.0 * size.parameters + (2.0 * copied if width == 2 else 0)
    elif config.method == "qlora":
        weights = inner * NF4_BITS / 8 + size.embedded * width + 4.0 * trained
    else:
        weights = float(width * size.parameters + 4 * trained)
    tokens = config.batch_size * config.max_length
    return Estimate(
        weights / plan.shards,
        4.0 * trained / plan.shards,
        8.0 * trained / plan.shards,
        tokens * _activations(config, plan, size, width),
        8.0 * tokens * size.vocabulary,
    )


def _activations(config: TrainConfig, plan: Plan, size: ModelSize, width: int) -> float:
    """Return the bytes per token that a decoder with a gated MLP keeps for the backward pass.

    Per layer: both norms keep input and output, and what the next projection reads of them (6 × hidden); attention
    keeps queries, keys, values and its output, but no matrix of scores (flash, sdpa); the MLP keeps gate, its
    activation, up, and their product.  In 16 bits the norms still compute in 32 and keep those copies (16 × hidden
    bytes).  With checkpointing the input of every layer, and one layer in full.  Counted from what PyTorch saves;
    tests/finetune/test_memory.py counts again.
    """
    kept = 6 * size.hidden + 2 * size.queries + 2 * size.keys + 4 * size.intermediate
    layer = width * kept + (16 * size.hidden if width == 2 else 0)
    if not plan.gradient_checkpointing:
        return size.layers * layer
    return size.layers * size.hidden * (4 if config.method == "full" else width) + layer


def check_memory(needed: Estimate, machine: Machine) -> None:
    """Raise TrainingError, with what helps, where the estimate is more than the machine has free."""
    if needed.total > machine.free:
        raise TrainingError(
            f"this training needs about {needed.total / 1e9:.1f} GB and {machine.free / 1e9:.1f} GB are free: lower "
            "train.batch_size or max_length, set gradient_checkpointing: true, or choose method: lora or qlora"
        )
