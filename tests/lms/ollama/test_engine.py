"""Generation with Ollama (lms/ollama/engine.py, connection.py): what is sent, what is an answer, and what it costs.

One file, because all of it rests on the few helpers at its head.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.lm15 import Config, Message, Reasoning, Request, Response, TextPart
from dspy.utils.exceptions import (
    AdapterParseError,
    LMAuthError,
    LMInvalidRequestError,
    LMProviderError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnsupportedModelError,
)

from lms.build import Models
from lms.faults import UNFINISHED, UNREACHABLE, classify
from lms.ledger import Ledger
from lms.ollama.connection import Connection
from lms.ollama.engine import OllamaEngine
from lms.spec import ModelSpec
from tests.doubles.faults import BUSY
from tests.doubles.ollama import Fault, Mode, Model, OllamaDouble, Reply
from tests.doubles.ollama import Server as DoubleServer
from tests.doubles.overflow import LEGACY, NO_SHIFT, PER_MESSAGE, nested_overflow

CHAT = dspy.ChatAdapter(use_json_adapter_fallback=False)
PARIS = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"
KEY = "sk-not-a-real-key-4711"
SCHEMA_FAULT = (
    '{"error":{"code":400,"message":"Failed to initialize samplers: JSON schema conversion failed:\\nUnrecognized '
    'schema: {\\"type\\":\\"text\\"}","type":"invalid_request_error"}}'
)


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble("student", num_parallel=8, reply=lambda body: PARIS) as double:
        yield double


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.resilient.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("lms.gate.FIRST_PROBE", 0.05)


def declare(url: str, **fields: Any) -> ModelSpec:
    return ModelSpec(**{"model": "ollama_chat/student", "base_url": url, "retries": 0, "patience": 0} | fields)


@contextmanager
def opened(url: str, ledger: Ledger | None = None, **fields: Any) -> Iterator[dspy.LM]:
    with Models({"teacher": declare(url, **fields)}, ledger) as models:
        yield models.lms["teacher"]


def ask(url: str, question: str = "Capital of France?", adapter: dspy.Adapter = CHAT, **fields: Any) -> str:
    with opened(url, **fields) as lm, dspy.context(lm=lm, adapter=adapter):
        return str(dspy.Predict("question -> answer")(question=question, config={"seed": 7}).answer)


@contextmanager
def bare(url: str, **fields: Any) -> Iterator[OllamaEngine]:
    """The engine without anything around it: one attempt a call, and nothing asked before."""
    spec = declare(url, **fields)
    connection = Connection(spec.base_url or "", timeout=spec.timeout)
    yield OllamaEngine(spec, connection)
    connection.close()


def request(*texts: str, system: str | None = None, **config: Any) -> Request:
    turns = [(Message.user, Message.assistant)[number % 2](text) for number, text in enumerate(texts)]
    return Request("student", tuple(turns), system=system, config=Config(**config))


# What is sent


def test_a_request_fixes_the_context_and_forbids_cutting(double: OllamaDouble) -> None:
    assert ask(double.url, num_ctx=2048, max_tokens=64, temperature=0.25, keep_alive="5m") == "Paris"
    (body,) = double.chats()
    assert body["model"] == "student"
    assert body["options"] == {"num_ctx": 2048, "num_predict": 64, "temperature": 0.25, "seed": 7}
    assert (body["truncate"], body["shift"], body["stream"], body["keep_alive"]) == (False, False, False, "5m")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "Capital of France?" in body["messages"][1]["content"]
    assert not {"format", "think", "tools", "logprobs"} & set(body)


def test_every_request_has_context_size_and_budget_whatever_the_call_says(double: OllamaDouble) -> None:
    with bare(double.url, num_ctx=2048, max_tokens=99, temperature=0.3, top_p=0.5, seed=4) as engine:
        engine.complete(request("Capital of France?"))
        engine.complete(request("Capital of France?", max_tokens=16, temperature=0.0))
    first, second = (body["options"] for body in double.chats())
    assert first == {"num_ctx": 2048, "num_predict": 99}
    assert second == {"num_ctx": 2048, "num_predict": 16, "temperature": 0.0}
    assert double.loads == 1


def test_sampling_is_sent_as_declared_and_in_the_types_that_the_server_wants(double: OllamaDouble) -> None:
    fields = {"top_k": 20, "top_p": 0.9, "temperature": None, "seed": 5}
    with opened(double.url, **fields, extra={"min_p": 0.05, "repeat_penalty": 1.1}) as lm:
        lm("Capital of France?")
        lm("Capital of France?", seed=7, stop=["###", "END"], temperature=0.0, presence_penalty=0.5)
    declared, called = (body["options"] for body in double.chats())
    assert declared == {
        "num_ctx": 8192, "num_predict": 1024, "top_k": 20, "top_p": 0.9, "seed": 5, "min_p": 0.05,
        "repeat_penalty": 1.1,
    }  # fmt: skip
    changed = {"seed": 7, "stop": ["###", "END"], "temperature": 0.0, "presence_penalty": 0.5}
    assert called == declared | changed
    assert {name: type(called[name]) for name in ("num_ctx", "num_predict", "top_k", "seed")} == dict.fromkeys(
        ("num_ctx", "num_predict", "top_k", "seed"), int
    )


def test_a_stop_text_ends_the_answer(double: OllamaDouble) -> None:
    double.reply = lambda body: "Paris END of it"
    with opened(double.url) as lm:
        assert lm("Capital of France?", stop=["END"]) == ["Paris "]


@pytest.mark.parametrize(("given", "sent"), [("5m", "5m"), (-1, "-1s"), (30, "30s"), ("1.5h", "1.5h")])
def test_keep_alive_is_a_duration_that_the_server_reads(given: Any, sent: str, double: OllamaDouble) -> None:
    assert ask(double.url, keep_alive=given) == "Paris"
    assert double.chats()[0]["keep_alive"] == sent
    assert len(double.scheduler.loaded()) == 1


def test_the_json_adapter_sends_the_schema_of_the_answer(double: OllamaDouble) -> None:
    double.reply = lambda body: json.dumps({"answer": "Lyon & <Paris>"})
    assert ask(double.url, adapter=dspy.JSONAdapter(), structured="schema") == "Lyon & <Paris>"
    (body,) = double.chats()
    assert body["format"]["properties"]["answer"]["type"] == "string"
    assert body["format"]["required"] == ["answer"]


@pytest.mark.parametrize(("structured", "sent"), [("json", "json"), ("none", None)])
def test_without_schemas_the_json_adapter_asks_for_json_alone_or_for_nothing(
    structured: str, sent: str | None, double: OllamaDouble
) -> None:
    double.reply = lambda body: json.dumps({"answer": "Paris"})
    assert ask(double.url, adapter=dspy.JSONAdapter(), structured=structured) == "Paris"
    assert double.chats()[0].get("format") == sent


def test_plain_json_mode_is_passed_on(double: OllamaDouble) -> None:
    with opened(double.url) as lm:
        lm("Say something in JSON", response_format={"type": "json_object"})
    assert double.chats()[0]["format"] == "json"


@pytest.mark.parametrize("think", [None, True, False, "low", "max"])
def test_thinking_is_asked_for_as_declared_and_kept_out_of_the_answer(
    double: OllamaDouble, think: bool | str | None
) -> None:
    double.models.add(Model("student", capabilities=("completion", "thinking")))
    double.reply = lambda body: Reply(PARIS, thinking="[[ ## answer ## ]]\nRome")
    assert ask(double.url, think=think) == "Paris"
    (body,) = double.chats()
    assert (body.get("think"), "think" in body) == (think, think is not None)


@pytest.mark.parametrize(("effort", "sent"), [("off", False), ("low", "low"), ("high", "high")])
def test_a_call_may_ask_for_more_or_less_thinking_than_declared(effort: Any, sent: Any, double: OllamaDouble) -> None:
    double.models.add(Model("student", capabilities=("completion", "thinking")))
    with bare(double.url, think="medium") as engine:
        engine.complete(request("Why?", reasoning=Reasoning(effort)))
    assert double.chats()[0]["think"] == sent


def test_thoughts_are_handed_over_beside_the_answer(double: OllamaDouble) -> None:
    double.models.add(Model("student", capabilities=("completion", "thinking")))
    double.reply = lambda body: Reply("Paris", thinking="Not Rome.")
    with bare(double.url) as engine:
        response = engine.complete(request("Capital?"))
    assert [(part.type, part.text) for part in response.message.parts] == [("thinking", "Not Rome."), ("text", "Paris")]
    assert (response.text, response.finish_reason, response.model) == ("Paris", "stop", "student")


def test_turns_keep_their_order_and_a_system_text_may_come_in_parts(double: OllamaDouble) -> None:
    with bare(double.url) as engine:
        engine.complete(request("One?", "Eins.", "Two?", system="Be short."))
        parts = (TextPart("Be "), TextPart("short."))
        engine.complete(Request("student", (Message.user("One?"),), system=parts))
    first, second = ([(message["role"], message["content"]) for message in body["messages"]] for body in double.chats())
    assert first == [("system", "Be short."), ("user", "One?"), ("assistant", "Eins."), ("user", "Two?")]
    assert second == [("system", "Be short."), ("user", "One?")]


TROUBLESOME = 'a\x85b\u2028c\u2029d <e> & "f" \\ \t é 漢字 🙂 \\u0085 \x7f'


def test_no_character_is_lost_on_the_way_there_or_back(double: OllamaDouble) -> None:
    double.reply = lambda body: str(body["messages"][-1]["content"])
    with opened(double.url) as lm:
        assert lm(TROUBLESOME) == [TROUBLESOME]
    assert double.chats()[0]["messages"][0]["content"] == TROUBLESOME


def test_token_counts_are_the_servers(double: OllamaDouble) -> None:
    with opened(double.url) as lm, dspy.context(lm=lm, adapter=CHAT, track_usage=True):
        usage = next(iter(dspy.Predict("question -> answer")(question="Capital?").get_lm_usage().values()))
    read = sum(-(-len(m["content"].encode()) // 4) + PER_MESSAGE for m in double.chats()[0]["messages"])
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (read, -(-len(PARIS) // 4))


@pytest.mark.parametrize("declared", [True, False])
def test_a_key_is_sent_with_every_request_and_only_when_one_is_declared(
    declared: bool, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("OLLAMA_API_KEY", "sk-of-the-ollama-cloud")  # which the `ollama` package would send to anybody
    assert ask(double.url, api_key_env="MY_KEY" if declared else None) == "Paris"
    assert {recorded.path for recorded in double.requests} == {"/api/version", "/api/tags", "/api/show", "/api/chat"}
    sent = {recorded.headers.get("authorization") for recorded in double.requests}
    assert sent == {f"Bearer {KEY}" if declared else None}


# Prompts that do not fit

MODES: tuple[Mode, ...] = ("legacy", "early_30", "rendered", "native")
EACH_SERVER = pytest.mark.parametrize(
    ("mode", "honours"), [(mode, honours) for mode in MODES for honours in (True, False)]
)
CTX = 512
TOO_LONG = r"the prompt does not fit into 512 tokens; raise num_ctx of ollama_chat/student"


def served(mode: Mode, honours: bool) -> OllamaDouble:
    return OllamaDouble(Model("student", mode=mode), honours_truncate=honours, reply=lambda body: PARIS)


def text_of(tokens: int) -> str:
    """A single message that the double counts as so many tokens."""
    return ("why? " * tokens)[: 4 * (tokens - PER_MESSAGE)]


@EACH_SERVER
@pytest.mark.parametrize("times", [2, 8])
def test_a_prompt_that_does_not_fit_is_never_cut_and_names_num_ctx(mode: Mode, honours: bool, times: int) -> None:
    with served(mode, honours) as double:
        with pytest.raises(dspy.ContextWindowExceededError, match=TOO_LONG):
            ask(double.url, question=text_of(times * CTX), num_ctx=CTX, max_tokens=64, retries=3, patience=5)
        assert len(double.chats()) == 1, "asking again does not make it shorter"


@EACH_SERVER
@pytest.mark.parametrize("tokens", [CTX, CTX + 100])
def test_once_a_short_prompt_was_read_one_token_too_many_is_seen(mode: Mode, honours: bool, tokens: int) -> None:
    with served(mode, honours) as double, opened(double.url, num_ctx=CTX, max_tokens=64) as lm:
        assert lm(text_of(100)) == [PARIS]
        with pytest.raises(dspy.ContextWindowExceededError, match=TOO_LONG):
            lm(text_of(tokens))


@EACH_SERVER
def test_demonstrations_are_never_dropped_without_a_word(mode: Mode, honours: bool) -> None:
    demos = [dspy.Example(question=text_of(900), answer="Rome").with_inputs("question") for _ in range(3)]
    program = dspy.Predict("question -> answer")
    with (
        served(mode, honours) as double,
        opened(double.url, num_ctx=2048, max_tokens=64) as lm,
        dspy.context(lm=lm, adapter=CHAT),
    ):
        assert program(question="Capital?").answer == "Paris"
        with pytest.raises(dspy.ContextWindowExceededError, match=TOO_LONG.replace("512", "2048")):
            program(question="Capital?", demos=demos)


@EACH_SERVER
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_prompt_that_just_fits_is_not_refused(mode: Mode, honours: bool, seen_before: bool) -> None:
    answer = -(-len(PARIS) // 4)
    with served(mode, honours) as double, opened(double.url, num_ctx=CTX, max_tokens=64) as lm:
        if seen_before:
            lm(text_of(100))
        assert lm(text_of(CTX - answer)) == [PARIS]


@EACH_SERVER
def test_an_answer_without_room_for_its_end_is_cut_and_not_taken_for_whole(mode: Mode, honours: bool) -> None:
    with served(mode, honours) as double, opened(double.url, num_ctx=CTX, max_tokens=64) as lm:
        double.reply = lambda body: "Paris " * 200
        with pytest.raises(LMProviderError, match="answer cut after"):
            lm(text_of(CTX - 20))


@pytest.mark.parametrize("text", [LEGACY, NO_SHIFT, nested_overflow(10149, 4096)])
@pytest.mark.parametrize("status", [400, 500])
def test_each_wording_of_an_overflow_is_understood(status: int, text: str, double: OllamaDouble) -> None:
    double.faults.append(Fault("status", path="/api/chat", status=status, body={"error": text}))
    with bare(double.url) as engine, pytest.raises(lm15.ContextLengthError, match="raise num_ctx of ollama_chat/stu"):
        engine.complete(request("?"))


# What counts as an answer


def test_a_cut_answer_is_an_error_that_names_max_tokens(double: OllamaDouble) -> None:
    double.reply = lambda body: "[[ ## answer ## ]]\n" + "Paris " * 200
    with pytest.raises(
        LMProviderError, match=r"cut after 16 tokens; raise max_tokens of ollama_chat/student$"
    ) as caught:
        ask(double.url, max_tokens=16, retries=3)
    assert classify(caught.value).reason == "answer cut"
    assert len(double.chats()) == 1


def test_a_budget_spent_on_thinking_says_so(double: OllamaDouble) -> None:
    double.models.add(Model("student", capabilities=("completion", "thinking")))
    double.faults.append(Fault("thinking_only", text="Hmm. " * 100))
    with pytest.raises(LMProviderError, match=r"cut after 32 tokens; raise max_tokens .* or set think: false"):
        ask(double.url, max_tokens=32)


@pytest.mark.parametrize("kind", ["abort_no_done", "error_mid"])
def test_an_answer_that_broke_off_is_asked_for_with_another_seed(kind: str, double: OllamaDouble) -> None:
    double.faults.append(Fault(kind, times=2))
    assert ask(double.url, retries=2) == "Paris"
    seeds = [body["options"]["seed"] for body in double.chats()]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3
    double.faults.append(Fault(kind))
    with pytest.raises(LMServerError) as caught:
        ask(double.url)
    assert classify(caught.value).reason == "answer broke off"


@pytest.mark.parametrize(
    "changes",
    [{"done": False}, {"done": False, "done_reason": None}, {"done_reason": None}, {"done_reason": "load"},
     {"done_reason": "unload"}, {"done_reason": "repeat"}, {"done": "true"}, {"done": None}],
)  # fmt: skip
def test_only_an_answer_that_is_done_and_stopped_counts(changes: dict[str, Any], double: OllamaDouble) -> None:
    whole = {"model": "student", "message": {"role": "assistant", "content": "Par"}, "done": True}
    whole |= {"done_reason": "stop", "prompt_eval_count": 4, "eval_count": 1}
    page = {name: value for name, value in (whole | changes).items() if value is not None or name == "done"}
    double.faults.append(Fault("status", path="/api/chat", status=200, body=page))
    with bare(double.url) as engine, pytest.raises(lm15.ServerError, match="broke off") as caught:
        engine.complete(request("?"))
    assert caught.value.provider_code == UNFINISHED


def test_an_answer_without_counts_is_an_answer(double: OllamaDouble) -> None:
    """Zero counts are left out, and some releases leave out what they have in their cache."""
    page = {"model": "student", "message": {"role": "assistant", "content": "Paris"}, "done": True}
    double.faults.append(Fault("status", path="/api/chat", status=200, body=page | {"done_reason": "stop"}))
    with bare(double.url) as engine:
        response = engine.complete(request("?"))
    assert (response.message.text, response.usage.input_tokens, response.usage.output_tokens) == ("Paris", 0, 0)


def test_an_empty_answer_is_left_to_the_adapter(double: OllamaDouble) -> None:
    double.reply = lambda body: ""
    with pytest.raises(AdapterParseError):
        ask(double.url)


PAGES = [
    "<html>Log in to the guest network</html>", "", "[]", '"ok"', "7", "null", "{}",
    '{"done":true,"done_reason":"stop"}', '{"model":"student","done":true,"done_reason":"stop","message":null}',
    '{"model":"student","done":true,"done_reason":"stop","message":{"role":"assistant"}}',
    '{"model":"student","done":true,"done_reason":"stop","message":{"role":"assistant","content":null}}',
    '{"model":"student","done":true,"done_reason":"stop","message":["Paris"]}',
    '{"model":"student","done":true,"done_reason":"stop","message":{"content":"Paris"},"eval_count":"many"}',
    '{"model":"student","done":true,"done_reason":"stop","message":{"content":"Paris"},"prompt_eval_count":"many"}',
]  # fmt: skip


@pytest.mark.parametrize("text", PAGES)
def test_a_page_that_is_not_ollamas_is_an_error_in_one_line_and_may_pass(text: str, double: OllamaDouble) -> None:
    double.faults.append(Fault("status", path="/api/chat", status=200, body=text, times=2))
    with pytest.raises(LMTransportError) as caught:
        ask(double.url)
    assert str(caught.value) == "[ollama_chat/student] what answered is not Ollama; check base_url"
    assert ask(double.url, retries=1) == "Paris"


# Statuses and errors

Row = tuple[Fault, type[lm15.LM15Error], str, bool]


def said(status: int, text: str) -> Fault:
    return Fault("status", path="/api/chat", status=status, body={"error": text})


def page(status: int, body: str | bytes = "<html>Sorry</html>") -> Fault:
    return Fault("status", path="/api/chat", status=status, body=body)


FINAL = (
    (said(400, "invalid character 'x' looking for beginning of value"), lm15.InvalidRequestError, "call refused"),
    (said(400, "missing request body"), lm15.InvalidRequestError, "call refused"),
    (said(400, "top_logprobs must be between 0 and 20"), lm15.InvalidRequestError, "call refused"),
    (said(400, 'invalid think value: "ultra" (must be "high", …)'), lm15.InvalidRequestError, "call refused"),
    (said(400, "model is required"), lm15.InvalidRequestError, "call refused"),
    (said(400, "invalid model name"), lm15.InvalidRequestError, "call refused"),
    (said(400, '"student" does not support thinking'), lm15.InvalidRequestError, "call refused"),
    (said(400, '"student" does not support chat'), lm15.InvalidRequestError, "call refused"),
    (said(400, 'time: missing unit in duration "30"'), lm15.InvalidRequestError, "call refused"),
    (said(400, SCHEMA_FAULT), lm15.InvalidRequestError, "call refused"),
    (said(500, 'option "num_ctx" must be of type integer'), lm15.InvalidRequestError, "call refused"),
    (said(500, 'option "stop" must be of an array of strings'), lm15.InvalidRequestError, "call refused"),
    (said(500, r'invalid format: "\"xml\""; expected "json" or a valid JSON Schema object'), lm15.InvalidRequestError,
     "call refused"),
    (said(401, "unauthorized"), lm15.AuthError, "key refused"),
    (said(403, "ollama cloud is disabled: remote inference is unavailable"), lm15.AuthError, "key refused"),
    (page(403, b""), lm15.AuthError, "key refused"),
    (said(404, "model 'student' not found"), lm15.UnsupportedModelError, "model missing"),
    (page(404, "404 page not found"), lm15.InvalidRequestError, "call refused"),
    (page(405, "405 method not allowed"), lm15.InvalidRequestError, "call refused"),
    (page(413), lm15.InvalidRequestError, "call refused"),
    (page(301), lm15.InvalidRequestError, "call refused"),
    (said(499, "cancelled"), lm15.InvalidRequestError, "call refused"),
)  # fmt: skip
PASSING = (
    (Fault("busy", path="/api/chat"), lm15.ServerError, "server busy"),
    (said(503, BUSY), lm15.ServerError, "server busy"),
    (page(503), lm15.ServerError, "server busy"),
    (said(429, "too many requests"), lm15.RateLimitError, "server busy"),
    (page(408), lm15.TimeoutError, "no answer in time"),
    (page(504), lm15.TimeoutError, "no answer in time"),
    (page(502), lm15.ServerError, "server error"),
    (page(500, b""), lm15.ServerError, "server error"),
    (Fault("load_fail", path="/api/chat"), lm15.ServerError, "server error"),
    (Fault("load_fail", path="/api/chat", text="model requires more system memory (5.6 GiB) than is available"),
     lm15.ServerError, "server error"),
    (said(500, "timed out waiting for llama-server to start - "), lm15.ServerError, "server error"),
    (said(500, "unexpected EOF"), lm15.ServerError, "server error"),
    (Fault("error_mid", path="/api/chat"), lm15.ServerError, "answer broke off"),
    (Fault("abort_no_done", path="/api/chat"), lm15.ServerError, "answer broke off"),
    (Fault("reset", path="/api/chat"), lm15.TransportError, "connection lost"),
    (Fault("reset_mid", path="/api/chat"), lm15.TransportError, "connection lost"),
    (Fault("eof_mid", path="/api/chat"), lm15.TransportError, "connection lost"),
    (page(200), lm15.TransportError, "connection lost"),
)  # fmt: skip
TABLE: list[Row] = [(*row, False) for row in FINAL] + [(*row, True) for row in PASSING]


def copy_of(fault: Fault, times: int = 1) -> Fault:
    return Fault(**vars(fault) | {"times": times})


def name_of(fault: Fault) -> str:
    said = fault.body["error"][:30] if isinstance(fault.body, dict) else ""
    return f"{fault.status} {said}" if fault.kind == "status" else fault.kind


@pytest.mark.parametrize(
    ("fault", "kind", "reason", "passes"),
    TABLE,
    ids=[f"{number} {name_of(row[0])}" for number, row in enumerate(TABLE)],
)
def test_each_status_has_its_error_and_is_repeated_or_not(
    fault: Fault, kind: type[lm15.LM15Error], reason: str, passes: bool, double: OllamaDouble
) -> None:
    with bare(double.url) as engine:
        double.faults.append(copy_of(fault))
        with pytest.raises(kind) as caught:
            engine.complete(request("?"))
        assert (type(caught.value), classify(caught.value).reason) == (kind, reason)
        assert len(double.chats()) == 1, "an engine makes one attempt"
    double.faults.append(copy_of(fault, times=2))
    ledger, before = Ledger("test"), len(double.chats())
    with opened(double.url, ledger, retries=2, patience=20, timeout=5) as lm:
        if passes:
            assert lm("Capital?") == [PARIS]
            assert (len(double.chats()) - before, ledger.total.failed) == (3, {reason: 2})
            return
        with pytest.raises(dspy.LMError) as refused:
            lm("Capital?")
        assert (len(double.chats()) - before, ledger.total.failed) == (1, {reason: 1})
        assert str(refused.value).startswith("[ollama_chat/student] "), "the fingerprint is no name"
    double.faults.clear()


def test_what_the_server_says_is_told(double: OllamaDouble) -> None:
    double.faults.append(said(500, 'option "num_ctx" must be of type integer'))
    with pytest.raises(LMInvalidRequestError, match='option "num_ctx" must be of type integer'):
        ask(double.url)
    double.faults.append(page(502))
    with pytest.raises(LMServerError, match="status 502, and what answered is not Ollama; check base_url"):
        ask(double.url)


def test_options_of_a_wrong_type_are_refused_by_the_server_itself_and_not_repeated(double: OllamaDouble) -> None:
    with pytest.raises(LMInvalidRequestError, match='option "min_p" must be of type float32'):
        ask(double.url, extra={"min_p": "small"}, retries=3)
    assert len(double.chats()) == 1


def test_a_schema_that_makes_no_grammar_is_refused_and_not_repeated(double: OllamaDouble) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "text"}}}
    with opened(double.url, retries=3) as lm, pytest.raises(LMInvalidRequestError, match="schema conversion failed"):
        lm("Capital?", response_format=schema)
    assert len(double.chats()) == 1


def test_a_model_that_is_gone_says_how_to_get_it(double: OllamaDouble) -> None:
    double.faults.append(Fault("gone", path="/api/chat"))
    with pytest.raises(LMUnsupportedModelError, match=r"model 'student' not found; run `ollama pull student`"):
        ask(double.url, retries=3)
    assert len(double.chats()) == 1


def test_a_key_that_is_refused_later_on_is_told_without_it(
    double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    double.faults.append(said(401, f"the key {KEY} has expired"))
    with pytest.raises(LMAuthError, match=r"the key \*\*\* has expired") as caught:
        ask(double.url, api_key_env="MY_KEY", retries=3)
    assert KEY not in str(caught.value)
    assert len(double.chats()) == 1


def in_two_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("0.25", 0.25, 0.25), ("3", 3, 3), ("-5", 0, 0), (in_two_seconds, 0.5, 2.5), ("nan", 0, 0),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("Wednesday, 21-Oct-15 07:28:00 GMT", 0, 0)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_may_say_in_two_ways_when_to_come_back(
    status: int, header: Any, least: float, most: float, double: OllamaDouble
) -> None:
    value = header() if callable(header) else header
    headers = {"Retry-After": value}
    double.faults.append(Fault("status", path="/api/chat", status=status, body={"error": "later"}, headers=headers))
    with bare(double.url) as engine, pytest.raises(lm15.ProviderError) as caught:
        engine.complete(request("?"))
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


@pytest.mark.parametrize("header", ["soon", "", "Wed, 99 Oct 2015", "Wed, 21 Oct 2015 07:28:00 -0000x"])
def test_a_retry_after_that_nobody_can_read_is_none(header: str, double: OllamaDouble) -> None:
    headers = {"Retry-After": header}
    double.faults.append(Fault("status", path="/api/chat", status=429, body={"error": "later"}, headers=headers))
    with bare(double.url) as engine, pytest.raises(lm15.RateLimitError) as caught:
        engine.complete(request("?"))
    assert caught.value.retry_after is None


def test_a_server_that_asks_for_more_than_patience_is_not_waited_for(double: OllamaDouble) -> None:
    headers = {"Retry-After": "3600"}
    double.faults.append(Fault("status", path="/api/chat", status=429, body={"error": "later"}, headers=headers))
    with pytest.raises(LMRateLimitError):
        ask(double.url, retries=3, patience=60)


# The connection


def test_a_silent_server_times_out_and_the_message_names_timeout(double: OllamaDouble) -> None:
    double.faults.append(Fault("delay", path="/api/chat", seconds=5))
    with pytest.raises(LMTimeoutError, match=r"no answer in 0\.2 s; raise timeout if the model is slow"):
        ask(double.url, timeout=0.2)


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_server_that_is_not_there_is_named() -> None:
    url = free_address()
    with bare(url) as engine, pytest.raises(lm15.TransportError) as caught:
        engine.complete(request("?"))
    assert caught.value.message == f"cannot reach Ollama at {url}; is `ollama serve` running?"
    assert caught.value.provider_code == UNREACHABLE


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64, "a..b"])
def test_a_host_that_does_not_exist_or_cannot_is_one_that_is_not_reached(host: str) -> None:
    with bare(f"http://{host}:1") as engine, pytest.raises(lm15.TransportError) as caught:
        engine.complete(request("?"))
    assert caught.value.message == f"cannot reach Ollama at http://{host}:1; is `ollama serve` running?"
    assert caught.value.provider_code == UNREACHABLE


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections that doubles have accepted."""
    addresses: list[Any] = []
    process = DoubleServer.process_request

    def note(server: DoubleServer, connection: Any, address: Any) -> None:
        addresses.append(address)
        process(server, connection, address)

    monkeypatch.setattr(DoubleServer, "process_request", note)
    return addresses


