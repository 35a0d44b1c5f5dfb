"""A plain transformers folder as one GGUF file, complete or not there at all."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np

from corpus.errors import ShippingError
from finetune.gguf.architectures import Architecture, find_architecture
from finetune.gguf.rope import Rope, read_rope
from finetune.gguf.tensors import Tensor, list_tensors, read_tensors
from finetune.gguf.vocabulary import Vocabulary, read_vocabulary

Kind = Literal["f32", "f16", "q8_0"]
Q, FileType = gguf.GGMLQuantizationType, gguf.LlamaFileType
KINDS: dict[Kind, tuple[gguf.GGMLQuantizationType, gguf.LlamaFileType]] = {
    "f32": (Q.F32, FileType.ALL_F32),
    "f16": (Q.F16, FileType.MOSTLY_F16),
    "q8_0": (Q.Q8_0, FileType.MOSTLY_Q8_0),
}


def write_gguf(model: Path, file: Path, kind: Kind = "f16") -> None:
    """Write the transformers folder ``model`` (safetensors, config, tokenizer) to ``file``.

    Matrices are stored as ``kind``, vectors always as 32-bit floats.  Weights pass through memory one at a time.

    Raises:
        ShippingError: the architecture, the rope scaling, or the tokenizer has no equal in llama.cpp known here, or
            weights are missing.
    """
    from transformers import AutoConfig

    if not (model / "config.json").is_file():
        raise ShippingError(f"{model}: no config.json; give the folder of a model saved with save_pretrained")
    config = AutoConfig.from_pretrained(model)
    architecture = find_architecture(config, model)
    head_dim = config.head_dim if getattr(config, "head_dim", None) else _split_heads(config)
    rope = read_rope(config, architecture, head_dim, model)
    tensors = list_tensors(model, config, architecture, KINDS[kind][0])
    rows = next(tensor.shape[0] for tensor in tensors if tensor.name == "token_embd.weight")
    vocabulary = read_vocabulary(model, rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    writer = gguf.GGUFWriter(partial, architecture.name)
    try:
        with closing(writer):
            _add_sizes(writer, config, architecture, head_dim, rope)
            writer.add_vocab_size(rows)
            writer.add_file_type(KINDS[kind][1])
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
            _add_vocabulary(writer, vocabulary)
            _write(writer, tensors, rope)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _split_heads(config: Any) -> int:
    return int(config.hidden_size // config.num_attention_heads)


def _add_sizes(writer: gguf.GGUFWriter, config: Any, architecture: Architecture, head_dim: int, rope: Rope) -> None:
    # llama.cpp attends to all that came before; within the window of a sliding attention the two are the same
    window = getattr(config, "sliding_window", None)
    writer.add_context_length(min(config.max_position_embeddings, window or config.max_position_embeddings))
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope.theta)
    if rope.linear is not None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope.linear)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.splitting.model)
    writer.add_tokenizer_pre(vocabulary.splitting.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    if vocabulary.splitting.model == "llama":
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.splitting.space_prefix)
    else:
        writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    if vocabulary.pad is not None:
        writer.add_pad_token_id(vocabulary.pad)
    if vocabulary.unknown is not None:
        writer.add_unk_token_id(vocabulary.unknown)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_add_eos_token(vocabulary.add_eos)
    if vocabulary.template is not None:
        writer.add_chat_template(vocabulary.template)


def _write(writer: gguf.GGUFWriter, tensors: list[Tensor], rope: Rope) -> None:
    if rope.factors is not None:
        writer.add_tensor_info("rope_freqs.weight", rope.factors.shape, rope.factors.dtype, rope.factors.nbytes)
    for tensor in tensors:
        shape, dtype = tensor.shape, np.dtype(np.float16 if tensor.type == Q.F16 else np.float32)
        if tensor.type == Q.Q8_0:
            shape, dtype = gguf.quant_shape_to_byte_shape(shape, tensor.type), np.dtype(np.uint8)
        size = int(np.prod(shape)) * dtype.itemsize
        writer.add_tensor_info(tensor.name, shape, dtype, size, raw_dtype=tensor.type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if rope.factors is not None:
        writer.write_tensor_data(rope.factors)
    for array in read_tensors(tensors):
        writer.write_tensor_data(array)
