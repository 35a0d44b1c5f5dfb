"""The file of a compiled program, taken apart with care: DSPy's state as JSON, checked against today's signatures.

A program is read as text and nothing else: it binds no model and is never unpickled.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import dspy
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from corpus.errors import DataError, RunError
from corpus.jsonl import MAX_LINE
from optimizers.config import KINDS, Kind

PROGRAM, PICKLE = "program.json", "program.pkl"
LISTED = 12  # names in a message
AUGMENTED = "augmented"  # with which DSPy marks demonstrations that a program made itself
# How the names of a program's predictors begin, by its kind.
_BEGIN: dict[Kind, tuple[str, ...]] = {"session": ("mads.", "concise."), "items": ("write_",), "exam": ("answer_",)}


class FieldState(BaseModel):
    """The texts of a field; DSPy does not write its name, only the prefix that it makes from it."""

    prefix: str
    description: str


class SignatureState(BaseModel):
    """The texts of a signature."""

    instructions: str
    fields: list[FieldState]


class PredictorState(BaseModel):
    """What is taken from DSPy's state of a predictor; whatever else stands there is left alone."""

    signature: SignatureState
    demos: list[dict[str, Any]] = []
    lm: Any = None


_STATES: TypeAdapter[dict[str, PredictorState]] = TypeAdapter(dict[str, PredictorState])


def file_of(path: Path) -> Path:
    """Return the `program.json` of a folder or of itself; raises DataError for pickles, RunError for anything else."""
    pickle = path / PICKLE
    if path.suffix == ".pkl" or (is_file(pickle) and not is_file(path / PROGRAM)):
        shown = path if path.suffix == ".pkl" else pickle
        raise DataError(
            f"{shown} is a pickle, which could run any code when loaded; compile anew, that gives {PROGRAM}"
        )
    for file in (path / PROGRAM, path):
        if file.name == PROGRAM and is_file(file):
            return file
    raise RunError(f"{path} holds no {PROGRAM}; `emoreason programs` lists what there is")


def kind_of(names: Collection[str]) -> str:
    """Tell the kind of a program by the names of its predictors; `unknown` when they are none of ours."""
    return next((kind for kind in KINDS if any(name.startswith(_BEGIN[kind]) for name in names)), "unknown")


def read_states(file: Path) -> dict[str, PredictorState]:
    """Return name → state of the predictors in a `program.json`; raises DataError when it is not one."""
    try:
        content = from_json(read_bytes(file), allow_inf_nan=False)
    except ValueError as error:
        raise DataError(f"{file}: not JSON ({error}); the file is damaged, compile anew") from error
    if isinstance(content, dict):
        content.pop("metadata", None)
    try:
        states = _STATES.validate_python(content)
    except ValidationError as error:
        raise DataError(f"{file}: not a compiled program ({explain(error)}); compile anew") from error
    if not states:
        raise DataError(f"{file}: not a compiled program (it has no predictors); compile anew")
    return states


def read_bytes(file: Path) -> bytes:
    """Return what a file holds; raises DataError when it cannot be read or is too large to be meant."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_LINE + 1)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions") from error
    if len(content) > MAX_LINE:
        raise DataError(f"{file}: larger than {MAX_LINE // 2**20} MiB, so it is no compiled program")
    return content


def restore(file: Path, name: str, today: type[dspy.Signature], state: SignatureState) -> type[dspy.Signature]:
    """Return today's signature with the texts of the file; raises DataError when it had other fields then.

    Fields are told by their prefixes.  The last one may differ, because COPRO rewrites it.
    """
    then = [field.prefix for field in state.fields]
    now = [field.json_schema_extra["prefix"] for field in today.fields.values()]
    if len(then) != len(now) or then[:-1] != now[:-1]:
        raise DataError(
            f"{file}: {name} was compiled with the fields {_list(then)}, and has {_list(now)} now; it was made by "
            "another version or for another form of answer, compile anew"
        )
    return today.load_state(state.model_dump())  # type: ignore[no-any-return]


def read_demos(
    file: Path, name: str, signature: type[dspy.Signature], demos: list[dict[str, Any]]
) -> list[dspy.Example]:
    """Return demonstrations with their types; raises DataError when one lacks a field, has another, or a wrong type."""
    read = []
    for number, demo in enumerate(demos, 1):
        where = f"{file}: demonstration {number} of {name}"
        names = demo.keys() - {AUGMENTED}
        if wrong := sorted(names ^ signature.fields.keys()):
            raise DataError(f"{where} lacks fields or has foreign ones ({_list(wrong)}); compile anew")
        try:
            values = {
                field: TypeAdapter(info.annotation).validate_python(demo[field])
                for field, info in signature.fields.items()
            }
        except ValidationError as error:
            raise DataError(f"{where} has a field of the wrong type ({explain(error)}); compile anew") from error
        read.append(dspy.Example(**values))
    return read


def explain(error: ValidationError) -> str:
    """Say in one line what is wrong first."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{_one_line(where)}: {_one_line(first['msg'])}"


def _list(names: list[str]) -> str:
    return ", ".join(_one_line(name) for name in names[:LISTED]) + (", …" if len(names) > LISTED else "")


def _one_line(text: str) -> str:
    """Show a piece of a file that may hold anything: one line, short, printable."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:120])


def is_file(path: Path) -> bool:
    """Whether there is a file that may be looked at."""
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be looked into
        return False
