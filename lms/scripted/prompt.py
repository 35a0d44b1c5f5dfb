"""Reading a rendered prompt: all that the scripted teacher ever sees of a call.

Understands DSPy's chat and JSON adapters, whose user messages hold ``[[ ## field ## ]]`` sections and end with a
line that lists the output fields in order, and the compact exam adapter, whose one message ends in the form of the
answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from dspy.lm15 import InvalidRequestError, Message, Request

Style = Literal["chat", "json", "exam"]
Outputs = dict[str, Any]  # output field → text, or what its JSON says

_SECTION = re.compile(r"^\[\[ ## (\w+) ## \]\]\n", re.MULTILINE)
_OBJECTIVE = "your objective is:"
_REQUESTS: dict[Style, str] = {
    "chat": "Respond with the corresponding output fields",
    "json": "Respond with a JSON object",
}
_EXAM = re.compile(r"\n\nAnswer: (\{.*\})\s*\Z")
_EXAM_LINE = re.compile(r"^(Scenario|Question): (.*)$|^([A-J])\) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """The task's instructions, demonstrations, fields given, fields wanted in order, how to write them, and the seed.

    An exam question in the compact format is given as ``scenario``, ``question_1`` …, and ``choices_1`` … (as JSON).
    ``repeat`` counts how often an optimizer made the same request; ``demos`` holds (question, answer) texts.
    """

    inputs: dict[str, str]
    outputs: tuple[str, ...]
    style: Style
    seed: int
    instructions: str = ""
    repeat: int = 0
    demos: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, request: Request) -> Prompt:
        """Parse a request.

        Raises:
            InvalidRequestError: the prompt is in no format that the scripted teacher understands.
        """
        text = request.messages[-1].text or ""
        seed = request.config.seed or 0
        demos = tuple(
            (asked.text or "", answered.text or "")
            for asked, answered in pairwise(request.messages[:-1])
            if answered.role == "assistant"
        )
        if form := _EXAM.search(text):
            wanted = tuple(json.loads(form[1]))
            instructions, _, question = text[: form.start()].rpartition("\n\nScenario: ")
            return cls(_read_exam(f"Scenario: {question}"), wanted, "exam", seed, instructions, 0, demos)
        style: Style = "json" if _REQUESTS["json"] in text else "chat"
        body, marker, request_line = text.rpartition(_REQUESTS[style])
        if not marker:
            raise InvalidRequestError("the scripted teacher reads DSPy's chat and JSON prompts and exam questions only")
        pattern = r"`(\w+)`" if style == "json" else r"\[\[ ## (\w+) ## \]\]"
        names = tuple(name for name in re.findall(pattern, request_line) if name != "completed")
        return cls(_read_sections(body), names, style, seed, _read_instructions(_system_of(request)), 0, demos)

    def demonstrations(self) -> list[tuple[dict[str, str], Outputs]]:
        """Return the fields given and the answer of each demonstration; one that cannot be read is left out."""
        return [(_read_sections(asked), outputs) for asked, text in self.demos if (outputs := _read_answer(text))]

    def write(self, values: Outputs) -> str:
        """Render an answer as the prompt asked for it."""
        if self.style != "chat":
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


def read_list(text: str) -> list[str]:
    """Parse a list field as an adapter renders it; raises InvalidRequestError."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        return [value for _, value in re.findall(r"^\[(\d+)\] «(.*)»$", text, re.MULTILINE)]
    if not isinstance(values, list):
        raise InvalidRequestError(f"the scripted teacher expected a list, found: {text[:80]}")
    return [str(value) for value in values]


def _system_of(request: Request) -> str:
    if isinstance(request.system, str):
        return request.system
    systems: list[Message] = [message for message in request.messages if message.role in ("system", "developer")]
    return "\n".join(message.text or "" for message in systems) or str(request.system or "")


@lru_cache(maxsize=256)
def _read_instructions(system: str) -> str:
    """The part of a system message that an optimizer writes: what stands after ``your objective is:``."""
    return system.rpartition(_OBJECTIVE)[2].strip()


def _read_sections(text: str) -> dict[str, str]:
    parts = _SECTION.split(text)
    return {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}


@lru_cache(maxsize=1024)
def _read_answer(text: str) -> Outputs:
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except (ValueError, TypeError):
            return {}
    return {name: _value(text) for name, text in _read_sections(text).items() if name != "completed"}


def _value(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in "[{" else text
    except ValueError:
        return text


def _read_exam(text: str) -> dict[str, str]:
    inputs: dict[str, str] = {}
    choices: list[list[str]] = []
    for name, value, letter, choice in _EXAM_LINE.findall(text):
        if name == "Scenario":
            inputs["scenario"] = value
        elif name:
            choices.append([])
            inputs[f"question_{len(choices)}"] = value
        elif letter and choices:
            choices[-1].append(choice)
    return inputs | {f"choices_{number}": json.dumps(options) for number, options in enumerate(choices, 1)}
