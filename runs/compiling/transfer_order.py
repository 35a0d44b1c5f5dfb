"""What a table programs × teachers is to be made of: rows, columns, and the cases on which all are examined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dspy
from pydantic import ValidationError

from corpus.errors import RunError, UsageError
from corpus.markdown import count_of
from corpus.records import Method, render_turns
from lms.build import fingerprint
from lms.spec import OLLAMA, SCRIPTED, TRANSFORMERS, ModelSpec
from optimizers.case_files import as_json, read_cases
from optimizers.cases import Case, ItemCase, SessionCase
from optimizers.config import KINDS, Kind
from optimizers.opening import Opened, open_program
from optimizers.plain import make_plain
from optimizers.store import CASES, PROGRAMS, SIDECAR, load_into, read_sidecar, resolve
from programs.briefing import brief_case
from programs.fingerprint import fingerprint_prompts, predictors_of
from runs.compiling.compile import RECIPE
from runs.compiling.estimate import calls_per_case
from runs.compiling.transfer_table import UNCOMPILED, Row
from runs.recipe import EXAMINEE, JUDGE, Recipe, load_recipe

FEWEST = 10  # cases, as for `compile.final`
_FREE = (SCRIPTED, OLLAMA, TRANSFORMERS)


@dataclass(frozen=True)
class Transfer:
    """What a table is to be made of.

    Args:
        recipe: whose judge, weights, and budget hold.
        kind: of all programs.
        root: the folder in which the table is put, and answers are kept.
        rows: the uncompiled program, then the others; with each the program itself.
        models: teachers by the names under which they were asked for.
        cases: what all are examined on.
        remarks: what is to be said beforehand.
    """

    recipe: Recipe
    kind: Kind
    root: Path
    rows: tuple[tuple[Row, dspy.Module], ...]
    models: dict[str, ModelSpec]
    cases: tuple[Case, ...]
    remarks: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """About how many calls it takes, when no answer is kept."""
        return round(len(self.rows) * len(self.models) * len(self.cases) * calls_per_case(self.recipe, self.kind))

    @property
    def folder(self) -> Path:
        """The folder of the table, which tells it from any other."""
        recipe = self.recipe
        made_from = {
            "programs": [fingerprint_prompts([program]) for _, program in self.rows],
            "models": {name: fingerprint(spec) for name, spec in self.models.items()},
            "judge": fingerprint(recipe.models_of(JUDGE)[JUDGE]) if recipe.compile.judge else "",
            "compile": recipe.compile.model_dump(mode="json", include={"judge", "votes", "weights"}),
            "curate": recipe.curate.model_dump(mode="json") if self.kind == "items" else {},
            "seed": recipe.seed,
            "cases": [as_json(case) for case in self.cases],
        }
        key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:8]
        return self.root / f"transfer-{self.kind}-{key}"


def plan_transfer(
    names: Sequence[str], lms: str, recipe_path: Path | None, overrides: Sequence[str] = (), root: Path = PROGRAMS
) -> Transfer:
    """Find programs, models, and cases.

    Args:
        names: compiled programs, by name in ``root`` or path; a kind stands for the uncompiled program, which is in
            every table.
        lms: names of models in the recipe (a role or one of its panel) or models such as `ollama_chat/qwen3:8b`,
            between commas.
        recipe_path: default: that with which the first program was compiled; it holds no addresses of servers.
        overrides: of the recipe.
        root: the folder of all compiled programs.

    Raises:
        UsageError: no compiled program, or a model that does not exist.
        RunError, DataError: a program cannot be used, or there are too few cases that none was compiled on.
    """
    folders = {folder.resolve(): folder for folder in (resolve(name, root) for name in names if name not in KINDS)}
    if not folders:
        raise UsageError("transfer: name a compiled program, on whose final cases all are examined: emoreason programs")
    opened = [open_program(str(folder), root) for folder in folders]
    first, home = opened[0], next(iter(folders.values()))
    _refuse_mixtures([*opened, *(open_program(name) for name in names if name in KINDS)])
    if recipe_path is None and not (home / RECIPE).is_file():
        raise RunError(f"{home} has no {RECIPE}; name a recipe with --recipe")
    recipe = load_recipe(recipe_path or home / RECIPE, overrides)
    cases, remarks = _choose_cases(list(folders.values()), first.kind)
    rows = [(Row(UNCOMPILED), _make(first, cases))]
    for name, folder, one in zip(_name_apart(list(folders.values())), folders.values(), opened, strict=True):
        program = _make(first, cases)
        if not predictors_of(program).keys() & predictors_of(one.program).keys():
            raise RunError(f"{name} was compiled for sessions of another method than those of {first.name}")
        if lacking := load_into(program, folder):
            remarks.append(f"{name} was compiled without {', '.join(lacking)}, which stay as they are")
        role = EXAMINEE if one.kind == "exam" else "teacher"
        rows.append((Row(name, one.sidecar.models.get(role, "") if one.sidecar else ""), program))
    models = choose_models(recipe, lms)
    return Transfer(recipe, first.kind, home.parent, tuple(rows), models, tuple(cases), tuple(remarks))


def choose_models(recipe: Recipe, lms: str) -> dict[str, ModelSpec]:
    """Return name → model for names between commas; see `plan_transfer`.  Raises UsageError."""
    named = recipe.panel | recipe.lms
    places = {f"panel.{name}": spec for name, spec in recipe.panel.items()}
    places |= {f"lms.{role}": spec for role, spec in recipe.lms.items()}
    chosen: dict[str, ModelSpec] = {}
    for name in (part.strip() for part in lms.split(",")):
        if name in chosen:
            raise UsageError(f"--lms: {name} is named twice")
        declared = {place: spec for place, spec in places.items() if spec.model == name}
        if name in named:
            chosen[name] = named[name]
        elif "/" not in name:
            raise UsageError(
                f"--lms: {name!r} is neither a model of the recipe ({', '.join(named)}) nor one such as "
                "ollama_chat/qwen3:8b"
            )
        elif len({spec.model_dump_json() for spec in declared.values()}) > 1:
            short = ", ".join(place.partition(".")[2] for place in declared)
            raise UsageError(f"--lms: the recipe has {name} with several settings; name one of them: {short}")
        else:
            chosen[name] = next(iter(declared.values()), None) or _declare(name)
        if recipe.compile.budget.money is not None and not chosen[name].prices and chosen[name].provider not in _FREE:
            raise UsageError(f"--lms: compile.budget.money needs the prices of {name}; declare it in the recipe")
    return chosen


def _refuse_mixtures(opened: Sequence[Opened]) -> None:
    """Refuse programs of two kinds, or exams of two forms of answer: one uncompiled program cannot stand for both."""
    first = opened[0]
    for other in opened[1:]:
        if other.kind != first.kind:
            raise RunError(
                f"{first.name} is of kind {first.kind} and {other.name} of kind {other.kind}; "
                "a table is of programs of one kind"
            )
        if first.kind == "exam" and other.folder and other.program.answer_format != first.program.answer_format:
            raise RunError(
                f"{first.name} answers in the format {first.program.answer_format} and {other.name} in "
                f"{other.program.answer_format}; a table is of programs of one format"
            )


def _make(first: Opened, cases: Sequence[Case]) -> dspy.Module:
    """Return the uncompiled program that these cases take."""
    methods: set[Method] = {case.plan.method for case in cases if isinstance(case, SessionCase)}
    if first.kind == "exam":
        return make_plain("exam", answer_format=first.program.answer_format)
    return make_plain(first.kind, methods)


def _name_apart(folders: Sequence[Path]) -> list[str]:
    """Return the names of programs; paths where a name is no program's own, as in the folders of runs."""
    names = [folder.name for folder in folders]
    return [str(folder) if folder.name in KINDS or names.count(folder.name) > 1 else folder.name for folder in folders]


