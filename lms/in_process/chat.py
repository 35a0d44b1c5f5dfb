"""The text side of a checkpoint: messages to tokens through its chat template, and tokens back to text."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from dspy import lm15
from jinja2 import TemplateError

from corpus.text import reason_of

PROVIDER = "in-process"
_PROBE = "does this template know the system role"


class Chat:
    """Renders, encodes, and decodes for one checkpoint, from any thread; small enough to outlive the weights."""

    def __init__(self, name: str, tokenizer: Any, positions: int | None):
        self.name = name
        self.tokenizer = tokenizer
        self.positions = positions  # most tokens of prompt and answer that the model can place; None: no such limit
        self._lock = threading.Lock()  # a fast tokenizer must not be used by two threads at once ("Already borrowed")

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """Return the prompt that asks for the next answer.

        A system message goes before the first user message where the template has no system role.

        Raises:
            lm15.InvalidRequestError: there is no chat template, or it does not take these messages.
        """
        return self._render(messages, asks=True)

    def render_whole(self, messages: Sequence[dict[str, str]]) -> str:
        """Return a conversation that ends with an answer, as a model is trained on it; raises as `render`."""
        return self._render(messages, asks=False)

    def _render(self, messages: Sequence[dict[str, str]], asks: bool) -> str:
        if self.tokenizer.chat_template is None:
            message = f"{self.name} has no chat template; choose an instruction-tuned model"
            raise lm15.InvalidRequestError(message, provider=PROVIDER)
        if any(message["role"] == "system" for message in messages) and not self.takes_system:
            messages = fold_system(messages)
        try:
            return self._apply(messages, asks)
        except (ValueError, TemplateError) as error:
            message = f"the chat template of {self.name} does not take these messages: {reason_of(error)}"
            raise lm15.InvalidRequestError(message, provider=PROVIDER) from error

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without the special tokens that a chat template writes itself."""
        with self._lock:
            ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without special tokens."""
        with self._lock:
            text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template has a system role: it neither refuses it, nor drops it, nor takes it for an answer."""
        rendered = self._probe("system")
        return rendered is not None and rendered.count(_PROBE) == 2 and rendered != self._probe("assistant")

    def _probe(self, role: str) -> str | None:
        try:
            return self._apply([{"role": role, "content": _PROBE}, {"role": "user", "content": _PROBE}])
        except TemplateError:
            return None

    def _apply(self, messages: Sequence[dict[str, str]], asks: bool = True) -> str:
        text: str = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=asks, tokenize=False)
        return text


def fold_system(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Put the text of all system messages before that of the first user message, with a blank line between."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [message for message in messages if message["role"] != "system"]
    first = next((n for n, message in enumerate(others) if message["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": system}, *others]
    others[first] = {"role": "user", "content": f"{system}\n\n{others[first]['content']}"}
    return others
