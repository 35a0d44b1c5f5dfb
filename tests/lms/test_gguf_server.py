"""A real GGUF behind llama.cpp's own server, through the engine for OpenAI-compatible servers.

Runs where the extra `gguf` is installed (`pip install -e ".[gguf]"`): building llama.cpp takes half an hour.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import dspy
import pytest

from finetune.config import ScratchConfig
from finetune.gguf import write_gguf
from finetune.scratch import make_student
from lms.build import build_lm
from lms.ledger import Ledger
from lms.spec import ModelSpec

pytest.importorskip("llama_cpp", reason="the extra gguf is not installed")
pytest.importorskip("sse_starlette", reason="llama-cpp-python is installed without its server")

TEXTS = ["The kettle was still warm when Ada came back from the yard.", "Who moved the ladder?", "She waited."] * 20
CONTEXT = 512


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama.cpp's server with a tiny model of random weights; yields its address."""
    folder = tmp_path_factory.mktemp("gguf")
    config = ScratchConfig(vocabulary=400, hidden=64, layers=2, heads=2, init_std=0.5)
    make_student(TEXTS, config, max_length=CONTEXT, seed=1, folder=folder / "student")
    write_gguf(folder / "student", folder / "student.gguf", "f32")
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
