"""Tiny checkpoints of the families of models, random but decided: what a hub would deliver, made on the spot.

Each has a byte-level BPE tokenizer of its own, cut and marked the way of its family, and a chat template of the
family's form.  Weights are drawn so that logits are far apart and every tensor matters: biases and norms are not
what they are at birth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXTS = (
    "The kettle was still warm when Ada came back from the yard, and nobody had touched the bread.",
    "Who moved the ladder? She waited by the door; Tom said nothing, and then he laughed.",
    "[[ ## reasoning ## ]]\nHe is proud of her, but he doesn't show it.\n\n[[ ## answer ## ]]\nB",
    "Question 12: what would Maria feel in 2024?\n(A) relief (B) anger (C) 37 kinds of guilt\n",
)
POSITIONS = 512

LLAMA3_CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2_CUT = LLAMA3_CUT.replace(r"\p{N}{1,3}", r"\p{N}")

LLAMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL_TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
QWEN2_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA_TEMPLATE = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n'"
    " + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """What sets a family apart: its marks (bos, eos and pad by name), how it cuts words, and its template."""

    marks: tuple[str, ...]
    bos: str | None
    eos: str
    pad: str
    cut: str | None
    template: str
    config: Mapping[str, Any]


FAMILIES = {
    "llama": Family(
        ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|pad|>"),
        "<|begin_of_text|>", "<|eot_id|>", "<|pad|>", LLAMA3_CUT, LLAMA_TEMPLATE, {"rope_theta": 500000.0},
    ),
    "mistral": Family(
        ("<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]"),
        "<s>", "</s>", "<pad>", None, MISTRAL_TEMPLATE, {"rope_theta": 1000000.0, "sliding_window": None},
    ),
    "qwen2": Family(
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        None, "<|im_end|>", "<|endoftext|>", QWEN2_CUT, QWEN2_TEMPLATE, {"rope_theta": 1000000.0},
    ),
    "gemma": Family(
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<bos>", "<eos>", "<pad>", None, GEMMA_TEMPLATE, {"head_dim": 16, "tie_word_embeddings": True},
    ),
}  # fmt: skip


def make_checkpoint(architecture: str, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a tiny ``architecture`` (llama, mistral, qwen2, gemma) to ``folder`` and return it.

    ``changes`` go to the configuration: num_key_value_heads, tie_word_embeddings, rope_parameters, vocab_size, …
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    family = FAMILIES[architecture]
    tokenizer = make_tokenizer(family)
    values: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": POSITIONS,
        "tie_word_embeddings": False, "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id, **family.config,
    }  # fmt: skip
    values["rope_parameters"] = {"rope_type": "default", "rope_theta": values.pop("rope_theta", 10000.0)}
    config = AutoConfig.for_model(architecture, **(values | changes))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    draw_weights(model, seed)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def draw_weights(model: Any, seed: int) -> None:
    """Draw every weight anew: matrices of ordinary size, embeddings and output large, norms and biases spread.

    0.1 is for 64 columns what the usual 0.02 is for 2048: a matrix leaves the size of what it multiplies about as is.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=draw)
            if weight.dim() == 1:
                weight.add_(noise * 0.2)
            else:
                weight.copy_(noise * (0.5 if "embed" in name or "lm_head" in name else 0.1))


def make_tokenizer(family: Family) -> Any:
    """Train a byte-level BPE tokenizer on ``TEXTS``, with the marks, the cut, and the template of ``family``."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    if family.cut is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(family.cut), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])  # fmt: skip
    if family.bos is None:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(family.marks),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    byte_level = processors.ByteLevel(trim_offsets=False)
    if family.bos is None:
        tokenizer.post_processor = byte_level
    else:
        start = processors.TemplateProcessing(
            single=f"{family.bos} $A",
            pair=f"{family.bos} $A {family.bos} $B",
            special_tokens=[(family.bos, tokenizer.token_to_id(family.bos))],
        )
        tokenizer.post_processor = processors.Sequence([byte_level, start])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.pad,
        model_max_length=POSITIONS,
    )
    fast.chat_template = family.template
    return fast


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Apply ``change`` to the object in the JSON file ``path``."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