@pytest.mark.parametrize(("concurrency", "most"), [(None, 8), (3, 3)])
def test_connections_are_few_and_used_again(
    concurrency: int | None, most: int, double: OllamaDouble, accepted: list[Any]
) -> None:
    with opened(double.url, concurrency=concurrency) as lm, ThreadPoolExecutor(8) as pool:
        of_the_check = len(accepted)
        answers = list(pool.map(lambda number: lm(f"number {number}"), range(200)))
    assert answers == [[PARIS]] * 200
    assert len(accepted) - of_the_check <= most
    assert double.peak_active <= most


def test_closing_the_models_hangs_up(double: OllamaDouble) -> None:
    assert ask(double.url) == "Paris"
    until = threading.Event()
    for _ in range(100):
        if not double._server.connections:
            return
        until.wait(0.01)
    pytest.fail("a connection was left open")


def test_threads_share_an_engine_and_get_their_own_answers(double: OllamaDouble) -> None:
    def echo(body: dict[str, Any]) -> str:
        question = body["messages"][-1]["content"].split("[[ ## question ## ]]\n")[1].split("\n")[0]
        return f"[[ ## answer ## ]]\n{question}\n\n[[ ## completed ## ]]"

    double.reply = echo
    with opened(double.url) as lm:

        def one(number: int) -> str:
            with dspy.context(lm=lm, adapter=CHAT):
                return str(dspy.Predict("question -> answer")(question=f"number {number}").answer)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(one, range(40))) == [f"number {number}" for number in range(40)]


