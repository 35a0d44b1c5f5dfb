"""Tiny checkpoints with random weights, one per architecture, and one as an adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from finetune.config import ScratchConfig
from finetune.scratch import make_student
from lms.in_process.checkpoint import Checkpoint
from lms.in_process.engine import InProcessEngine

TEXTS = ["The kettle was still warm when Ada came back from the yard.", "Who moved the ladder?", "She waited."] * 20
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "initializer_range": 0.5,  # wide, so that answers differ
}
ARCHITECTURES: dict[str, tuple[type, type]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "gemma": (GemmaConfig, GemmaForCausalLM),
}
# As Gemma's: no system role, turns alternate, the model's turn has a name of its own.
GEMMA_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "<{{ 'model' if m['role'] == 'assistant' else m['role'] }}>{{ m['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<model>{% endif %}"
)
# As Qwen's: a system role among the others.
CHATML_TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny student, made as the train stage makes one."""
    folder = tmp_path_factory.mktemp("student")
    config = ScratchConfig(vocabulary=320, hidden=32, layers=2, heads=2, init_std=0.5)  # wide, so that answers differ
    make_student(TEXTS, config, max_length=256, seed=1, folder=folder)
    return folder


@pytest.fixture(scope="session")
def architectures(student: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder per architecture, with sampling values in its generation config as many on the Hub have."""
    folders = {}
    for name, (config_class, model_class) in ARCHITECTURES.items():
        tokenizer = AutoTokenizer.from_pretrained(student)
        tokenizer.chat_template = GEMMA_TEMPLATE if name == "gemma" else CHATML_TEMPLATE
        torch.manual_seed(3)
        model = model_class(config_class(vocab_size=len(tokenizer), eos_token_id=1, pad_token_id=0, **SIZES))
        model.generation_config.update(
            do_sample=True, temperature=0.6, top_p=0.9, top_k=20, repetition_penalty=1.3, eos_token_id=[1, 2]
        )
        folders[name] = tmp_path_factory.mktemp(name)
        tokenizer.save_pretrained(folders[name])
        model.save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="session")
def adapter(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the student, away from zero, saved without a tokenizer."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    config = LoraConfig(r=4, task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(AutoModelForCausalLM.from_pretrained(student), config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoint(student: Path) -> Checkpoint:
    return Checkpoint(str(student))


@pytest.fixture(scope="session")
def engine(student: Path) -> Iterator[InProcessEngine]:
    with InProcessEngine(str(student), max_batch=4) as engine:
        yield engine


@pytest.fixture(scope="session")
def model_of(checkpoint: Checkpoint) -> Callable[[str], Any]:
    """Give a model with random weights by name: an architecture, or one that keeps what it has read in another way."""

    @cache
    def make(name: str) -> Any:
        size = {"vocab_size": len(checkpoint.chat.tokenizer), "eos_token_id": 1, "pad_token_id": 0}
        torch.manual_seed(3)
        if name == "sliding":  # a window that is shorter than the prompts
            return MistralForCausalLM(MistralConfig(**size, **SIZES, sliding_window=9)).eval()
        if name == "positions":  # learned for each place
            return GPT2LMHeadModel(GPT2Config(**size, n_embd=32, n_layer=2, n_head=2, n_positions=512)).eval()
        if name == "hybrid":  # convolutions beside attention
            kinds = ["conv", "full_attention"]
            return Lfm2ForCausalLM(
                Lfm2Config(**size, **SIZES, layer_types=kinds, block_auto_adjust_ff_dim=False)
            ).eval()
        if name == "recurrent":
            return MambaForCausalLM(MambaConfig(**size, hidden_size=32, state_size=4, num_hidden_layers=2)).eval()
        config_class, model_class = ARCHITECTURES[name]
        return model_class(config_class(**size, **SIZES)).eval()

    return make
