"""Compiled programs as files: a folder with `program.json` (texts, no model) and `sidecar.json` (where they are from).

Instructions, descriptions, and demonstrations come from the file, names and types of fields from the code, and models
from the recipe.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import dspy
from dspy.utils.saving import get_dependency_versions
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from rapidfuzz import process

from corpus.errors import DataError, RunError
from corpus.jsonl import write_text_atomically
from optimizers.config import BEST, KINDS, Kind, OptimizerName
from optimizers.state import (
    PICKLE,
    explain,
    file_of,
    is_file,
    kind_of,
    read_bytes,
    read_demos,
    read_states,
    restore,
)
from optimizers.state import (
    PROGRAM as PROGRAM,
)
from programs.fingerprint import predictors_of, shown_demos

PROGRAMS = Path("out") / "programs"
SIDECAR, CASES = "sidecar.json", "cases.jsonl"
_log = logging.getLogger(__name__)


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Step(_Written):
    """An optimizer of the chain: its settings, the candidates that it tried, and the quality by which it chose.

    ``dev`` is the mean quality on the development cases before and after it.
    """

    name: OptimizerName
    settings: dict[str, JsonValue] = {}
    dev: tuple[float, float] | None = None
    candidates: int = Field(default=0, ge=0)


class Data(_Written):
    """Of each part: how many cases, and a fingerprint of them."""

    train: str
    dev: str
    final: str


class Mean(_Written):
    """Mean quality, 0..1, with its 95% interval."""

    quality: float = Field(ge=0, le=1)
    interval: tuple[float, float]


class Change(_Written):
    """A criterion before and after, and the paired difference over the ``n`` cases in which both were looked at.

    None stands for what was looked at nowhere.
    """

    n: int = Field(ge=0)
    before: float | None
    after: float | None
    delta: float | None = None
    interval: tuple[float, float] | None = None


class Scores(_Written):
    """The final cases, on which no optimizer has worked: the program before compilation against the one after it.

    ``interval`` is the 95% interval of ``delta``, the mean paired difference in quality.
    """

    n: int = Field(ge=0)
    before: Mean
    after: Mean
    delta: float
    interval: tuple[float, float]
    criteria: dict[str, Change] = {}


class Sidecar(_Written):
    """Where a compiled program is from, and what it is worth."""

    kind: Kind
    name: str
    created: AwareDatetime
    parent: str = Field(default="", description="the compiled program that it began from; empty: none")
    optimizers: tuple[Step, ...]
    seeds: dict[str, int]
    data: Data
    scores: Scores
    cost: dict[str, dict[str, Any]] = Field(
        description="calls: what the compilation took in all; before, after: calls, and characters read and written, "
        "per final case"
    )
    models: dict[str, str] = Field(description="role → identity")
    weights: dict[str, float] = Field(description="criterion → weight in the quality")
    versions: dict[str, str] = Field(description="library → version")
    fingerprint: str = Field(description="of instructions, fields, and demonstrations; see programs.fingerprint")
    changed: bool = Field(description="whether the prompts differ from those that it began from")
    stopped: str = Field(default="", description="why it ended early, if it did")

    @property
    def improved(self) -> bool:
        """Whether it is better than what it began from: the paired interval lies above 0."""
        return self.changed and self.scores.interval[0] > 0


def save(folder: Path, program: dspy.Module, sidecar: Sidecar) -> None:
    """Write a program and its sidecar; DSPy's own ``load`` reads the program too.

    The sidecar comes last: a folder without one was not finished.  Of demonstrations only what a prompt shows is kept.

    Raises:
        DataError: a demonstration could not be loaded again.
    """
    states: dict[str, Any] = {}
    for name, predictor in predictors_of(program).items():
        demos = shown_demos(predictor)
        read_demos(folder / PROGRAM, name, predictor.signature, demos)
        states[name] = {
            "traces": [],
            "train": [],
            "demos": demos,
            "signature": predictor.signature.dump_state(),
            "lm": None,
        }
    states["metadata"] = {"dependency_versions": get_dependency_versions()}
    write_text_atomically(folder / PROGRAM, json.dumps(states, ensure_ascii=False, indent=1) + "\n")
    write_text_atomically(folder / SIDECAR, sidecar.model_dump_json(indent=1) + "\n")


def load_into(program: dspy.Module, path: Path) -> list[str]:
    """Give a program the texts of a compiled one, in ``path`` (its folder or `program.json`); all of them or none.

    Returns the names of the program's predictors that the file lacks, which stay as they are.

    Raises:
        RunError: there is no such file, or it is of a program of another kind.
        DataError: it is no compiled program, or one whose fields or demonstrations do not fit.
    """
    file = file_of(path)
    states, predictors = read_states(file), predictors_of(program)
    if not states.keys() & predictors.keys():
        raise RunError(
            f"{file} is a program of kind {kind_of(states)}; here one of kind {kind_of(predictors)} is needed"
        )
    fitted: dict[str, tuple[type[dspy.Signature], list[dspy.Example]]] = {}
    for name, state in states.items():
        if name not in predictors:
            continue
        signature = restore(file, name, predictors[name].signature, state.signature)
        fitted[name] = signature, read_demos(file, name, signature, state.demos)
        if state.lm is not None:
            _log.warning("%s: the model that it names for %s is ignored; models come from the recipe", file, name)
    for name, (signature, demos) in fitted.items():
        predictors[name].signature, predictors[name].demos = signature, demos
    return [name for name in predictors if name not in fitted]


def read_sidecar(folder: Path) -> Sidecar:
    """Return the sidecar of a folder; raises RunError when there is none, DataError when it is wrong."""
    file = folder / SIDECAR
    if not is_file(file):
        raise RunError(f"{folder} has no {SIDECAR}: its compilation was not finished; compile again, it goes on")
    try:
        return Sidecar.model_validate_json(read_bytes(file))
    except ValidationError as error:
        raise DataError(f"{file}: {explain(error)}; it is damaged or of another version, compile anew") from error


def find_programs(root: Path) -> list[tuple[Path, Sidecar | str]]:
    """Return the folders in ``root`` with their sidecars, by kind and age, then unusable ones with the reason."""
    good: list[tuple[Path, Sidecar]] = []
    bad: list[tuple[Path, Sidecar | str]] = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if not any(is_file(folder / name) for name in (PROGRAM, SIDECAR, PICKLE)):
            continue
        try:
            file_of(folder)
            good.append((folder, read_sidecar(folder)))
        except (RunError, DataError) as error:
            bad.append((folder, str(error)))
    good.sort(key=lambda found: (KINDS.index(found[1].kind), found[1].created))
    return [*good, *bad]


def resolve(name_or_path: str | Path, root: Path = PROGRAMS) -> Path:
    """Return the folder of a program: a path to it or to its `program.json`, its name in ``root``, or how that begins.

    Raises:
        RunError: there is none, or several begin so; the message names the nearest.
        DataError: it is a pickle.
    """
    path, name = Path(name_or_path), str(name_or_path)
    if path.name == PROGRAM and is_file(path):
        return path.parent
    for folder in (path, root / path):
        if is_file(folder / PROGRAM):
            return folder
    known = [folder.name for folder, _ in find_programs(root)]
    if len(path.parts) == 1 and (fitting := [other for other in known if other.startswith(name)]):
        if len(fitting) == 1:
            return file_of(root / fitting[0]).parent
        raise RunError(f"{name!r} is how several programs begin: {', '.join(fitting)}; write more of the name")
    if path.suffix == ".pkl" or is_file(path / PICKLE):
        file_of(path)
    nearest = [found for found, *_ in process.extract(name, known, limit=3)]
    none_yet = f"{root} has none yet; make one: emoreason compile RECIPE"
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else none_yet
    raise RunError(f"{name!r} is neither a program's folder nor the name of one in {root}; {hint}")


def find_best(root: Path, kind: Kind, teacher: str) -> Path:
    """Return the folder of the best program of a kind: of the same teacher if there is one, then by final quality.

    Only programs that beat what they began from count (`Sidecar.improved`).  For exam programs the teacher is who was
    examined.

    Raises:
        RunError: there is none; the message says what to run.
    """
    found = [
        (folder, sidecar)
        for folder, sidecar in find_programs(root)
        if isinstance(sidecar, Sidecar) and sidecar.kind == kind
    ]
    role = "examinee" if kind == "exam" else "teacher"
    good = [(folder, sidecar) for folder, sidecar in found if sidecar.improved]
    if not good:
        why = f"none of {len(found)} is better than what it began from" if found else "there is none"
        raise RunError(
            f"{root} has no program of kind {kind} for `{BEST}`: {why}; "
            f"make one: emoreason compile RECIPE --program {kind}"
        )
    return max(good, key=lambda pair: (pair[1].models.get(role) == teacher, pair[1].scores.after.quality))[0]
