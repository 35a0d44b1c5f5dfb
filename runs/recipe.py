"""Recipes: one YAML file that says everything about a run.

Read safely, checked strictly, and reported by line: an unknown key names the nearest known one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapidfuzz import process

from corpus import nested
from corpus.balance import resolve_sizes
from corpus.config import CurateConfig, PlanConfig, VerifyConfig
from corpus.decks import cell_shares
from corpus.errors import RecipeError
from eval.config import HUB, AnalyseConfig, ExamConfig
from finetune.config import TrainConfig
from lms.limits import LimitsConfig
from lms.spec import OLLAMA, SCRIPTED, TRANSFORMERS, ModelSpec
from optimizers.config import CompileConfig, ProgramsConfig, RoundsConfig

WRITERS = ("teacher", "background", "client", "therapist", "supervisor", "dialogue", "converter")
JUDGE = "judge"
REFLECTION, EXAMINEE = "reflection", "examinee"  # who rewrites prompts, and whose exam prompt is compiled
ROLES = (*WRITERS, JUDGE, REFLECTION, EXAMINEE)


RESERVED = "programs"  # the folder in out/ that is no run


class GenerateConfig(BaseModel):
    """`generate:` how the teacher is called."""

    model_config = ConfigDict(extra="forbid")
    concurrency: int = Field(default=4, ge=1, le=512, description="sessions under way at once")
    cache: Literal["run"] | Path | None = Field(
        default="run", description="where answers are kept: run (in its folder), a folder that runs share, or null"
    )


class Recipe(BaseModel):
    """A whole recipe; every section has defaults, so only what differs need be written."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[\w-]+$", description="names the run folder out/NAME")
    seed: int = Field(default=0, ge=0, description="everything random is derived from it")
    lms: dict[str, ModelSpec] = Field(description=f"role → model; roles are {', '.join(ROLES)}")
    plan: PlanConfig = Field(default_factory=PlanConfig)
    generate: GenerateConfig = Field(default_factory=GenerateConfig)
    verify: VerifyConfig = Field(default_factory=VerifyConfig)
    curate: CurateConfig = Field(default_factory=CurateConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    exam: ExamConfig = Field(default_factory=ExamConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    panel: dict[str, ModelSpec] = Field(default_factory=dict, description="name → model that `analyse` asks")
    analyse: AnalyseConfig = Field(default_factory=AnalyseConfig)
    compile: CompileConfig = Field(default_factory=CompileConfig)
    programs: ProgramsConfig = Field(default_factory=ProgramsConfig)
    rounds: RoundsConfig = Field(default_factory=RoundsConfig)

    @property
    def teacher(self) -> ModelSpec:
        """The model of every role that has none of its own."""
        return self.lms["teacher"]

    @property
    def roles(self) -> dict[str, ModelSpec]:
        """The model of each role."""
        return self.models_of(*ROLES)

    def models_of(self, *roles: str) -> dict[str, ModelSpec]:
        """The models of the named roles; one that has none of its own gets the teacher's."""
        return {role: self.lms.get(role, self.teacher) for role in roles}


# Keys that decide how a run goes but not what an answer says; they may differ when a run goes on.
_OPERATIONAL = re.compile(
    r"generate\.(?:concurrency|cache)|exam\.(?:batch_size|judge_explanations|orders)|curate\.min_\w+|train\.(?:threads|tracker)|limits\.\w+|analyse\.\w+|panel\..+"
    r"|compile\..+|rounds\..+|lms\.(?:reflection|examinee)\..+"
    r"|lms\.\w+\.(?:base_url|api_key_env|num_ctx|max_tokens|keep_alive|timeout|retries|patience|concurrency|prices(?:\.\w+)?)"
)


def is_operational(key: str) -> bool:
    """Whether a flattened key may differ between a run folder's recipe and the one that goes on with it."""
    return bool(_OPERATIONAL.fullmatch(key))


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``key.path=value`` overrides.

    Raises:
        RecipeError: unreadable file, bad YAML, unknown key, impossible value; the message names file, line, and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); recipes that ship are in recipes/") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text; a recipe is a YAML file") from error
    try:
        data = yaml.safe_load(text)
        lines = _key_lines(yaml.compose(text, Loader=yaml.SafeLoader), str(path))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise RecipeError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys such as name, seed, lms, plan")
    for override in overrides:
        apply_override(data, override)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(_explain(error, path, lines)) from error
    _check_combinations(recipe, path)
    return recipe


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set ``a.b.c=value`` in nested mappings; the value is read as YAML.  Raises RecipeError."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override!r}: write key.path=value, for example --set plan.sessions=20")
    *parents, last = key.split(".")
    place: Any = data
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {key}: {parent!r} is not a section of the recipe")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {key}: {value!r} is not a YAML value") from error


def flatten(recipe: Recipe) -> dict[str, Any]:
    """Return the resolved recipe as ``a.b.c`` → JSON value."""
    return nested.flatten(recipe.model_dump(mode="json"))


