"""The scripted teacher: a DSPy engine without a model, deterministic by seed, honest about what it is.

It sees the rendered prompt alone, recognises what is asked by the output fields, and composes its answer from
frames and phrases.  See docs/scripted-teacher.md.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dspy.lm15 import InvalidRequestError, Message, Request, Response, TextPart, Usage

from corpus.seeds import derive_seed
from lms.scripted.judge import (
    answer_exam,
    compare_scenarios,
    judge_reasoning,
    judge_session,
    review,
    review_explanation,
)
from lms.scripted.mistakes import DEFAULT_RATES, Mistakes
from lms.scripted.names import Mistake
from lms.scripted.prompt import Prompt
from lms.scripted.reflection import INSTRUCTION_OUTPUTS, describe, propose
from lms.scripted.speakers import (
    respond_as_therapist,
    speak_as_client,
    supervise,
    write_background,
    write_case,
    write_dialogue,
)
from lms.scripted.writers import write_application, write_understanding

Writer = Callable[[Prompt, Mistakes], dict[str, Any]]

# An ask is recognised by one output field and, where two asks share it, by an input field.
WRITERS: tuple[tuple[str, str, Writer], ...] = (
    ("background", "", write_background),
    ("case", "", write_case),
    ("scenario_clear", "", supervise),
    ("message", "manner", speak_as_client),
    ("message", "phase", respond_as_therapist),
    ("messages", "", write_dialogue),
    ("scenario", "emotion_names", write_understanding),
    ("scenario", "moment", write_application),
    ("faults", "rubric", review),
    ("cites", "explanation", review_explanation),
    ("grounded", "reasoning", judge_reasoning),
    ("opens_with_event", "transcript", judge_session),
    ("relation", "exam_scenario", compare_scenarios),
    ("answer", "scenario", answer_exam),
    ("answer", "choices", answer_exam),
    ("answer_q1", "scenario", answer_exam),
    ("answer_q1", "cause_choices", answer_exam),
    *((name, "", propose) for name in INSTRUCTION_OUTPUTS),
    *(
        (name, "", describe)
        for name in (
            "program_description", "module_description", "observations", "summary",
            "natural_language_rules", "module_advice",
        )
    ),
)  # fmt: skip
CHARACTERS_PER_TOKEN = 4  # for usage figures; the scripted teacher has no tokenizer


class ScriptedEngine:
    """Answers the project's own signatures; see the module docstring.

    Args:
        mistakes: rate of each named mistake (lms/scripted/mistakes.py); None for the default rates.
        latency: seconds to sleep per call, to stand in for a real model in tests and benchmarks.
    """

    supports_function_calling = False
    supports_reasoning = False
    supports_response_schema = True
    supported_params = frozenset({"temperature", "max_tokens", "seed", "response_format"})

    def __init__(self, mistakes: dict[Mistake, float] | None = None, latency: float = 0.0):
        self.mistakes = Mistakes(DEFAULT_RATES if mistakes is None else mistakes)
        self.latency = latency
        self._asked, self._lock = Counter[int](), threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptedEngine:
        return self

    def dump_state(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {"mistakes": dict(self.mistakes.rates), "latency": self.latency}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> ScriptedEngine:
        """Rebuild an engine from `dump_state`."""
        return cls(**state)

    def complete(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            InvalidRequestError: the prompt asks for something that no writer knows.
        """
        if self.latency:
            time.sleep(self.latency)
        prompt = Prompt.read(request)
        # Optimizers ask for several proposals with one and the same request, and expect them to differ.
        if request.config.temperature and set(prompt.outputs) & set(INSTRUCTION_OUTPUTS):
            key = derive_seed(*(message.text for message in request.messages))
            with self._lock:
                self._asked[key] += 1
                prompt = replace(prompt, repeat=self._asked[key])
        values = find_writer(prompt)(prompt, self.mistakes)
        ordered = {name: values[name] for name in prompt.outputs}
        if self.mistakes.makes("breaks_format", prompt):
            ordered.popitem()
        text = prompt.write(ordered)
        read = sum(len(message.text or "") for message in request.messages) + len(str(request.system or ""))
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(
                input_tokens=read // CHARACTERS_PER_TOKEN, output_tokens=max(1, len(text) // CHARACTERS_PER_TOKEN)
            ),
        )


def find_writer(prompt: Prompt) -> Writer:
    """Return the writer for the fields that a prompt gives and wants; raises InvalidRequestError."""
    for output, given, writer in WRITERS:
        if output in prompt.outputs and (not given or given in prompt.inputs):
            return writer
    raise InvalidRequestError(
        f"the scripted teacher does not know an ask with inputs {sorted(prompt.inputs)} "
        f"and outputs {list(prompt.outputs)}; name another model in the recipe"
    )
