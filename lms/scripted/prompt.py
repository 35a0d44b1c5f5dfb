"""Reading a rendered prompt: all that the scripted teacher ever sees of a call.

Understands DSPy's chat and JSON adapters, whose user messages hold ``[[ ## field ## ]]`` sections and end with a
line that lists the output fields in order.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from dspy.lm15 import InvalidRequestError, Request

_SECTION = re.compile(r"^\[\[ ## (\w+) ## \]\]\n", re.MULTILINE)
_CHAT_REQUEST = "Respond with the corresponding output fields"
_JSON_REQUEST = "Respond with a JSON object"


@dataclass(frozen=True)
class Prompt:
    """The fields given, the fields wanted in order, how to write them, and the seed of the call."""

    inputs: dict[str, str]
    outputs: tuple[str, ...]
    as_json: bool
    seed: int

    @classmethod
    def read(cls, request: Request) -> Prompt:
        """Parse the last user message.

        Raises:
            InvalidRequestError: the prompt is in no format that the scripted teacher understands.
        """
        text = request.messages[-1].text or ""
        as_json = _JSON_REQUEST in text
        body, marker, wanted = text.rpartition(_JSON_REQUEST if as_json else _CHAT_REQUEST)
        if not marker:
            raise InvalidRequestError("the scripted teacher reads DSPy's chat and JSON prompts only")
        names = re.findall(r"`(\w+)`", wanted) if as_json else re.findall(r"\[\[ ## (\w+) ## \]\]", wanted)
        parts = _SECTION.split(body)
        inputs = {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}
        return cls(inputs, tuple(n for n in names if n != "completed"), as_json, request.config.seed or 0)

    def write(self, values: dict[str, Any]) -> str:
        """Render an answer as the prompt asked for it."""
        if self.as_json:
            return json.dumps(values, ensure_ascii=False)
        sections = (
            f"[[ ## {name} ## ]]\n{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
            for name, value in values.items()
        )
        return "\n\n".join([*sections, "[[ ## completed ## ]]"])


def read_moments(text: str) -> list[dict[str, str]]:
    """Parse blocks of ``key: value`` lines, separated by empty lines, as `Moment.brief` writes them."""
    blocks = (block for block in text.split("\n\n") if ": " in block)
    return [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in blocks]
