"""What llama.cpp makes of a written GGUF: the tokens and the probabilities of transformers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.gguf_parity import draw_prompts, normalise, open_gguf, open_transformers
from finetune.gguf import write_gguf
from tests.finetune.checkpoints import edit_json, make_checkpoint

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 16}  # fmt: skip
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
TEXTS = (
    "Who moved the ladder?", "In 2024 she had 1234567 kettles, 12 of them 3.5 kg.", "one\n\ntwo\r\n  three\n", "  x  ",
    "\t\tdef f(x):\n\treturn 1", "[[ ## reasoning ## ]]\nHe's proud.\n\n[[ ## answer ## ]]\nB",
    "Zoë said “né” — 🙂👍🏽 été",
)  # fmt: skip
# llama.cpp looks Gemma's activation up in a table of 16-bit numbers
APART = {"llama": 1e-3, "mistral": 1e-3, "qwen2": 1e-3, "gemma": 1e-2}


def compare(model: Path, limit: float) -> None:
    write_gguf(model, model / "student.gguf", "f32")
    _, read = open_gguf(model / "student.gguf")
    own = open_transformers(model)
    for prompt in draw_prompts(model)[:8]:
        assert np.abs(normalise(own(prompt)) - normalise(read(prompt))).max() < limit


@pytest.mark.parametrize("family", APART)
def test_probabilities_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    compare(make_checkpoint(family, tmp_path), APART[family])


@pytest.mark.parametrize("rope", [LLAMA3, LINEAR], ids=["llama3", "linear"])
def test_scaled_rope_is_that_of_transformers(rope: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    compare(make_checkpoint("llama", tmp_path, rope_parameters=rope, tie_word_embeddings=True), 1e-3)


def test_transformers_reads_its_own_model_back(tmp_path: Path) -> None:
    model = make_checkpoint("llama", tmp_path)
    write_gguf(model, model / "student.gguf", "f32")
    prompt = draw_prompts(model)[0]
    back = open_transformers(model, "student.gguf")(prompt)
    assert np.abs(normalise(open_transformers(model)(prompt)) - normalise(back)).max() < 1e-4


def use_digits(rules: dict[str, Any]) -> None:
    whole = rules["pre_tokenizer"]
    rules["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, whole],
    }


@pytest.fixture(params=["llama", "mistral", "qwen2", "gemma", "smollm"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A checkpoint of every cut of words that is known."""
    if request.param != "smollm":
        yield make_checkpoint(request.param, tmp_path)
        return
    model = make_checkpoint("mistral", tmp_path)
    edit_json(model / "tokenizer.json", use_digits)
    yield model


def test_tokens_are_those_of_transformers(model: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    from transformers import AutoTokenizer

    write_gguf(model, model / "student.gguf")
    engine = llama_cpp.Llama(str(model / "student.gguf"), vocab_only=True, verbose=False)
    tokenizer = AutoTokenizer.from_pretrained(model)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": TEXTS[4]}], tokenize=False)
    for text in (*TEXTS, chat):
        assert engine.tokenize(text.encode(), add_bos=True, special=True) == tokenizer(text).input_ids, text


def test_quantized_weights_are_those_of_llama_cpps_own_quantizer(tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    from gguf import GGUFReader

    model = make_checkpoint("llama", tmp_path)
    whole, ours, theirs = (tmp_path / f"{name}.gguf" for name in ("whole", "ours", "theirs"))
    write_gguf(model, whole, "f32")
    write_gguf(model, ours, "q8_0")
    order = llama_cpp.llama_model_quantize_default_params()
    order.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    assert llama_cpp.llama_model_quantize(str(whole).encode(), str(theirs).encode(), order) == 0
    tensors = {tensor.name: tensor for tensor in GGUFReader(theirs).tensors}
    for tensor in GGUFReader(ours).tensors:
        assert tensor.tensor_type == tensors[tensor.name].tensor_type, tensor.name
        assert np.array_equal(tensor.data, tensors[tensor.name].data), tensor.name
