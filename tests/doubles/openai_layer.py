"""`/v1`: OpenAI's form over the native one.

It cannot set the context size, `truncate`, `shift`, or `keep_alive`, and an error in the middle of a stream is lost:
the client sees a short answer without a reason.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from tests.doubles.call import Call
from tests.doubles.checks import LEVELS
from tests.doubles.generation import Delta, converse, gather
from tests.doubles.models import Model, full_name
from tests.doubles.wire import Page, Refusal, Stream, check_types, dump, load_object, omit_empty, page

FIELDS: dict[str, tuple[type, str]] = {
    "model": (str, "string"),
    "messages": (list, "[]openai.Message"),
    "stream": (bool, "bool"),
    "max_tokens": (int, "int"),
    "seed": (int, "int"),
}
_TYPES = {400: "invalid_request_error", 404: "not_found_error"}
_EFFORTS = {"none": False, "minimal": "low", "xhigh": "max", "ultra": "max"} | {level: level for level in LEVELS}


def envelope(refusal: Refusal) -> Page:
    """An error as OpenAI's clients read it; its type goes by the status alone."""
    kind = _TYPES.get(refusal.status, "api_error")
    return page({"error": {"message": refusal.text, "type": kind, "param": None, "code": None}}, refusal.status)


def models(call: Call) -> Page:
    """`GET /v1/models`; without models `data` is null, not an empty list."""
    found = [_entry(model) for model in call.double.models.newest_first()]
    return page({"object": "list", "data": found or None})


def model(call: Call) -> Page:
    """`GET /v1/models/{name}`."""
    name = call.recorded.path.removeprefix("/v1/models/")
    if name not in call.double.models:
        raise Refusal(404, f"model '{full_name(name)}' not found")
    return page(_entry(call.double.models[name]) | {"id": name})


def chat(call: Call) -> Page | Stream:
    """`POST /v1/chat/completions`; `stream` means false unless it is true."""
    body = load_object(call.raw, "openai.ChatCompletionRequest")
    check_types(body, FIELDS, "ChatCompletionRequest")
    number = random.randrange(999)  # identifiers of real servers collide too
    head = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": body.get("model") or ""}
    deltas = converse(call, to_native(body), "chat")
    if not body.get("stream"):
        return page(_completion(head, gather(deltas)))
    first = next(deltas)
    if first.error:
        raise Refusal(500, first.error)
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return Stream("text/event-stream", _events(head, chain([first], deltas), with_usage), deltas.close)


def to_native(body: dict[str, Any]) -> dict[str, Any]:
    """Translate a request; what is not named here is not read.  Raises Refusal (400)."""
    if not body.get("messages"):
        raise Refusal(400, "[] is too short - 'messages'")
    options = {
        ours: body[theirs]
        for theirs, ours in (
            ("max_tokens", "num_predict"), ("seed", "seed"),
            ("frequency_penalty", "frequency_penalty"), ("presence_penalty", "presence_penalty"),
        )
        if body.get(theirs) is not None
    }  # fmt: skip
    options |= {name: 1.0 if body.get(name) is None else body[name] for name in ("temperature", "top_p")}
    if stop := body.get("stop"):
        options["stop"] = [stop] if isinstance(stop, str) else stop
    native = {
        "model": body.get("model"),
        "messages": [each for message in body["messages"] for each in _messages(message)],
        "options": options,
        "stream": bool(body.get("stream")),
        **omit_empty(format=_format(body.get("response_format") or {}), tools=body.get("tools")),
        **omit_empty(logprobs=body.get("logprobs"), top_logprobs=body.get("top_logprobs")),
    }
    effort = (body.get("reasoning") or {}).get("effort") or body.get("reasoning_effort")
    if effort:
        if effort not in _EFFORTS:
            raise Refusal(400, f'invalid reasoning value: \'{effort}\' (must be "high", "medium", "low", or "none")')
        native["think"] = _EFFORTS[effort]
    return native


def _entry(model: Model) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": model.modified // 10**9, "owned_by": "library"}


def _format(wanted: dict[str, Any]) -> Any:
    if wanted.get("type") == "json_object":
        return "json"
    return (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None


def _messages(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each part of a content in parts becomes a message of its own."""
    content, rest = message.get("content"), {name: value for name, value in message.items() if name != "content"}
    if not isinstance(content, list):
        yield rest | {"content": content or ""}
        return
    for part in content:
        if part.get("type") == "text":
            yield rest | {"content": part["text"]}
            continue
        image = part.get("image_url")
        url = image.get("url", "") if isinstance(image, dict) else image or ""
        if not url.startswith("data:image/"):
            raise Refusal(400, "invalid image input")
        yield rest | {"content": "", "images": [url.partition(",")[2]]}


def _completion(head: dict[str, Any], delta: Delta) -> dict[str, Any]:
    message = {"role": "assistant", "content": delta.content, **_extras(delta)}
    choice = {"index": 0, "message": message, "finish_reason": _reason(delta), **_logprobs(delta)}
    return _head(head, "chat.completion") | {"choices": [choice], "usage": _usage(delta)}


def _events(head: dict[str, Any], deltas: Iterator[Delta], with_usage: bool) -> Iterator[bytes]:
    role, called = {"role": "assistant"}, False
    for delta in deltas:
        if delta.error:  # only its emptiness gets through, and the stream ends without `[DONE]`
            yield _event(head | {"model": ""}, {"content": ""}, None)
            return
        if not delta.done_reason:
            yield _event(head, {**role, "content": delta.content, **_extras(delta)}, None, _logprobs(delta))
            role, called = {}, called or bool(delta.tool_calls)
            continue
        yield _event(head, dict(role), "tool_calls" if called else delta.done_reason)
        if with_usage:
            yield _data(_head(head, "chat.completion.chunk") | {"choices": [], "usage": _usage(delta)})
        yield b"data: [DONE]\n\n"


def _event(
    head: dict[str, Any], delta: dict[str, Any], reason: str | None, more: dict[str, Any] | None = None
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **(more or {})}
    return _data(_head(head, "chat.completion.chunk") | {"choices": [choice]})


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + dump(value) + b"\n\n"


def _head(head: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": head["id"], "object": kind, "created": head["created"], "model": head["model"],
        "system_fingerprint": "fp_ollama",
    }  # fmt: skip


def _extras(delta: Delta) -> dict[str, Any]:
    """Thoughts, and calls with their arguments as a string."""
    calls = [
        {"id": call["id"], "index": number, "type": "function", "function": {
            "name": call["function"]["name"], "arguments": json.dumps(call["function"]["arguments"])}}
        for number, call in enumerate(delta.tool_calls)
    ]  # fmt: skip
    return omit_empty(reasoning=delta.thinking, tool_calls=calls)


def _reason(delta: Delta) -> str | None:
    return "tool_calls" if delta.tool_calls and delta.done_reason else delta.done_reason or None


def _logprobs(delta: Delta) -> dict[str, Any]:
    return {"logprobs": {"content": list(delta.logprobs)}} if delta.logprobs else {}


def _usage(delta: Delta) -> dict[str, int]:
    read, written = delta.metrics.get("prompt_eval_count", 0), delta.metrics.get("eval_count", 0)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
