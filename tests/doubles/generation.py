"""From a request to the pieces of an answer: checks, loading, waiting, thinking, writing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from tests.doubles.call import Call
from tests.doubles.checks import (
    check_capabilities,
    check_format,
    check_options,
    check_sampling,
    find_model,
    read_keep_alive,
)
from tests.doubles.faults import RUNNER_CRASH
from tests.doubles.models import Model
from tests.doubles.overflow import Messages, Window
from tests.doubles.scheduler import LOAD_TIME_OPTIONS, Launch, Runner
from tests.doubles.wire import Refusal, dump, omit_empty

Task = Literal["chat", "generate"]
T = TypeVar("T")

PIECE = 4  # characters per chunk
PROSE = "Certainly! I would rather say it in plain words than in the form that you asked for."


@dataclass(frozen=True)
class Reply:
    """What the model says.

    A model without the capability `thinking` has no place for thoughts: there they stand in the content, in
    `<think>` tags, as from a template that the server does not know.
    """

    content: str
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    done_reason: str = "stop"


@dataclass(frozen=True)
class Delta:
    """A piece of an answer; the last one, and only that, has a reason."""

    content: str = ""
    thinking: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    logprobs: tuple[dict[str, Any], ...] = ()
    done_reason: str = ""
    metrics: dict[str, int] = field(default_factory=dict)
    error: str = ""
    rendered: str = ""


@dataclass(frozen=True)
class Asked:
    """A checked request."""

    body: dict[str, Any]
    model: Model
    task: Task
    thinks: bool
    options: dict[str, Any]
    window: Window


def converse(call: Call, body: dict[str, Any], task: Task) -> Generator[Delta]:
    """Answer a request in the body's native form, piece by piece; places and runner are held while it lasts.

    Raises:
        Refusal: before the first piece, in the order of a real server's checks.
        ClientGone: nobody waits any more.
    """
    double = call.double
    check_sampling(body)
    keep_seconds = read_keep_alive(body.get("keep_alive"))
    if call.meets("gone"):
        double.models.discard(body.get("model") or "")
    model = find_model(double.models, body.get("model") or "", task)
    if not body.get("messages") and keep_seconds == 0:
        double.scheduler.unload(model)
        yield Delta(done_reason="unload")
        return
    thinks = check_capabilities(model, body, task)
    options = check_options(model.params | (body.get("options") or {}))
    asked = Asked(body, model, task, thinks, options, _window(call, model, body, options))
    settings = tuple(options.get(name) for name in LOAD_TIME_OPTIONS)
    launch = Launch(asked.window.ctx, "num_ctx" not in options, (*settings, asked.window.shift, model.adapters))
    with double.scheduler.runner(call, model, launch, keep_seconds) as runner:
        load_duration = time.monotonic_ns() - call.arrived
        if not body.get("messages"):
            yield Delta(done_reason="load")
            return
        messages = asked.window.drop_oldest(_with_own_messages(model, body["messages"]), double.count)
        if body.get("_debug_render_only"):
            yield Delta(rendered=render(messages))
            return
        tokens = double.count_prompt(messages)
        if call.meets("overflow"):
            tokens = max(tokens, 2 * asked.window.ctx + 1)
        read = asked.window.cut(tokens)
        check_format(body.get("format"))
        yield from _answer(call, asked, messages, read, runner, load_duration)


def gather(deltas: Iterable[Delta]) -> Delta:
    """Join the pieces to the one that is sent without streaming; raises Refusal (500) for an error on the way."""
    pieces = list(deltas)
    if pieces[-1].error:
        raise Refusal(500, pieces[-1].error)
    return replace(
        pieces[-1],
        content="".join(piece.content for piece in pieces),
        thinking="".join(piece.thinking for piece in pieces),
        tool_calls=tuple(call for piece in pieces for call in piece.tool_calls),
        logprobs=tuple(each for piece in pieces for each in piece.logprobs),
    )


def interrupt(call: Call, items: Iterable[T], is_last: Callable[[T], bool], error: Callable[[str], T]) -> Generator[T]:
    """Pass items on until the call's fault ends them: without a word, or with an error; the last never gets out."""
    fault = call.meets("error_mid", "abort_no_done")
    for number, item in enumerate(items):
        if fault and (number >= fault.chunks or is_last(item)):
            break
        yield item
    if fault and fault.kind == "error_mid":
        yield error(fault.text or RUNNER_CRASH)


def render(messages: Messages) -> str:
    """The prompt as ChatML."""
    turns = (f"<|im_start|>{message.get('role')}\n{message.get('content') or ''}<|im_end|>\n" for message in messages)
    return "".join(turns) + "<|im_start|>assistant\n"


def _window(call: Call, model: Model, body: dict[str, Any], options: dict[str, Any]) -> Window:
    smallest = 2048 if "vision" in model.capabilities else 4
    ctx = max(min(options.get("num_ctx", call.double.default_ctx), model.train_ctx), smallest)
    heeded = body if call.double.honours_truncate else {}
    truncate, shift = (heeded.get(name) is not False for name in ("truncate", "shift"))
    return Window(ctx, model.mode, truncate, shift, max(options.get("num_keep", 4), 0))


