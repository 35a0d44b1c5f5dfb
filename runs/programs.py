"""Compiled programs in a run: found as the recipe names them, pinned into the run's folder, and loaded.

RUN/programs/KIND/ holds a copy, so that a run goes on with the same prompts whatever `best` is later.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import dspy

from corpus.errors import DataError, RecipeError, RunError
from optimizers.config import BEST, KINDS, Kind
from optimizers.opening import format_in
from optimizers.plain import make_plain
from optimizers.store import PROGRAM, PROGRAMS, SIDECAR, Sidecar, find_best, load_into, read_sidecar, resolve
from runs.folder import Run
from runs.program_notes import Gain, ProgramNote
from runs.recipe import EXAMINEE, Recipe
from signatures.formats import AnswerFormat


def make_program(kind: Kind, recipe: Recipe) -> dspy.Module:
    """Return the uncompiled program of a kind, as runs of the recipe need it."""
    method = recipe.plan.method
    methods = [name for name, share in method.items() if share] if isinstance(method, dict) else [method]
    return make_plain(kind, methods, recipe.train.written_format)


def load_named(kind: Kind, recipe: Recipe) -> dspy.Module:
    """Return the program of a kind as a new run of the recipe would use it: compiled, if the recipe names one.

    Raises:
        RecipeError: the program that the recipe names cannot be used.
    """
    program = make_program(kind, recipe)
    if _named(kind, recipe):
        _load(kind, recipe, program, _find(kind, recipe))
    return program


def check_programs(recipe: Recipe) -> None:
    """Find and load every program that the recipe names; raises RecipeError for one that cannot be used."""
    for kind in KINDS:
        if _named(kind, recipe):
            load_named(kind, recipe)


def pin_programs(run: Run) -> list[str]:
    """Copy every program that the recipe names into the run's folder, once, and note it in the manifest.

    Returns:
        What is to be said: prompts that stay uncompiled, because the program was compiled without them.

    Raises:
        RecipeError: a program cannot be used.
        RunError, DataError: the copy of a program is gone, or cannot be read.
    """
    lines = []
    for kind in KINDS:
        if not (said := _named(kind, run.recipe)):
            continue
        folder, notes = _pinned_path(run, kind), run.manifest.get("programs", {})
        if not folder.is_dir() and kind not in notes:
            found = _find(kind, run.recipe)
            _load(kind, run.recipe, make_program(kind, run.recipe), found)  # refused before it is copied
            _copy(found, folder)
        note = _describe(read_sidecar(folder))
        run.note(programs=notes | {kind: note.model_dump(mode="json")})
        if lacking := load_pinned(run, kind, make_program(kind, run.recipe)):
            name = f"{note.name} (best)" if said == BEST else note.name
            lines.append(f"programs.{kind}: {name} was compiled without {', '.join(lacking)}, which stay as they are")
    return lines


def load_pinned(run: Run, kind: Kind, program: dspy.Module) -> list[str]:
    """Give ``program`` the prompts of the run's copy; none are given where the recipe names no program.

    Returns:
        Names of predictors that the copy lacks.

    Raises:
        RunError, DataError: the copy is gone, or cannot be read.
    """
    return load_into(program, _pinned_path(run, kind)) if _named(kind, run.recipe) else []


def _named(kind: Kind, recipe: Recipe) -> str | None:
    """What the recipe says under `programs`."""
    return {"session": recipe.programs.session, "items": recipe.programs.items, "exam": recipe.programs.exam}[kind]


def _pinned_path(run: Run, kind: Kind) -> Path:
    return run.path / "programs" / kind


def _find(kind: Kind, recipe: Recipe) -> Path:
    """Return the folder of the program that the recipe names; raises RecipeError."""
    said = str(_named(kind, recipe))
    if kind == "exam" and "generate" not in recipe.exam.modes:
        raise RecipeError("programs.exam: a compiled prompt is for written answers; add `generate` to exam.modes")
    by = recipe.roles[EXAMINEE] if kind == "exam" else recipe.teacher
    try:
        folder = find_best(PROGRAMS, kind, by.identity) if said == BEST else resolve(said)
        compiled = read_sidecar(folder).kind
    except (RunError, DataError) as error:
        raise RecipeError(f"programs.{kind}: {error}") from error
    if compiled != kind:
        raise RecipeError(f"programs.{kind}: {said} is of kind {compiled}; name it under programs.{compiled}")
    return folder


def _load(kind: Kind, recipe: Recipe, program: dspy.Module, folder: Path) -> None:
    """Load a program that was found; raises RecipeError."""
    try:
        load_into(program, folder)
    except (RunError, DataError) as error:
        own = recipe.train.written_format
        if kind == "exam" and (other := _format_of(folder)) not in (None, own):
            raise RecipeError(
                f"programs.exam: {folder} was compiled for answers in the format {other}, and the student of this "
                f"recipe writes {own}; compile it with the same train.formats"
            ) from error
        raise RecipeError(f"programs.{kind}: {error}") from error


def _format_of(folder: Path) -> AnswerFormat | None:
    """The answer format that an exam program was compiled for, if it is one of today's."""
    try:
        return format_in(folder)
    except (RunError, DataError):
        return None


def _copy(found: Path, folder: Path) -> None:
    """Copy a program whole or not at all."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in (PROGRAM, SIDECAR):
        shutil.copyfile(found / name, partial / name)
    partial.rename(folder)


def _describe(sidecar: Sidecar) -> ProgramNote:
    role, scores = EXAMINEE if sidecar.kind == "exam" else "teacher", sidecar.scores
    return ProgramNote(
        name=sidecar.name,
        fingerprint=sidecar.fingerprint,
        optimizers=tuple(step.name for step in sidecar.optimizers),
        teacher=sidecar.models.get(role, "unknown"),
        quality=Gain(before=scores.before.quality, after=scores.after.quality, interval=scores.interval, n=scores.n),
    )
