from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from tests.doubles.ollama import Fault, Model, OllamaDouble, Reply
from tests.doubles.raw import Answer, ask, say

PATH = "/v1/chat/completions"


def chat(double: OllamaDouble, **more: Any) -> Answer:
    return ask(double.url, PATH, say(**more), Authorization="Bearer whatever")


def seen_by(double: OllamaDouble) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    def reply(body: dict[str, Any]) -> str:
        seen.append(body)
        return "Paris"

    double.reply = reply
    return seen


def test_an_answer(double: OllamaDouble) -> None:
    answer = chat(double).json()
    assert answer["object"] == "chat.completion"
    assert answer["system_fingerprint"] == "fp_ollama"
    assert 0 <= int(answer["id"].removeprefix("chatcmpl-")) <= 998
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Paris"}
    assert choice["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == 2


@pytest.mark.parametrize("with_usage", [False, True])
def test_a_streamed_answer(double: OllamaDouble, with_usage: bool) -> None:
    more = {"stream_options": {"include_usage": True}} if with_usage else {}
    answer = chat(double, stream=True, **more)
    assert answer.headers["content-type"] == "text/event-stream"
    *events, done = answer.events()
    assert done == "[DONE]"
    if with_usage:
        *events, usage = events
        assert usage["choices"] == []
        assert usage["usage"]["completion_tokens"] == 2
    choices = [event["choices"][0] for event in events]
    assert choices[0]["delta"]["role"] == "assistant"
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "Paris"
    assert (choices[-1]["delta"], choices[-1]["finish_reason"]) == ({}, "stop")
    assert all(choice["finish_reason"] is None for choice in choices[:-1])


def test_what_is_read_and_what_is_not(double: OllamaDouble) -> None:
    seen = seen_by(double)
    schema = {"type": "object"}
    chat(
        double, max_tokens=64, seed=3, stop="x", presence_penalty=0.5, temperature=0.0, num_ctx=99, keep_alive=0,
        options={"num_ctx": 99}, truncate=False, shift=False, max_completion_tokens=1, n=3, format="json",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    )  # fmt: skip
    (body,) = seen
    assert body["options"] == {
        "num_predict": 64, "seed": 3, "stop": ["x"], "presence_penalty": 0.5, "temperature": 0.0, "top_p": 1.0
    }  # fmt: skip
    assert body["format"] == schema
    assert not {"truncate", "shift", "keep_alive", "num_ctx"} & set(body)
    chat(double, response_format={"type": "json_object"})
    assert (seen[1]["format"], seen[1]["options"]) == ("json", {"temperature": 1.0, "top_p": 1.0})


def test_parts_become_messages(double: OllamaDouble) -> None:
    seen = seen_by(double)
    parts = [
        {"type": "text", "text": "one"},
        {"type": "text", "text": "two"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    chat(double, messages=[{"role": "user", "content": parts}])
    assert [message["content"] for message in seen[0]["messages"]] == ["one", "two", ""]
    assert seen[0]["messages"][2]["images"] == ["AAAA"]
    web = [{"type": "image_url", "image_url": {"url": "http://localhost/a.png"}}]
    assert chat(double, messages=[{"role": "user", "content": web}]).status == 400


@pytest.mark.parametrize(
    ("effort", "think"), [("none", False), ("minimal", "low"), ("high", "high"), ("xhigh", "max"), ("ultra", "max")]
)
@pytest.mark.parametrize("nested", [True, False])
def test_reasoning_effort(double: OllamaDouble, effort: str, think: Any, nested: bool) -> None:
    seen = seen_by(double)
    double.models.add(Model("thinker", capabilities=("completion", "thinking")))
    more = {"reasoning": {"effort": effort}} if nested else {"reasoning_effort": effort}
    assert chat(double, model="thinker", **more).status == 200
    assert seen[0]["think"] == think
    unable = chat(double, **more)
    assert unable.status == (400 if think else 200)


def test_thoughts_are_called_reasoning(double: OllamaDouble) -> None:
    double.models.add(Model("thinker", capabilities=("completion", "thinking")))
    double.reply = lambda body: Reply("Paris", thinking="Hm.")
    message = chat(double, model="thinker").json()["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Paris", "reasoning": "Hm."}


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_tools_have_arguments_as_text(double: OllamaDouble, stream: bool) -> None:
    double.models.add(Model("handy", capabilities=("completion", "tools")))
    double.reply = lambda body: Reply("", tool_calls=({"name": "add", "arguments": {"a": 1}},))
    answer = chat(double, model="handy", tools=[{"type": "function"}], stream=stream)
    choices = [event["choices"][0] for event in answer.events()[:-1]] if stream else answer.json()["choices"]
    assert choices[-1]["finish_reason"] == "tool_calls"
    message = choices[0]["delta" if stream else "message"]
    assert message["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1}'}


@pytest.mark.parametrize(
    ("more", "status", "kind", "text"),
    [
        ({"model": "zz"}, 404, "not_found_error", "model 'zz' not found"),
        ({"messages": []}, 400, "invalid_request_error", "[] is too short - 'messages'"),
        ({"reasoning_effort": "extreme"}, 400, "invalid_request_error", "invalid reasoning value: 'extreme'"),
        ({"reasoning_effort": "low"}, 400, "invalid_request_error", '"student" does not support thinking'),
        ({"messages": "hi"}, 400, "invalid_request_error", "json: cannot unmarshal string into Go struct field"),
    ],
)
def test_errors_wear_openais_envelope(
    double: OllamaDouble, more: dict[str, Any], status: int, kind: str, text: str
) -> None:
    answer = chat(double, **more)
    assert answer.status == status
    assert answer.error["message"].startswith(text)
    assert {name: answer.error[name] for name in ("type", "param", "code")} == {
        "type": kind, "param": None, "code": None
    }  # fmt: skip


def test_errors_of_the_server_are_of_one_type(double: OllamaDouble) -> None:
    double.faults = [Fault("error_mid"), Fault("busy"), Fault("load_fail")]
    for status in (500, 503, 500):
        answer = chat(double)
        assert (answer.status, answer.error["type"]) == (status, "api_error")


def test_long_prompts_are_cut_without_a_word(double: OllamaDouble) -> None:
    long = [{"role": "user", "content": "x" * 99999}]
    assert chat(double, messages=long, truncate=False).json()["usage"]["prompt_tokens"] == 2050
    double.models["student"].mode = "native"
    answer = chat(double, messages=long)
    assert answer.status == 400
    assert "exceed_context_size_error" in answer.error["message"]


def test_an_error_in_mid_stream_is_lost(double: OllamaDouble) -> None:
    double.faults.append(Fault("error_mid"))
    *_, last = chat(double, stream=True).events()
    assert (last["model"], last["choices"][0]["delta"]) == ("", {"content": ""})
    assert last["choices"][0]["finish_reason"] is None
    assert "error" not in last


def test_an_answer_that_is_not_done_has_no_reason(double: OllamaDouble) -> None:
    double.faults.append(Fault("abort_no_done", times=2))
    assert chat(double).json()["choices"][0]["finish_reason"] is None
    assert "[DONE]" not in chat(double, stream=True).events()


def test_a_cut_answer_says_so(double: OllamaDouble) -> None:
    choice = chat(double, max_tokens=1).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Pari", "length")


def test_models(double: OllamaDouble) -> None:
    (entry,) = ask(double.url, "/v1/models").json()["data"]
    assert (entry["id"], entry["object"], entry["owned_by"]) == ("student:latest", "model", "library")
    assert ask(double.url, "/v1/models/student").json()["id"] == "student"
    unknown = ask(double.url, "/v1/models/zz")
    assert (unknown.status, unknown.error["type"]) == (404, "not_found_error")
    double.models.clear()
    assert ask(double.url, "/v1/models").data == b'{"object":"list","data":null}'


def test_embeddings(double: OllamaDouble) -> None:
    body = {"model": "student", "input": ["one", "two"], "dimensions": 4}
    plain = ask(double.url, "/v1/embeddings", body).json()["data"]
    packed = ask(double.url, "/v1/embeddings", body | {"encoding_format": "base64"}).json()["data"]
    for one, other in zip(plain, packed, strict=True):
        assert struct.unpack("<4f", base64.b64decode(other["embedding"])) == pytest.approx(one["embedding"])


def test_logprobs(double: OllamaDouble) -> None:
    choice = chat(double, logprobs=True, top_logprobs=1).json()["choices"][0]
    assert [each["token"] for each in choice["logprobs"]["content"]] == ["Pari", "s"]