def _with_own_messages(model: Model, messages: Messages) -> Messages:
    """A model made with messages or a system text says them first, unless the request has its own system text."""
    whole = [*model.messages, *messages]
    if model.system and messages[0].get("role") != "system":
        whole.insert(0, {"role": "system", "content": model.system})
    return whole


def _answer(
    call: Call, asked: Asked, messages: Messages, read: int, runner: Runner, load_duration: int
) -> Generator[Delta]:
    double = call.double
    with double.scheduler.place(call, runner):
        began = time.monotonic_ns()
        call.pause(double.latency)
        said = double.reply({**asked.body, "messages": messages})
        reply = _in_channels(call, asked, Reply(said) if isinstance(said, str) else said)
        reply, written = _within_budget(asked, reply, read, double.count)
        pieces = _pieces(call, asked, reply)
        silent = True
        for delta in interrupt(call, pieces, is_last=lambda delta: False, error=lambda text: Delta(error=text)):
            silent = False
            yield delta
        if call.meets("error_mid", "abort_no_done"):
            if silent:  # clients get one piece at least
                yield Delta()
            return
        worked = max(time.monotonic_ns() - began, 4)
        metrics = omit_empty(
            total_duration=time.monotonic_ns() - call.arrived,
            load_duration=load_duration,
            prompt_eval_count=read,
            prompt_eval_duration=worked // 4,
            eval_count=written,
            eval_duration=worked - worked // 4,
        )
        yield Delta(done_reason=reply.done_reason, metrics=metrics)


def _in_channels(call: Call, asked: Asked, reply: Reply) -> Reply:
    """What stands as thoughts, what as content, and what a fault makes of it."""
    if fault := call.meets("thinking_only"):
        return Reply("", thinking=fault.text or reply.thinking or reply.content, done_reason="length")
    if fault := call.meets("content"):
        return Reply(fault.text, done_reason="stop" if fault.after is None else "length")
    if fault := call.meets("format_ignored"):
        return Reply(fault.text or PROSE)
    if reply.thinking and "thinking" not in asked.model.capabilities:
        return replace(reply, content=f"<think>\n{reply.thinking}\n</think>\n\n{reply.content}", thinking="")
    return reply if asked.thinks else replace(reply, thinking="")


def _within_budget(asked: Asked, reply: Reply, read: int, count: Callable[[str], int]) -> tuple[Reply, int]:
    """Cut a reply at a stop text and at its budget of tokens, thoughts included; return it with its token count."""
    for stop in asked.options.get("stop", []):
        reply = replace(reply, content=reply.content.partition(stop)[0])
    window, budget = asked.window, asked.options.get("num_predict", -1)
    if budget < 0:
        budget = 10 * window.ctx
    if not window.shift:
        budget = min(budget, max(window.ctx - read, 1))
    thought, said = count(reply.thinking) if reply.thinking else 0, count(reply.content) if reply.content else 0
    if thought + said > budget:
        thinking = _prefix(reply.thinking, budget, count)
        left = budget - (count(thinking) if thinking else 0)
        content = _prefix(reply.content, left, count) if thinking == reply.thinking else ""
        reply = replace(reply, thinking=thinking, content=content, done_reason="length")
        return reply, budget
    if reply.done_reason == "length" and "num_predict" in asked.options:
        return reply, budget
    called = count(dump(list(reply.tool_calls)).decode()) if reply.tool_calls else 0
    if asked.body.get("format") and asked.model.mode == "rendered" and thought and said:
        thought = 0  # the constrained second pass is all that is counted
    return reply, thought + said + called


def _prefix(text: str, budget: int, count: Callable[[str], int]) -> str:
    """The longest beginning of a text that has no more than so many tokens."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= budget else (low, middle - 1)
    return text[:low]


def _pieces(call: Call, asked: Asked, reply: Reply) -> Generator[Delta]:
    slow = call.meets("slow_chunks")
    seconds = slow.seconds if slow else call.double.chunk_seconds
    in_sight = seconds or asked.body.get("stream") is not False or asked.body.get("logprobs")
    size = PIECE if in_sight or call.meets("error_mid", "abort_no_done") else max(len(reply.content), 1)
    for channel in ("thinking", "content"):
        text = getattr(reply, channel)
        for start in range(0, len(text), size):
            call.pause(seconds)
            piece = text[start : start + size]
            yield Delta(**{channel: piece}, logprobs=_logprobs(asked.body, piece))
    if reply.tool_calls:
        yield Delta(tool_calls=tuple(_tool_call(number, each) for number, each in enumerate(reply.tool_calls)))


def _tool_call(number: int, wanted: dict[str, Any]) -> dict[str, Any]:
    function = wanted.get("function", wanted)
    said = {"index": number, "name": function["name"], "arguments": function.get("arguments", {})}
    return {"id": wanted.get("id", f"call_{number:08x}"), "function": said}


def _logprobs(body: dict[str, Any], piece: str) -> tuple[dict[str, Any], ...]:
    if not body.get("logprobs"):
        return ()
    token: dict[str, Any] = {"token": piece, "logprob": -0.125, "bytes": list(piece.encode("utf-8", "replace"))}
    others = range(body.get("top_logprobs") or 0)
    top = [{**token, "logprob": -0.125 - rank} if rank else token for rank in others]
    return ({**token, **omit_empty(top_logprobs=top)},)
