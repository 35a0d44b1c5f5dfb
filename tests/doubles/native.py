"""`POST /api/chat` and `/api/generate`: the native form of requests and answers.

`stream` means true unless it is false.  An error after the first chunk comes as a line of its own, with status 200
long gone out; and an answer may end without a last line that says `done: true`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from tests.doubles.call import Call
from tests.doubles.checks import CHAT_FIELDS, MESSAGE_FIELDS
from tests.doubles.generation import Delta, Task, converse, gather
from tests.doubles.wire import NDJSON, Page, Refusal, Stream, check_types, dump, load_object, omit_empty, page, utc


def chat(call: Call) -> Page | Stream:
    """Answer `POST /api/chat`."""
    body = load_object(call.raw, "api.ChatRequest")
    check_types(body, CHAT_FIELDS, "ChatRequest")
    for message in body.get("messages") or []:
        check_types(message, MESSAGE_FIELDS, "ChatRequest.messages")
    return _respond(call, body, "chat")


def generate(call: Call) -> Page | Stream:
    """Answer `POST /api/generate`: system and prompt become messages."""
    body = load_object(call.raw, "api.GenerateRequest")
    check_types(body, CHAT_FIELDS, "GenerateRequest")
    texts = [("system", body.get("system")), ("user", body.get("prompt"))] if body.get("prompt") else []
    body["messages"] = [{"role": role, "content": text} for role, text in texts if text]
    return _respond(call, body, "generate")


def _respond(call: Call, body: dict[str, Any], task: Task) -> Page | Stream:
    deltas = converse(call, body, task)
    if body.get("stream") is False:
        return page(_event(body, task, gather(deltas)))
    first = next(deltas)
    if first.error:
        raise Refusal(500, first.error)
    return Stream(NDJSON, _lines(body, task, chain([first], deltas)), deltas.close)


def _lines(body: dict[str, Any], task: Task, deltas: Iterator[Delta]) -> Iterator[bytes]:
    for delta in deltas:
        yield dump({"error": delta.error} if delta.error else _event(body, task, delta)) + b"\n"


def _event(body: dict[str, Any], task: Task, delta: Delta) -> dict[str, Any]:
    event: dict[str, Any] = {"model": body["model"], "created_at": utc(time.time_ns())}
    more = omit_empty(thinking=delta.thinking, tool_calls=list(delta.tool_calls))
    if task == "chat":
        event["message"] = {"role": "assistant", "content": delta.content, **more}
    else:
        event |= {"response": delta.content, **more}
    event["done"] = bool(delta.done_reason)
    event |= omit_empty(done_reason=delta.done_reason, logprobs=list(delta.logprobs)) | delta.metrics
    if task == "generate" and delta.metrics:
        event["context"] = list(range(delta.metrics.get("prompt_eval_count", 0) + delta.metrics.get("eval_count", 0)))
    if delta.rendered:
        event["_debug_info"] = {"rendered_template": delta.rendered}
    return event
