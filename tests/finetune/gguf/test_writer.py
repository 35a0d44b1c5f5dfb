"""Every way in which a GGUF can silently differ from the model it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, TokenType

from corpus.errors import ShippingError
from finetune.gguf import write_gguf
from finetune.gguf.tensors import permute
from tests.finetune.checkpoints import LLAMA_TEMPLATE, edit_json, make_checkpoint

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip


def write(model: Path, kind: Any = "f32") -> GGUFReader:
    write_gguf(model, model / "student.gguf", kind)
    assert not list(model.glob("*.partial"))
    return GGUFReader(model / "student.gguf")


def field(reader: GGUFReader, name: str) -> Any:
    return reader.fields[name].contents()


def tensors(reader: GGUFReader) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in reader.tensors}


def weights(model: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(model / "model.safetensors")


def refuse(model: Path, match: str) -> None:
    with pytest.raises(ShippingError, match=match) as caught:
        write_gguf(model, model / "student.gguf")
    assert "\n" not in str(caught.value)
    assert not (model / "student.gguf").exists()
    assert not list(model.glob("*.partial"))


def test_theta_is_read_where_transformers_5_keeps_it_and_where_4_kept_it(tmp_path: Path) -> None:
    model = make_checkpoint("llama", tmp_path)
    assert field(write(model), "llama.rope.freq_base") == 500000.0

    def age(config: dict[str, Any]) -> None:
        del config["rope_parameters"]
        config["rope_theta"] = 250000.0

    edit_json(model / "config.json", age)
    assert field(write(model), "llama.rope.freq_base") == 250000.0


def test_scalings_of_rope(tmp_path: Path) -> None:
    reader = write(make_checkpoint("llama", tmp_path / "llama3", rope_parameters=LLAMA3))
    factors = tensors(reader)["rope_freqs.weight"].data
    assert (factors.shape, factors.dtype, factors[0], factors[-1]) == ((8,), np.float32, 1.0, 8.0)
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    reader = write(make_checkpoint("qwen2", tmp_path / "linear", rope_parameters=linear))
    assert (field(reader, "qwen2.rope.scaling.type"), field(reader, "qwen2.rope.scaling.factor")) == ("linear", 2.0)
    yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0, "original_max_position_embeddings": 256}
    refuse(make_checkpoint("qwen2", tmp_path / "yarn", rope_parameters=yarn), "rope scaling yarn")


def test_the_chat_template_comes_from_its_own_file_and_from_the_configuration(tmp_path: Path) -> None:
    model = make_checkpoint("llama", tmp_path)
    assert (model / "chat_template.jinja").is_file()
    assert field(write(model), "tokenizer.chat_template") == LLAMA_TEMPLATE
    (model / "chat_template.jinja").unlink()
    edit_json(model / "tokenizer_config.json", lambda config: config.update(chat_template="{{ messages }}"))
    assert field(write(model), "tokenizer.chat_template") == "{{ messages }}"


def test_the_cut_of_words_is_recognised_by_its_rules(tmp_path: Path) -> None:
    for family, name in (("llama", "llama-bpe"), ("mistral", "gpt-2"), ("qwen2", "qwen2")):
        assert field(write(make_checkpoint(family, tmp_path / family)), "tokenizer.ggml.pre") == name
    model, whole = tmp_path / "mistral", {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                                          "use_regex": True}  # fmt: skip

    def cut(*steps: dict[str, Any]) -> None:
        edit_json(model / "tokenizer.json", lambda rules: rules.update(
            pre_tokenizer={"type": "Sequence", "pretokenizers": [*steps, whole]}
        ))  # fmt: skip
        (model / "student.gguf").unlink(missing_ok=True)

    cut({"type": "Digits", "individual_digits": True})
    assert field(write(model), "tokenizer.ggml.pre") == "smollm"
    cut({"type": "Digits", "individual_digits": False})
    refuse(model, r"pre-tokenizer Digits \+ ByteLevel")


def test_rows_of_queries_and_keys_change_order_for_llama_only(tmp_path: Path) -> None:
    for family, turned in (("llama", True), ("mistral", True), ("qwen2", False)):
        model = make_checkpoint(family, tmp_path / family)
        read, own = tensors(write(model)), weights(model)
        for part, name, heads in (("q_proj", "attn_q", 4), ("k_proj", "attn_k", 2), ("v_proj", "attn_v", 0)):
            weight = own[f"model.layers.1.self_attn.{part}.weight"]
            expected = permute(weight, heads) if turned and heads else weight
            assert np.array_equal(read[f"blk.1.{name}.weight"].data, expected)
    assert "blk.0.attn_q.bias" in read


def test_halves_become_neighbours() -> None:
    assert permute(np.arange(8), 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_tied_output_is_left_out(tmp_path: Path) -> None:
    assert "output.weight" in tensors(write(make_checkpoint("llama", tmp_path / "untied")))
    tied = make_checkpoint("llama", tmp_path / "tied", tie_word_embeddings=True)
    assert "output.weight" not in tensors(write(tied))


def test_a_padded_vocabulary_has_a_token_for_every_row(tmp_path: Path) -> None:
    reader = write(make_checkpoint("qwen2", tmp_path, vocab_size=416))
    tokens, kinds = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    assert (len(tokens), tokens[415], set(kinds[400:])) == (416, "[PAD415]", {TokenType.UNUSED})
    assert kinds[tokens.index("<|im_end|>")] == TokenType.CONTROL
    assert field(reader, "tokenizer.ggml.eos_token_id") == tokens.index("<|im_end|>")
    assert field(reader, "tokenizer.ggml.add_bos_token") is False
    refuse(make_checkpoint("llama", tmp_path / "small", vocab_size=390), "knows 400 tokens and the model 390")


def test_a_start_is_added_where_the_tokenizer_adds_it(tmp_path: Path) -> None:
    assert field(write(make_checkpoint("llama", tmp_path)), "tokenizer.ggml.add_bos_token") is True


def test_what_cannot_be_written_is_refused_in_a_line(tmp_path: Path) -> None:
    model = make_checkpoint("llama", tmp_path)
    edit_json(model / "config.json", lambda config: config.update(architectures=["Phi3ForCausalLM"]))
    refuse(model, "Phi3ForCausalLM cannot be written as GGUF here, only LlamaForCausalLM, Mistral")
    edit_json(model / "config.json", lambda config: config.update(architectures=["LlamaForCausalLM"]))
    (model / "model.safetensors").unlink()
    refuse(model, "model.safetensors: not found")
    refuse(tmp_path / "nowhere", "no config.json")


def test_weights_that_are_not_finite_leave_no_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    model = make_checkpoint("qwen2", tmp_path)
    spoilt = weights(model)
    spoilt["model.norm.weight"][3] = np.nan
    save_file(spoilt, model / "model.safetensors", {"format": "pt"})
    refuse(model, "model.norm.weight holds numbers that are not finite")


def test_shards_and_kinds(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = make_checkpoint("llama", tmp_path)
    whole = tensors(write(model))
    AutoModelForCausalLM.from_pretrained(model).bfloat16().save_pretrained(model, max_shard_size="100KB")
    (model / "model.safetensors").unlink(missing_ok=True)
    assert len(list(model.glob("model-*.safetensors"))) > 1
    for kind, type_ in (("f16", GGMLQuantizationType.F16), ("q8_0", GGMLQuantizationType.Q8_0)):
        parts = tensors(write(model, kind))
        assert parts.keys() == whole.keys()
        assert parts["blk.0.ffn_up.weight"].tensor_type == type_
        assert parts["blk.0.attn_norm.weight"].tensor_type == GGMLQuantizationType.F32
        assert parts["blk.0.ffn_up.weight"].shape.tolist() == [64, 96]
