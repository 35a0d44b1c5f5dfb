"""Engines that play one role differently and leave the rest to the scripted teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from lms.scripted.engine import find_writer
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt
from signatures.chat_adapter import ChatAdapter

Player = Callable[[Prompt, dict[str, Any]], "dict[str, Any] | str"]


class PlayedEngine:
    """Gives the player each prompt with the scripted answer, and says what the player returns; notes all prompts."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def __init__(self, player: Player):
        self.player = player
        self.prompts: list[Prompt] = []

    def complete(self, request: Request) -> Response:
        prompt = Prompt.read(request)
        self.prompts.append(prompt)
        values = find_writer(prompt)(prompt, Mistakes({}))
        played = self.player(prompt, {name: values[name] for name in prompt.outputs})
        text = played if isinstance(played, str) else prompt.write(played)
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())


@pytest.fixture
def played() -> Callable[[Player], dspy.LM]:
    """Build a model from a player; its prompts are in ``lm.engine.prompts``."""
    return lambda player: dspy.LM("played/x", engine=PlayedEngine(player), cache=False, num_retries=0)


@pytest.fixture(autouse=True)
def chat_only(flawless_teacher: dspy.LM) -> Iterator[None]:
    """The flawless teacher, and one model call per attempt: no second try in JSON."""
    with dspy.context(adapter=ChatAdapter(use_json_adapter_fallback=False)):
        yield


@pytest.fixture
def never_content(played: Callable[[Player], dspy.LM]) -> dspy.LM:
    """A supervisor to whom no session is ever complete, so that it takes all its turns."""
    return played(lambda prompt, values: dict.fromkeys(values, False))