def test_a_proxy_of_the_environment_never_stands_before_the_server(
    double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, free_address())
    assert ask(double.url) == "Paris"
    assert {recorded.path for recorded in double.requests} == {"/api/version", "/api/tags", "/api/show", "/api/chat"}


def test_a_server_that_closes_idle_connections_costs_a_repeat_at_most(double: OllamaDouble) -> None:
    ledger = Ledger("test")
    with opened(double.url, ledger, retries=3) as lm:
        for number in range(10):
            assert lm(f"number {number}") == [PARIS]
            for connection in list(double._server.connections):
                connection.shutdown(socket.SHUT_RDWR)
    assert ledger.total.calls == 10 + ledger.total.failed.total()
    assert set(ledger.total.failed) <= {"connection lost"}


def test_a_connection_that_was_idle_for_long_is_looked_at_before_it_is_used(
    double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.ollama.connection.FRESH", 0.0)
    ledger = Ledger("test")
    with opened(double.url, ledger) as lm:
        for number in range(5):
            assert lm(f"number {number}") == [PARIS]
            for connection in list(double._server.connections):
                with suppress(OSError):  # one that was hung up before
                    connection.shutdown(socket.SHUT_RDWR)
    assert (ledger.total.calls, ledger.total.failed) == (5, {})


def test_a_connection_that_is_closed_while_a_request_is_on_its_way_costs_one_counted_repeat(
    double: OllamaDouble,
) -> None:
    ledger = Ledger("test")
    with opened(double.url, ledger, retries=1) as lm:
        lm("one")
        double.faults.append(Fault("reset", path="/api/chat"))
        assert lm("two") == [PARIS]
    assert (ledger.total.calls, ledger.total.failed) == (3, {"connection lost": 1})
    seeds = {body["options"].get("seed") for body in double.chats()[1:]}
    assert len(seeds) == 1, "the same call again"


class Prefix(BaseHTTPRequestHandler):
    """A gateway that has an Ollama under /team/ollama, and nothing else."""

    protocol_version = "HTTP/1.1"
    port = 0

    def log_message(self, *arguments: object) -> None:
        pass

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = 404, b"no such service"
        if self.path.startswith("/team/ollama/"):
            inner = HTTPConnection("127.0.0.1", self.port)
            inner.request(self.command, self.path.removeprefix("/team/ollama"), body)
            answer = inner.getresponse()
            status, text = answer.status, answer.read()
            inner.close()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _forward  # noqa: N815


@pytest.mark.parametrize("end", ["", "/"])
def test_a_path_in_base_url_is_a_prefix_of_every_request(
    end: str, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prefix, "port", int(double.url.rpartition(":")[2]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Prefix) as gateway:
        thread = threading.Thread(target=gateway.serve_forever, args=(0.01,))
        thread.start()
        try:
            assert ask(f"http://127.0.0.1:{gateway.server_address[1]}/team/ollama{end}") == "Paris"
        finally:
            gateway.shutdown()
            thread.join()
    assert {recorded.path for recorded in double.requests} == {"/api/version", "/api/tags", "/api/show", "/api/chat"}


def test_an_engine_is_not_copied_with_a_program_and_not_saved_with_it(double: OllamaDouble) -> None:
    program = dspy.Predict("question -> answer")
    with opened(double.url) as lm:
        program.lm = lm
        assert program.deepcopy().lm.engine is lm.engine
        with pytest.raises(TypeError, match="save the program without this LM"):
            program.dump_state()
    assert isinstance(lm.engine.engine, OllamaEngine)


def test_a_response_is_what_dspy_expects(double: OllamaDouble) -> None:
    with bare(double.url) as engine:
        assert isinstance(engine.complete(request("?")), Response)
