"""What llama.cpp expects of each architecture that can be written: its name there, and what is turned on the way.

Source: llama.cpp's convert_hf_to_gguf.py (LlamaModel, Qwen2Model, GemmaModel), each verified here by equal logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ShippingError


@dataclass(frozen=True)
class Architecture:
    """How the weights of one transformers class are named and laid out in llama.cpp.

    Attributes:
        name: the architecture's name in GGUF.
        permuted: rows of the query and key projections change order: llama.cpp turns neighbouring pairs of this
            architecture, transformers the two halves of a head.
        norm_shift: what is added to the weights of every norm (Gemma's transformers code adds 1 while it runs).
        always_tied: llama.cpp knows no output matrix of this architecture but the embeddings.
        llama3_rope: llama.cpp reads the factors of llama-3's rope scaling for this architecture.
        activation: the only activation that llama.cpp computes for it.
    """

    name: str
    permuted: bool = False
    norm_shift: float = 0.0
    always_tied: bool = False
    llama3_rope: bool = False
    activation: str = "silu"


_LLAMA = Architecture("llama", permuted=True, llama3_rope=True)
ARCHITECTURES = {
    "LlamaForCausalLM": _LLAMA,
    "MistralForCausalLM": _LLAMA,
    "Qwen2ForCausalLM": Architecture("qwen2"),
    "GemmaForCausalLM": Architecture("gemma", norm_shift=1.0, always_tied=True, activation="gelu_pytorch_tanh"),
}


def find_architecture(config: Any, model: Path) -> Architecture:
    """Return the architecture of a transformers ``config``; raises ShippingError for one that cannot be written."""
    name = (config.architectures or ["no architecture"])[0]
    found = ARCHITECTURES.get(name)
    if found is None:
        raise ShippingError(
            f"{model}: {name} cannot be written as GGUF here, only {', '.join(ARCHITECTURES)};"
            " use llama.cpp's convert_hf_to_gguf.py"
        )
    if config.hidden_act != found.activation:
        raise ShippingError(f"{model}: llama.cpp runs {name} with {found.activation} only, not {config.hidden_act}")
    if found.always_tied and not config.tie_word_embeddings:
        raise ShippingError(f"{model}: llama.cpp runs {name} with tied embeddings only; set tie_word_embeddings")
    return found
