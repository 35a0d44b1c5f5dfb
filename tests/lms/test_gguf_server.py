"""A real GGUF behind llama.cpp's own server, through the engine for OpenAI-compatible servers.

Runs where the extra `gguf` is installed (`pip install -e ".[gguf]"`): building llama.cpp takes half an hour.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest

from finetune.config import ScratchConfig
from finetune.scratch import make_student
from lms.build import build_lm
from lms.ledger import Ledger
from lms.spec import ModelSpec

gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")
pytest.importorskip("llama_cpp", reason="the extra gguf is not installed")

TEXTS = ["The kettle was still warm when Ada came back from the yard.", "Who moved the ladder?", "She waited."] * 20
CONTEXT = 512


def write_gguf(folder: Path, path: Path) -> None:
    """Write a Llama checkpoint with a byte-level BPE tokenizer as GGUF, F32 (notes: llama.cpp's convert_hf_to_gguf)."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).float(), AutoTokenizer.from_pretrained(folder)
    config, weights = model.config, {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // heads)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    special = set(tokenizer.all_special_tokens)
    kinds = [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token, _ in vocabulary]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types(kinds)
    merges = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, array in weights.items():
        count = {"q_proj": heads, "k_proj": kv_heads}.get(name.split(".")[-2], 0)
        if count:  # llama.cpp turns neighbouring pairs, transformers the two halves
            rows, columns = array.shape
            array = array.reshape(count, 2, rows // count // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        writer.add_tensor(names.get_name(name.removesuffix(".weight")) + ".weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama.cpp's server with a tiny model of random weights; yields its address."""
    folder = tmp_path_factory.mktemp("gguf")
    config = ScratchConfig(vocabulary=400, hidden=64, layers=2, heads=2, init_std=0.5)
    make_student(TEXTS, config, max_length=CONTEXT, seed=1, folder=folder / "student")
    write_gguf(folder / "student", folder / "student.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "llama_cpp.server", "--model", str(folder / "student.gguf"),
               "--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(CONTEXT)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(300):
            assert process.poll() is None, "the server did not start"
            try:
                urllib.request.urlopen(f"{address}/models").close()
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def ask(server: str, text: str, **spec: Any) -> tuple[list[Any] | str, Ledger]:
    """Return the answer, or what the error says, and the ledger."""
    ledger = Ledger("test")
    lm = build_lm(ModelSpec(model="llama_server/student", base_url=server, retries=0, **spec), ledger=ledger)
    try:
        return lm(text), ledger
    except dspy.LMError as error:
        return f"{type(error).__name__}: {error}", ledger


def test_what_a_model_of_random_weights_babbles_is_cut_and_counted(server: str) -> None:
    said, ledger = ask(server, "Who moved the ladder?", max_tokens=16)
    assert isinstance(said, str)
    assert "answer cut after 16 tokens; raise max_tokens of llama_server/student" in said
    assert (ledger.total.output_tokens, dict(ledger.total.failed)) == (16, {"answer cut": 1})
    assert ledger.total.input_tokens > 5


def test_a_prompt_that_does_not_fit_is_refused(server: str) -> None:
    said, ledger = ask(server, "The kettle was still warm. " * 300, max_tokens=16)
    assert isinstance(said, str)
    assert ledger.total.failed.total() == 1
    assert said.startswith("ContextWindowExceededError")
