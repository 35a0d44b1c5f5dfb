"""The weights, one at a time: found in their shards, named and laid out for llama.cpp, and made smaller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from corpus.errors import ShippingError
from finetune.gguf.architectures import Architecture

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
Q = gguf.GGMLQuantizationType


@dataclass(frozen=True)
class Tensor:
    """One weight: where it lies, its name and type in GGUF, its shape (rows, columns), heads to permute by or 0."""

    source: str
    shard: Path
    name: str
    shape: tuple[int, ...]
    type: gguf.GGMLQuantizationType
    heads: int
    shift: float


def list_tensors(model: Path, config: Any, architecture: Architecture, kind: gguf.GGMLQuantizationType) -> list[Tensor]:
    """List the weights in folder ``model`` in the order of their shards; reads headers only."""
    names = gguf.get_tensor_name_map(
        next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture.name), config.num_hidden_layers
    )
    tied = config.tie_word_embeddings
    heads = (
        {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads} if architecture.permuted else {}
    )
    found = []
    for shard in _list_shards(model):
        with safe_open(shard, framework="pt") as file:
            for source in sorted(file.keys()):
                if source.endswith("rotary_emb.inv_freq") or (tied and source == "lm_head.weight"):
                    continue
                stem, _, ending = source.rpartition(".")
                name = names.get_name(stem)
                if name is None:
                    raise ShippingError(f"{shard}: llama.cpp knows no weight {source}; merge adapters into the model")
                shape = tuple(file.get_slice(source).get_shape())
                shift = architecture.norm_shift if stem.endswith("norm") else 0.0
                head_count = heads.get(stem.rpartition(".")[2], 0)
                found.append(
                    Tensor(source, shard, f"{name}.{ending}", shape, _choose_type(shape, kind), head_count, shift)
                )
    _check_complete({tensor.name for tensor in found}, config, tied, model)
    return found


def read_tensors(tensors: list[Tensor]) -> Iterator[NDArray[Any]]:
    """Yield each of ``tensors`` as the bytes or numbers to write, holding one at a time."""
    for tensor in tensors:
        with safe_open(tensor.shard, framework="pt") as file:
            array = file.get_tensor(tensor.source).float().numpy()
        if tensor.heads:
            array = permute(array, tensor.heads)
        if tensor.shift:
            array = array + np.float32(tensor.shift)
        if not np.isfinite(array).all():
            raise ShippingError(f"{tensor.shard}: {tensor.source} holds numbers that are not finite; train again")
        yield np.ascontiguousarray(gguf.quants.quantize(array, tensor.type))


def permute(array: NDArray[Any], heads: int) -> NDArray[Any]:
    """Turn the rows of each head from halves (transformers) to neighbouring pairs (llama.cpp)."""
    rows = array.shape[0]
    return array.reshape(heads, 2, rows // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def _choose_type(shape: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> gguf.GGMLQuantizationType:
    """Return F32 for vectors (llama.cpp adds and multiplies them as such), F16 where blocks of 32 do not fit."""
    if len(shape) == 1:
        return Q.F32
    return Q.F16 if kind == Q.Q8_0 and shape[-1] % 32 else kind


def _list_shards(model: Path) -> list[Path]:
    if (model / INDEX).is_file():
        index = json.loads((model / INDEX).read_text(encoding="utf-8"))
        shards = [model / name for name in sorted(set(index["weight_map"].values()))]
    else:
        shards = [model / SINGLE]
    for shard in shards:
        if not shard.is_file():
            raise ShippingError(f"{shard}: not found; save the merged model with save_pretrained")
    return shards


def _check_complete(names: set[str], config: Any, tied: bool, model: Path) -> None:
    needed = {"token_embd.weight", "output_norm.weight"} | (set() if tied else {"output.weight"})
    layer = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
    needed |= {f"blk.{number}.{part}.weight" for number in range(config.num_hidden_layers) for part in layer}
    missing = sorted(needed - names)
    if missing:
        raise ShippingError(f"{model}: {len(missing)} weights are missing (first: {missing[0]}); save the model again")
