"""Programs by name, as the commands that show and compare them need them: compiled, or as they are in the code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import dspy

from corpus.errors import DataError, RunError
from optimizers.config import KINDS, Kind
from optimizers.plain import make_plain
from optimizers.state import file_of, kind_of, read_states
from optimizers.store import PROGRAMS, SIDECAR, Sidecar, find_programs, load_into, read_sidecar, resolve
from programs.writer import METHODS
from signatures.formats import AnswerFormat


@dataclass(frozen=True)
class Opened:
    """A program, what it is called, and its folder; one that is not compiled has none."""

    name: str
    kind: Kind
    program: dspy.Module
    folder: Path | None = None

    @property
    def sidecar(self) -> Sidecar | None:
        """The sidecar, if there is one; raises DataError when it cannot be read."""
        return read_sidecar(self.folder) if self.folder and (self.folder / SIDECAR).exists() else None


def open_program(name: str, root: Path = PROGRAMS) -> Opened:
    """Open a program by path, by name, or as `session`, `items`, `exam` for the uncompiled ones.

    Raises:
        RunError, DataError: see `optimizers.store.resolve` and `load_into`.
    """
    for kind in KINDS:
        if name == kind:
            return Opened(name, kind, make_plain(kind))
    return _open(resolve(name, root))


def open_origin(compiled: Opened, root: Path = PROGRAMS) -> tuple[Opened, str]:
    """Open what a program began from, and say what there is to say about it: nothing as a rule.

    Raises:
        RunError, DataError: it is not compiled, or what it began from cannot be read.
    """
    if compiled.folder is None:
        raise RunError(f"{compiled.name} is not compiled; name a compiled program, or two programs")
    parent = sidecar.parent if (sidecar := compiled.sidecar) else ""
    if not parent:
        return _open_uncompiled(compiled), ""
    for folder, other in (*find_programs(compiled.folder.parent), *find_programs(root)):
        if isinstance(other, Sidecar) and parent in (folder.name, other.name, other.fingerprint):
            return _open(folder), ""
    remark = f"it began from {parent}, which is not found; compared with the prompts of the code"
    return _open_uncompiled(compiled), remark


def open_pair(before: Opened, after: Opened) -> tuple[Opened, Opened]:
    """Return two programs so that they can be compared: an uncompiled one is made as the other is.

    Raises:
        RunError: they are of two kinds.
    """
    if before.kind != after.kind:
        raise RunError(
            f"{before.name} is of kind {before.kind} and {after.name} of kind {after.kind}; compare two of one kind"
        )
    return (
        before if before.folder else _open_uncompiled(after),
        after if after.folder else _open_uncompiled(before),
    )


def is_origin(before: Opened, after: Opened) -> bool:
    """Whether ``after`` was compiled from ``before``, so that its sidecar compares the two."""
    return (sidecar := after.sidecar) is not None and sidecar.parent in _names_of(before)


def _open_uncompiled(compiled: Opened) -> Opened:
    """Open the program of the same kind, methods, and form of answer as it is in the code."""
    return Opened(compiled.kind, compiled.kind, _make_as(compiled.folder)) if compiled.folder else compiled


def _names_of(opened: Opened) -> set[str]:
    """Return what a sidecar may call its parent; the uncompiled program is called nothing."""
    if opened.folder is None:
        return {""}
    return {opened.folder.name, *([sidecar.name, sidecar.fingerprint] if (sidecar := opened.sidecar) else [])}


def _open(folder: Path) -> Opened:
    program = _make_as(folder)
    load_into(program, folder)
    return Opened(folder.name, _kind_in(folder), program, folder)


def _make_as(folder: Path) -> dspy.Module:
    """Return an uncompiled program with the predictors that a file has."""
    kind, names = _kind_in(folder), read_states(file_of(folder))
    if kind != "exam":
        return make_plain(kind, [method for method in METHODS if any(name.startswith(f"{method}.") for name in names)])
    return make_plain("exam", answer_format=format_in(folder))


def _kind_in(folder: Path) -> Kind:
    found = kind_of(read_states(file_of(folder)))
    for kind in KINDS:
        if found == kind:
            return kind
    raise DataError(f"{file_of(folder)}: not a program of this project; it has none of its predictors")


def format_in(folder: Path) -> AnswerFormat:
    """Return the form of answer that an exam program was compiled for; raises as `load_into`."""
    refused: list[DataError] = []
    for answer_format in get_args(AnswerFormat):
        try:
            load_into(make_plain("exam", answer_format=answer_format), folder)
        except DataError as error:
            refused.append(error)
        else:
            found: AnswerFormat = answer_format
            return found
    raise refused[0]