def _check_combinations(recipe: Recipe, path: Path) -> None:
    """Refuse what is valid key by key but impossible together."""
    for role in recipe.lms:
        if role not in ROLES:
            raise RecipeError(f"{path}: lms.{role}: no such role{_nearest(role, ROLES)}")
    if "teacher" not in recipe.lms:
        raise RecipeError(f"{path}: lms.teacher is missing; name a model, for example scripted/counsel")
    named = {f"lms.{role}": spec for role, spec in recipe.lms.items()}
    for key, spec in (named | {f"panel.{name}": spec for name, spec in recipe.panel.items()}).items():
        for budget, limits in (("limits", recipe.limits), ("compile.budget", recipe.compile.budget)):
            if limits.money and not spec.prices and spec.provider not in (SCRIPTED, OLLAMA, TRANSFORMERS):
                raise RecipeError(
                    f"{path}: {budget}.money needs {key}.prices: {{input: …, output: …}} per million tokens"
                )
    if isinstance(recipe.generate.cache, Path) and recipe.generate.cache.is_file():
        raise RecipeError(f"{path}: generate.cache: {recipe.generate.cache} is a file; name a folder, or run, or null")
    if recipe.plan.moments[0] > recipe.plan.moments[1] or recipe.plan.moments[0] < 2:
        raise RecipeError(f"{path}: plan.moments: write [fewest, most], at least 2 and fewest first")
    if recipe.plan.moments[1] > 14:
        raise RecipeError(f"{path}: plan.moments: a session has 14 turns, so at most 14 moments")
    if recipe.curate.validation + recipe.curate.heldout >= 0.9:
        raise RecipeError(f"{path}: curate.validation and curate.heldout leave too little to train on")
    for key, bounds in (("eu_words", recipe.curate.eu_words), ("ea_words", recipe.curate.ea_words)):
        if bounds[0] >= bounds[1]:
            raise RecipeError(f"{path}: curate.{key}: write [fewest, most]")
    for key, file in (
        ("plan.personas", recipe.plan.personas),
        ("plan.themes", recipe.plan.themes),
        *(("curate.decontaminate.files", file) for file in recipe.curate.decontaminate.files),
        *(("curate.seen", file) for file in recipe.curate.seen),
        *(("compile.existing", file) for file in recipe.compile.existing),
        *(("train.with_items", file) for file in recipe.train.with_items),
        *((f"exam.also.{name}", file) for name, file in recipe.exam.also.items()),
    ):
        if file is not None and not file.is_file():
            raise RecipeError(f"{path}: {key}: {file} is not a file")
    try:
        cell_shares(recipe.plan.weights)
        resolve_sizes(recipe.curate.sizes)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error
    for kind, said in recipe.programs.model_dump().items():
        if said and len(Path(said).parts) > 1 and not Path(said).exists():
            raise RecipeError(f"{path}: programs.{kind}: {said} is not there; `emoreason programs` lists what there is")
    if recipe.programs.exam and "generate" not in recipe.exam.modes:
        raise RecipeError(f"{path}: programs.exam: it is for written answers; add `generate` to exam.modes")
    if recipe.exam.orders > 1 and "generate" not in recipe.exam.modes:
        raise RecipeError(
            f"{path}: exam.orders: likelihood shows no options that could change places; add `generate` to exam.modes"
        )
    if recipe.exam.judge_explanations:
        _check_judged_reasoning(recipe, path)
    if recipe.name == RESERVED:
        raise RecipeError(f"{path}: name: out/{RESERVED} holds compiled programs; choose another name")
    source = recipe.exam.emobench
    if source not in (None, HUB) and not Path(str(source)).is_dir():
        raise RecipeError(f"{path}: exam.emobench: {source} is not a folder (or write `hub`, or null for none)")


def _check_judged_reasoning(recipe: Recipe, path: Path) -> None:
    key = f"{path}: exam.judge_explanations"
    if JUDGE not in recipe.lms:
        raise RecipeError(f"{key}: nobody is there to judge; name a model under lms.judge")
    if "generate" not in recipe.exam.modes:
        raise RecipeError(f"{key}: it is for written answers; add `generate` to exam.modes")
    if recipe.train.written_format != "reasoned":
        raise RecipeError(f"{key}: the student writes no reasoning; put `reasoned` first in train.formats")


def _key_lines(node: yaml.Node | None, where: str) -> dict[tuple[str, ...], int]:
    """Map key paths to line numbers; raises RecipeError for a key that occurs twice."""
    lines: dict[tuple[str, ...], int] = {}

    def walk(current: yaml.Node | None, path: tuple[str, ...]) -> None:
        if not isinstance(current, yaml.MappingNode):
            return
        for key, value in current.value:
            inner = (*path, str(key.value))
            if inner in lines:
                raise RecipeError(
                    f"{where}, line {key.start_mark.line + 1}: {'.'.join(inner)} was set on line {lines[inner]} already"
                )
            lines[inner] = key.start_mark.line + 1
            walk(value, inner)

    walk(node, ())
    return lines


def _explain(error: ValidationError, path: Path, lines: dict[tuple[str, ...], int]) -> str:
    """One line for the first problem, and how many more there are."""
    # A value of several allowed types is reported once per type; a part such as literal['a','b'] names the type.
    problems = {tuple(str(p) for p in e["loc"] if "[" not in str(p)): e for e in reversed(error.errors())}
    location, first = next(reversed(problems.items()))
    known_line = next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)
    where = f"{path}, line {known_line}" if known_line else str(path)
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        message = f"unknown key {key}{_nearest(location[-1], _known_keys(location[:-1]))}"
    elif first["type"] == "missing":
        message = f"{key} is missing"
    else:
        message = f"{key}: {first['msg'].removeprefix('Value error, ')}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {message}{more}"


def _known_keys(path: tuple[str, ...]) -> list[str]:
    """Return the keys of the section at ``path``."""
    model: type[BaseModel] = Recipe
    parts = iter(path)
    for part in parts:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        nested = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not nested:
            return []
        model = nested[0]
        if get_origin(annotation) is dict:
            next(parts, None)  # the role
    return list(model.model_fields)


def _nearest(name: str, known: Sequence[str]) -> str:
    match = process.extractOne(name, known, score_cutoff=55)
    return f"; did you mean {match[0]}?" if match else f"; known are {', '.join(known)}"
