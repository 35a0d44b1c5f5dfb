"""The scripted teacher as the model behind the double: the same texts over HTTP as in process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dspy.lm15 import Config, InvalidRequestError, Message, Request

from lms.scripted.engine import ScriptedEngine
from lms.scripted.names import Mistake
from tests.doubles.generation import Reply
from tests.doubles.wire import Refusal

NO_MISTAKES: Mapping[Mistake, float] = MappingProxyType({})

_ROLES = {"user": Message.user, "assistant": Message.assistant}


def scripted_reply(mistakes: Mapping[Mistake, float] | None = NO_MISTAKES) -> Callable[[dict[str, Any]], Reply]:
    """Return a `reply` that asks the scripted teacher; without mistakes unless told, None for the default rates."""
    teacher = ScriptedEngine(None if mistakes is None else dict(mistakes))

    def reply(body: dict[str, Any]) -> Reply:
        try:
            return Reply(teacher.complete(rebuild_request(body)).message.text or "")
        except InvalidRequestError as error:  # an ask that it does not know
            raise Refusal(400, str(error)) from error

    return reply


def rebuild_request(body: dict[str, Any]) -> Request:
    """Rebuild DSPy's request from a chat body: system messages lifted out, the rest with their roles."""
    options, messages = body.get("options") or {}, body["messages"]
    system = [message["content"] for message in messages if message["role"] == "system"]
    rest = tuple(_ROLES[each["role"]](each["content"]) for each in messages if each["role"] != "system")
    budget = options.get("num_predict", -1)
    config = Config(
        seed=options.get("seed"), temperature=options.get("temperature"), max_tokens=budget if budget > 0 else None
    )
    return Request(model=body["model"], messages=rest, system="\n".join(system) or None, config=config)
