"""OpenAI-compatible servers and hosted models (lms/routes.py): engines, addresses, what is sent, and what it means."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.clients.engines import LiteLLMEngine, LM15Engine
from dspy.lm15 import Message, Request

from lms.build import Models
from lms.faults import UNFINISHED, UNREACHABLE, classify
from lms.ledger import Ledger
from lms.routes import RoutedEngine, route
from lms.spec import SERVERS, ModelSpec
from tests.doubles.ollama import Fault, Model, OllamaDouble

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-not-a-real-key-4711"
NAME = "qwen3:8b"
LOCAL = (*SERVERS, "openai")  # the last with an address of the user's own


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(Model(NAME, capabilities=("completion", "thinking")), num_parallel=8) as double:
        yield double


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.resilient.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("lms.gate.FIRST_PROBE", 0.05)


def declare(url: str | None, prefix: str = "hosted_vllm", **fields: Any) -> ModelSpec:
    base_url = f"{url}/v1" if url else None
    return ModelSpec(**{"model": f"{prefix}/{NAME}", "base_url": base_url, "retries": 0, "patience": 0} | fields)


@contextmanager
def opened(url: str, prefix: str = "hosted_vllm", ledger: Ledger | None = None, **fields: Any) -> Iterator[dspy.LM]:
    with Models({"teacher": declare(url, prefix, **fields)}, ledger) as models:
        yield models.lms["teacher"]


def bodies(double: OllamaDouble) -> list[dict[str, Any]]:
    assert {recorded.path for recorded in double.requests} <= {"/v1/chat/completions"}, "nothing else is asked"
    return [recorded.body or {} for recorded in double.requests]


def attempt(spec: ModelSpec, key: str | None = None) -> lm15.Response:
    """One attempt at one request, without anything around the engine."""
    engine, name = route(spec, key, 4)
    return engine.complete(Request(name, (Message.user("Capital of France?"),)))


# Engines and addresses


@pytest.mark.parametrize(("prefix", "address"), [(prefix, address) for prefix, (_, address) in SERVERS.items()])
def test_a_local_server_has_an_address_by_default(prefix: str, address: str) -> None:
    engine, name = route(declare(None, prefix), None, 4)
    assert isinstance(engine, RoutedEngine)
    assert isinstance(engine.engine, LM15Engine)
    assert engine.engine.config.providers[0].access.base_url == address
    assert name == f"server/{NAME}"


@pytest.mark.parametrize("prefix", LOCAL)
def test_a_server_of_the_users_own_is_asked_at_its_address_by_its_own_name(prefix: str, double: OllamaDouble) -> None:
    with opened(double.url, prefix, max_tokens=99, temperature=0.25, seed=5, top_p=0.9) as lm:
        assert lm("Capital of France?") == ["Paris"]
    (body,) = bodies(double)
    budget = "max_completion_tokens" if prefix == "openai" else "max_tokens"
    message = {"role": "user", "content": "Capital of France?"}
    assert body == {
        "model": NAME, "messages": [message], budget: 99, "temperature": 0.25, "seed": 5, "top_p": 0.9,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["org/model", "org/model:free", "a/b/c", "ft:gpt-4o:org"])
def test_names_may_hold_slashes_and_colons(name: str, double: OllamaDouble) -> None:
    double.faults.append(Fault("status", status=404, body={"error": {"message": "no"}}))
    with pytest.raises(lm15.InvalidRequestError):
        attempt(declare(double.url, model=f"hosted_vllm/{name}"))
    assert bodies(double)[0]["model"] == name


HOSTED = [
    ("openai/gpt-x", "openai-chat"), ("anthropic/claude-x", "anthropic"), ("gemini/gemini-x", "gemini"),
    ("groq/openai/gpt-oss-20b", "groq"), ("openrouter/qwen/qwen3-8b:free", "openrouter"),
    ("deepseek/deepseek-chat", "deepseek"), ("xai/grok-x", "xai"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "provider"), HOSTED)
@pytest.mark.parametrize("base_url", [None, "https://gateway.example/llm"])
def test_hosted_models_go_through_dspys_native_engine(
    model: str, provider: str, base_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, name = route(ModelSpec(model=model, base_url=base_url, timeout=7), KEY, 3)
    assert isinstance(engine, RoutedEngine)
    assert isinstance(engine.engine, LM15Engine)
    config = engine.engine.config
    assert (config.timeouts.read, config.max_connections) == (7, 3)
    if provider == "openai-chat" and base_url:
        assert (name, config.api_keys) == ("server/gpt-x", {"server": KEY})
        assert config.providers[0].access.base_url == base_url
        return
    assert name == model
    assert engine.engine.resolve(name).provider == provider
    assert config.api_keys == {provider: KEY}
    assert config.base_urls == ({provider: base_url} if base_url else None)


@pytest.mark.parametrize("model", ["bedrock/anthropic.claude-x-v1:0", "together_ai/meta/llama-x", "mistral/large-x",
                                   "vertex_ai/gemini-x", "huggingface/org/model:fastest"])  # fmt: skip
@pytest.mark.parametrize("base_url", [None, "https://gateway.example/llm"])
def test_other_providers_go_through_litellm(model: str, base_url: str | None) -> None:
    engine, name = route(ModelSpec(model=model, base_url=base_url, timeout=7), KEY, 3)
    assert isinstance(engine, RoutedEngine)
    assert isinstance(engine.engine, LiteLLMEngine)
    expected = {"timeout": 7, "api_key": KEY} | ({"api_base": base_url} if base_url else {})
    assert (name, engine.engine.client_options) == (model, expected)


def test_without_a_key_the_providers_own_variables_are_left_to_litellm() -> None:
    engine, _ = route(ModelSpec(model="bedrock/anthropic.claude-x-v1:0"), None, 3)
    assert isinstance(engine, RoutedEngine)
    assert engine.engine.client_options == {"timeout": 600}  # type: ignore[attr-defined]


NOTHING_FETCHED = """
import os, socket, sys
os.environ.pop("LITELLM_LOCAL_MODEL_COST_MAP", None)
asked = []
def refuse(*arguments, **options):
    asked.append(arguments)
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from lms.build import Models
from lms.spec import ModelSpec
assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True" if "lms.routes" in sys.modules else True
models = ["openai/gpt-x", "anthropic/claude-x", "hosted_vllm/m", "lm_studio/m", "together_ai/m", "bedrock/m"]
with Models({model: ModelSpec(model=model, structured="schema", think="high") for model in models}) as opened:
    assert set(opened.lms) == set(models)
assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
import litellm
assert litellm.model_cost
assert asked == [], asked
"""


def test_nothing_is_fetched_when_models_are_declared_and_litellm_is_loaded() -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-W", "ignore", "-c", NOTHING_FETCHED]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


# What is sent


def test_fields_of_a_servers_own_are_sent_as_they_are(double: OllamaDouble) -> None:
    extra = {"min_p": 0.05, "chat_template_kwargs": {"enable_thinking": False}, "repetition_penalty": 1.1}
    with opened(double.url, extra=extra) as lm:
        lm("Capital of France?")
    assert bodies(double)[0].items() >= extra.items()


@pytest.mark.parametrize("prefix", SERVERS)
def test_local_servers_get_top_k_which_openais_protocol_does_not_have(prefix: str, double: OllamaDouble) -> None:
    with opened(double.url, prefix, top_k=20, extra={"min_p": 0.05}) as lm:
        lm("Capital of France?")
    assert (bodies(double)[0]["top_k"], bodies(double)[0]["min_p"]) == (20, 0.05)


def test_openais_own_protocol_gets_no_top_k(double: OllamaDouble) -> None:
    with opened(double.url, "openai", top_k=20) as lm:
        assert lm("Capital of France?") == ["Paris"]
    assert "top_k" not in bodies(double)[0]


def test_no_temperature_is_sent_when_none_is_declared(double: OllamaDouble) -> None:
    with opened(double.url, temperature=None) as lm:
        lm("Capital of France?")
    assert set(bodies(double)[0]) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("prefix", LOCAL)
def test_the_key_is_in_the_header_and_nowhere_else(
    prefix: str, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.key = KEY
    monkeypatch.setenv("MY_KEY", KEY)
    with opened(double.url, prefix, api_key_env="MY_KEY") as lm:
        assert lm("Capital of France?") == ["Paris"]
    assert double.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(double.requests[0].body)


@pytest.mark.parametrize("prefix", LOCAL)
def test_no_key_of_the_environment_is_sent_to_a_server_of_the_users_own(
    prefix: str, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "VLLM_API_KEY", "HOSTED_VLLM_API_KEY", "LM_STUDIO_API_KEY"):
        monkeypatch.setenv(name, KEY)
    with opened(double.url, prefix) as lm:
        assert lm("Capital of France?") == ["Paris"]
    assert KEY not in str(double.requests[0].headers)


@pytest.mark.parametrize(("structured", "kind"), [("none", None), ("json", "json_object"), ("schema", "json_schema")])
@pytest.mark.parametrize("prefix", LOCAL)
def test_answers_are_held_to_their_form_as_declared(
    prefix: str, structured: str, kind: str | None, double: OllamaDouble
) -> None:
    double.reply = lambda body: json.dumps({"answer": "Paris"})
    with (
        opened(double.url, prefix, structured=structured) as lm,
        dspy.context(lm=lm, adapter=dspy.JSONAdapter()),
    ):
        assert dspy.Predict("question -> answer")(question="Capital?").answer == "Paris"
    sent = bodies(double)[0].get("response_format")
    assert (sent or {}).get("type") == kind
    if kind == "json_schema":
        schema = sent["json_schema"]["schema"]  # type: ignore[index]
        assert (schema["properties"]["answer"]["type"], schema["required"]) == ("string", ["answer"])


@pytest.mark.parametrize(
    ("think", "sent"), [(None, None), (True, None), (False, "none"), ("low", "low"), ("high", "high"), ("max", "max")]
)
@pytest.mark.parametrize("prefix", ["hosted_vllm", "sglang", "openai"])
def test_thinking_is_asked_for_as_effort(prefix: str, think: Any, sent: str | None, double: OllamaDouble) -> None:
    with opened(double.url, prefix, think=think) as lm:
        assert lm("Capital of France?") == ["Paris"]
    assert bodies(double)[0].get("reasoning_effort") == sent


# What comes back


def test_token_counts_are_the_servers(double: OllamaDouble) -> None:
    ledger = Ledger("test")
    with opened(double.url, ledger=ledger) as lm:
        lm("Capital of France?")
    total = ledger.total
    assert (total.calls, total.input_tokens, total.output_tokens, total.failed) == (1, 9, 2, {})


def said(status: int, text: str = "it is so", **fields: Any) -> Fault:
    return Fault("status", status=status, body={"error": {"message": text, "type": "x", "code": None}}, **fields)


PASSING = (
    (said(429), "server busy"), (said(503), "server busy"), (said(500), "server error"), (said(502), "server error"),
    (Fault("status", status=502, body=b"<html>Bad gateway</html>"), "server error"),
    (said(504), "no answer in time"), (said(408), "no answer in time"),
    (Fault("reset"), "connection lost"), (Fault("reset_mid"), "connection lost"), (Fault("eof_mid"), "connection lost"),
    (Fault("busy"), "server busy"), (Fault("load_fail"), "server error"),
    (Fault("abort_no_done"), "answer broke off"),
    (Fault("status", status=200, body={"choices": []}), "answer broke off"),
)  # fmt: skip
FINAL = (
    (said(400), dspy.LMInvalidRequestError, "call refused"),
    (said(422), dspy.LMInvalidRequestError, "call refused"),
    (said(401), dspy.LMAuthError, "key refused"),
    (said(403), dspy.LMAuthError, "key refused"),
    (said(402), dspy.LMBillingError, "not paid"),
    (Fault("content", text="Half of", after=1), dspy.LMError, "answer cut"),
    (Fault("gone"), dspy.LMUnsupportedModelError, "model missing"),
    (Fault("status", status=400, body={"error": {"message": "too long", "code": "context_length_exceeded"}}),
     dspy.ContextWindowExceededError, "prompt too long"),
)  # fmt: skip


@pytest.mark.parametrize(("fault", "reason"), PASSING, ids=[f"{f.kind} {f.status} {reason}" for f, reason in PASSING])
def test_what_may_pass_is_asked_again(fault: Fault, reason: str, double: OllamaDouble) -> None:
    double.faults.append(Fault(**vars(fault) | {"times": 2}))
    ledger = Ledger("test")
    with opened(double.url, ledger=ledger, retries=2, patience=20, timeout=5) as lm:
        assert lm("Capital of France?") == ["Paris"]
    assert (ledger.total.calls, ledger.total.failed) == (3, {reason: 2})


@pytest.mark.parametrize(("fault", "kind", "reason"), FINAL, ids=[f"{row[0].kind} {row[2]}" for row in FINAL])
def test_what_does_not_pass_is_asked_once(
    fault: Fault, kind: type[dspy.LMError], reason: str, double: OllamaDouble
) -> None:
    double.faults.append(Fault(**vars(fault)))
    with opened(double.url, retries=2, patience=20) as lm, pytest.raises(kind) as caught:
        lm("Capital of France?")
    assert classify(caught.value).reason == reason
    assert len(bodies(double)) == 1
    assert str(caught.value).startswith(f"[hosted_vllm/{NAME}] "), "the fingerprint is no name"


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 4813 tokens.",
        "request (10149 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_each_servers_words(text: str, double: OllamaDouble) -> None:
    double.faults.append(said(400, text))
    with opened(double.url) as lm, pytest.raises(dspy.ContextWindowExceededError) as caught:
        lm("Capital of France?")
    assert text in str(caught.value)
    assert "start the server with a larger context" in str(caught.value)


def test_a_missing_model_is_named_in_the_servers_words(double: OllamaDouble) -> None:
    with (
        opened(double.url, model="hosted_vllm/zz") as lm,
        pytest.raises(dspy.LMUnsupportedModelError, match=r"^\[hosted_vllm/zz\] model 'zz' not found"),
    ):
        lm("Capital of France?")


def test_a_refused_key_is_told_without_it(double: OllamaDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    double.faults.append(said(401, f"Incorrect API key provided: {KEY}"))
    with opened(double.url, api_key_env="MY_KEY") as lm, pytest.raises(dspy.LMAuthError) as caught:
        lm("Capital of France?")
    assert "Incorrect API key provided: ***" in str(caught.value)
    assert KEY not in str(caught.value)


def test_half_an_answer_is_no_answer_and_another_seed_is_tried(double: OllamaDouble) -> None:
    double.faults.append(Fault("abort_no_done"))
    with pytest.raises(lm15.ServerError) as caught:
        attempt(declare(double.url))
    assert caught.value.provider_code == UNFINISHED
    double.faults.append(Fault("abort_no_done"))
    with opened(double.url, retries=1, seed=7) as lm:
        assert lm("Capital of France?") == ["Paris"]
    assert len({body["seed"] for body in bodies(double)[1:]}) == 2


def test_a_server_that_is_not_there_is_unreachable_and_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(lm15.TransportError) as caught:
        attempt(declare(f"http://{address}"))
    assert caught.value.provider_code == UNREACHABLE
    assert caught.value.message.startswith("cannot reach the server (")
    assert address in caught.value.message
    assert caught.value.message.endswith("; check base_url, and that it runs")
    assert str(caught.value) == caught.value.message


def test_a_server_that_is_silent_is_told_by_the_key_that_helps(double: OllamaDouble) -> None:
    double.faults.append(Fault("delay", seconds=5))
    with pytest.raises(lm15.TimeoutError, match=r"no answer in 0\.2 s; raise timeout if the model is slow"):
        attempt(declare(double.url, timeout=0.2))


def test_connections_are_used_again_and_no_more_than_declared(double: OllamaDouble) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with opened(double.url, concurrency=3) as lm, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: lm(f"number {number}"), range(60)))
        stats = lm.engine.engine.engine.router._shared_transport().pool_stats()
    assert answers == [["Paris"]] * 60
    assert stats["total_opened"] <= 3


def test_an_engine_takes_extra_fields_without_changing_the_request(double: OllamaDouble) -> None:
    engine, name = route(declare(double.url, extra={"min_p": 0.05}), None, 4)
    request = Request(name, (Message.user("?"),))
    engine.complete(request)
    assert request.config.extensions is None


def test_a_spec_is_not_copied_with_a_program() -> None:
    program = dspy.Predict("question -> answer")
    with opened("http://127.0.0.1:9") as lm:
        program.lm = lm
        assert program.deepcopy().lm.engine is lm.engine
