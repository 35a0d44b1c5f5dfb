"""What the double must not do: a test per clause of the list."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doubles.ollama import Fault, Mode, OllamaDouble
from tests.doubles.raw import ask, say

MODES: list[Mode] = ["rendered", "native", "legacy", "early_30"]


def test_return_503_for_a_warm_model() -> None:
    with OllamaDouble("student", max_queue=0, num_parallel=1) as double, ThreadPoolExecutor(24) as pool:
        assert ask(double.url, "/api/chat", say()).status == 200
        double.latency = 0.01
        statuses = set(pool.map(lambda _: ask(double.url, "/api/chat", say()).status, range(48)))
    assert statuses == {200}


def test_honour_num_ctx_on_v1(double: OllamaDouble) -> None:
    body = say(num_ctx=16384, options={"num_ctx": 16384})
    assert ask(double.url, "/v1/chat/completions", body).status == 200
    (running,) = ask(double.url, "/api/ps").json()["models"]
    assert running["context_length"] == 4096


@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    ctx=st.integers(4, 4000),
    mode=st.sampled_from(MODES),
    shift=st.booleans(),
    keep=st.integers(0, 5000),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_return_token_counts_that_grow_past_num_ctx(
    double: OllamaDouble, sizes: list[int], ctx: int, mode: Mode, shift: bool, keep: int
) -> None:
    double.models["student"].mode = mode
    messages = [{"role": "user", "content": "x" * 4 * size} for size in sizes]
    options = {"num_ctx": ctx, "num_keep": keep}
    answer = ask(double.url, "/api/chat", say(messages=messages, options=options, shift=shift))
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert 0 < answer.json()["prompt_eval_count"] <= ctx


@pytest.mark.parametrize("name", ["student", "STUDENT:latest", "library/student"])
def test_normalise_names_in_inference_answers(double: OllamaDouble, name: str) -> None:
    assert ask(double.url, "/api/chat", say(model=name)).json()["model"] == name
    streamed = ask(double.url, "/api/generate", {"model": name, "prompt": "hi"}).lines()
    assert {line["model"] for line in streamed} == {name}
    assert ask(double.url, "/v1/chat/completions", say(model=name)).json()["model"] == name


def test_send_done_reason_on_chunks_that_are_not_the_last(double: OllamaDouble) -> None:
    *pieces, last = ask(double.url, "/api/chat", say(stream=True)).lines()
    assert pieces
    assert not any("done_reason" in piece for piece in pieces)
    assert last["done_reason"] == "stop"


@pytest.mark.parametrize("kind", ["error_mid", "abort_no_done", "eof_mid"])
def test_emit_done_after_an_error_in_mid_stream(double: OllamaDouble, kind: str) -> None:
    double.faults.append(Fault(kind))
    assert b"[DONE]" not in ask(double.url, "/v1/chat/completions", say(stream=True)).data


@pytest.mark.parametrize("option", ["num_ctx", "num_predict", "seed", "temperature", "top_p"])
def test_coerce_strings_of_options(double: OllamaDouble, option: str) -> None:
    answer = ask(double.url, "/api/chat", say(options={option: "1"}))
    assert answer.status == 500
    assert f'option "{option}" must be of type' in answer.error


def test_answer_head_of_blobs_with_a_body(double: OllamaDouble) -> None:
    for digest in ("sha256:" + "0" * 64, "nonsense"):
        answer = ask(double.url, f"/api/blobs/{digest}", method="HEAD")
        assert answer.status in (400, 404)
        assert answer.data == b""


def test_outlive_its_test() -> None:
    began = time.monotonic()
    with OllamaDouble("student"):
        pass
    assert time.monotonic() - began < 1