def _declare(name: str) -> ModelSpec:
    try:
        return ModelSpec(model=name)
    except ValidationError as error:
        raise UsageError(f"--lms: {name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _choose_cases(folders: Sequence[Path], kind: Kind) -> tuple[list[Case], list[str]]:
    """Return the final cases of the first program that no program was compiled on, and what is to be said of that."""
    final = read_cases(folders[0] / CASES, kind)
    cases, remarks = final, []
    for name, folder in zip(_name_apart(folders), folders, strict=True):
        known: set[str] = set()
        for one in _trace_back(folder):
            if (one / CASES).is_file():
                worked_on = [*read_cases(one / CASES, kind, "train"), *read_cases(one / CASES, kind, "dev")]
                known.update(trace for case in worked_on for trace in traces_of(case))
            else:
                of = name if one == folder else f"{one.name}, from which {name} began,"
                remarks.append(f"{of} has no {CASES}: on which of the cases it was compiled is not known")
        left = [case for case in cases if not known & traces_of(case)]
        if gone := len(cases) - len(left):
            remarks.append(f"{count_of(gone, 'case')} left out, on which {name} was compiled, or on their story")
        cases = left
    if len(cases) < FEWEST:
        raise RunError(
            f"transfer: of {len(final)} final cases of {folders[0].name} {len(cases)} are left on which no program was "
            f"compiled, and {FEWEST} are needed; compare programs of one recipe, or name another one first"
        )
    return cases, remarks


def _trace_back(folder: Path) -> Iterator[Path]:
    """Yield a program's folder, then those from which it began, each beside the next."""
    yield folder
    while (folder / SIDECAR).is_file() and (parent := read_sidecar(folder).parent):
        folder = folder.parent / parent
        yield folder


def traces_of(case: Case) -> set[str]:
    """Return what a program that was compiled on a case knows of it: IDs and texts, of its session too."""
    if isinstance(case, SessionCase):
        return {case.id, "\n".join(brief_case(case.plan).values())}
    if isinstance(case, ItemCase):
        return {case.id, case.session.id, render_turns(case.session.turns)}
    return {case.id, case.item.scenario, *filter(None, [case.item.session])}
