"""Prompts as a model would receive them, message by message, demonstrations included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import dspy

from optimizers.case_files import read_cases
from optimizers.cases import Case, ExamCase, SessionCase
from optimizers.config import Kind
from optimizers.store import CASES
from programs.asking import Asker
from programs.briefing import brief_case
from programs.converter import ItemConverter
from programs.fingerprint import predictors_of
from signatures.chat_adapter import ChatAdapter
from signatures.exam import exam_inputs
from signatures.exam_adapter import ExamAdapter

Inputs = Mapping[str, Any]
_FIRST = {"mads": "mads.write_background", "concise": "concise.write_case"}


@dataclass(frozen=True)
class Message:
    """A message of a prompt."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """What a predictor sends; ``filled`` says whether its inputs are those of a case."""

    predictor: str
    messages: tuple[Message, ...]
    filled: bool


def render_prompts(kind: Kind, program: dspy.Module, inputs: Mapping[str, Inputs] | None = None) -> list[Prompt]:
    """Return the prompts of all predictors; ``inputs`` (predictor → field → value) takes the place of placeholders."""
    adapter = ExamAdapter() if kind == "exam" else ChatAdapter()
    prompts = []
    for name, predictor in predictors_of(program).items():
        given = (inputs or {}).get(name)
        values = given or {
            field: _placeholder(predictor.signature, field) for field in predictor.signature.input_fields
        }
        messages = adapter.format(predictor.signature, predictor.demos, dict(values))
        said = tuple(Message(message["role"], message["content"]) for message in messages)
        prompts.append(Prompt(name, said, given is not None))
    return prompts


def read_inputs(kind: Kind, folder: Path) -> dict[str, Inputs]:
    """Return predictor → inputs from the first final case that reaches it: of sessions, that is the first ask alone.

    Empty when the folder has no cases.

    Raises:
        DataError: a line is no case of this kind.
    """
    path = folder / CASES
    found: dict[str, Inputs] = {}
    for case in read_cases(path, kind) if path.is_file() else ():
        name, inputs = _ask_for(case)
        found.setdefault(name, inputs)
    return found


def _placeholder(signature: type[dspy.Signature], field: str) -> str | tuple[str, ...]:
    """Stand in for an input; one with several values is shown as the first and the rest."""
    here = f"{{{field}}}"
    return here if signature.input_fields[field].annotation is str else (here, "…")


def _ask_for(case: Case) -> tuple[str, Inputs]:
    """Return the predictor that a case reaches first, and what it is asked with."""
    if isinstance(case, SessionCase):
        return _FIRST[case.plan.method], brief_case(case.plan)
    if isinstance(case, ExamCase):
        return f"answer_{case.item.task.lower()}", exam_inputs(case.item)
    converter = ItemConverter()
    try:
        converter.write(_Listener(), case.session, case.moment)
    except _Asked as asked:
        names = {id(predictor): name for name, predictor in predictors_of(converter).items()}
        return names[id(asked.predictor)], asked.inputs
    raise AssertionError("the converter asks for every moment")


class _Asked(Exception):
    """What would have been asked, and of which predictor."""

    def __init__(self, predictor: dspy.Predict, inputs: Inputs):
        super().__init__()
        self.predictor, self.inputs = predictor, inputs


class _Listener(Asker):
    """Asks nobody, and says what would have been asked."""

    def __init__(self) -> None:
        super().__init__(seed=0)

    def __call__(self, role: str, predictor: dspy.Predict, check: Any = None, **inputs: Any) -> NoReturn:
        raise _Asked(predictor, inputs)
