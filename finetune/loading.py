"""Loading a base as the plan says: precision, attention, and four bits for QLoRA."""

from __future__ import annotations

from typing import Any

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.plan import Plan
from lms.hub import check_model


def load_tokenizer(base: str) -> Any:
    """Return the tokenizer of a folder or hub id; raises TrainingError when there is none, or no chat template."""
    from transformers import AutoTokenizer

    try:
        check_model(base)
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unloadable(base, error) from error
    if tokenizer.chat_template is None:
        raise TrainingError(f"train.base {base!r} has no chat template; choose an instruction-tuned model")
    if tokenizer.pad_token_id is None:  # the mask hides it, so any token will do (Llama and Mistral have none)
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(base: str, config: TrainConfig, plan: Plan) -> Any:
    """Return the model to train.

    Full tuning keeps 32-bit weights, which bf16 or fp16 are computed from; under an adapter the base stays in the
    precision of the computation, or in 4-bit NormalFloat with double quantisation (Dettmers et al. 2023).

    Raises:
        TrainingError: it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    types = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    computed = types[plan.precision]
    options: dict[str, Any] = {"attn_implementation": plan.attention, "trust_remote_code": False}
    if config.method == "qlora":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=computed,
        )
    try:
        return AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32 if config.method == "full" else computed, **options
        )
    except (OSError, ValueError) as error:
        raise _unloadable(base, error) from error


def load_generation_config(base: str) -> Any:
    """Return the generation config of a folder or hub id; an empty one of a model that has none."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(base)
    except OSError:  # a model need not have one; the tokenizer's end token holds then
        return GenerationConfig()


def _unloadable(base: str, error: Exception) -> TrainingError:
    return TrainingError(f"train.base {base!r} cannot be loaded: {str(error).strip().splitlines()[0]}")
