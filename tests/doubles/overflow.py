"""How many tokens a prompt has, and what happens to one that is too long.

First, unless the request says `truncate: false`, the oldest messages other than the system's are dropped until the rest
fits: few-shot demonstrations vanish without a trace.  If system and last message alone are too long, it depends on
the server's version and the kind of template: some cut the text and answer 200, some refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.doubles.models import Mode
from tests.doubles.wire import Refusal

Messages = list[dict[str, Any]]

PER_MESSAGE = 4
LEGACY = "the input length exceeds the context length"
NO_SHIFT = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
    "context length in settings, or use a model with a longer context length"
)


def quarter_of_bytes(text: str) -> int:
    """A token per four bytes of UTF-8, for want of a tokenizer."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def count_prompt(messages: Sequence[dict[str, Any]], count: Callable[[str], int]) -> int:
    """The tokens of a prompt: those of its texts, and a few per message for the template."""
    return sum(count(message.get("content") or "") + PER_MESSAGE for message in messages)


@dataclass(frozen=True)
class Window:
    """The context of one request, and what the request allows to be done to a prompt that exceeds it."""

    ctx: int
    mode: Mode
    truncate: bool = True
    shift: bool = True
    num_keep: int = 4

    def drop_oldest(self, messages: Messages, count: Callable[[str], int]) -> Messages:
        """Step A: leave out the oldest messages until the rest fits; system messages and the last one stay."""
        if not self.truncate:
            return messages
        kept = list(messages)
        while count_prompt(kept, count) > self.ctx:
            oldest = next((i for i, message in enumerate(kept[:-1]) if message.get("role") != "system"), None)
            if oldest is None:
                break
            del kept[oldest]
        return kept

    def cut(self, tokens: int) -> int:
        """Step B: return how many of the prompt's tokens the model reads.

        Raises:
            Refusal: 400, in one of three wordings.
        """
        if tokens < self.ctx:
            return tokens
        if self.mode == "native" or (not self.truncate and self.mode != "legacy"):
            raise Refusal(400, nested_overflow(tokens, self.ctx))
        if not self.truncate:
            raise Refusal(400, LEGACY)
        if self.mode == "legacy":
            return self.ctx
        if self.mode == "early_30":
            return self.ctx - 1
        if not self.shift:
            raise Refusal(400, NO_SHIFT)
        return self.ctx - max((self.ctx - self.num_keep) // 2, 1)


def nested_overflow(tokens: int, ctx: int) -> str:
    """llama-server's own error, which arrives as a string within Ollama's."""
    message = f"request ({tokens} tokens) exceeds the available context size ({ctx} tokens), try increasing it"
    inner = {"code": 400, "message": message, "type": "exceed_context_size_error"}
    return json.dumps({"error": {**inner, "n_prompt_tokens": tokens, "n_ctx": ctx}}, separators=(",", ":"))
