"""The cases of a compilation: drawn from the recipe's plans, in three parts that share no session and no persona.

Items are written from sessions, so for those sessions are held first, with the recipe's own session program.  An exam
prompt is compiled on the items of a run: to learn from and to choose by, training items; as final cases, validation
items.  Held-out items and EmoBench are never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any, Literal

import dspy
from pydantic import TypeAdapter, ValidationError

from corpus.errors import DataError, RunError
from corpus.jsonl import write_jsonl
from corpus.plans import Planner
from corpus.records import Item, Moment, Plan, Session
from corpus.seeds import derive_seed, rng_for
from optimizers.cases import Case, ExamCase, ItemCase, SessionCase
from optimizers.config import Kind
from programs.asking import AskFailed
from programs.converter import excerpt_of
from runs.folder import Run
from runs.items import read_items
from runs.recipe import Recipe

Part = Literal["train", "dev", "final"]
PARTS: tuple[Part, ...] = ("train", "dev", "final")
PER_SESSION = 4  # items of one session: more would be cheaper, and would tell less, being alike
SHARES: dict[Part, float] = {"train": 0.4, "dev": 0.2, "final": 0.4}  # of the personas
SPARE = 1.5  # plans beyond those that are needed, for sessions that fail and parts that get fewer personas
_ITEM: TypeAdapter[Any] = TypeAdapter(Item)


@dataclass(frozen=True)
class Cases:
    """The cases of the three parts."""

    train: list[Case]
    dev: list[Case]
    final: list[Case]

    def part(self, name: Part) -> list[Case]:
        """Return the cases of one part."""
        found: list[Case] = getattr(self, name)
        return found

    @property
    def fingerprints(self) -> dict[str, str]:
        """Part → number of cases and the first figures of a SHA-256 over them."""
        return {name: _fingerprint(self.part(name)) for name in PARTS}


def plan_cases(recipe: Recipe) -> Iterator[tuple[Part, Plan]]:
    """Yield plans as the recipe's own, of another seed, each with its part: so no session of a run is written twice.

    The part follows from the persona, whatever the sizes: what one compilation learned from is never the final case of
    another that goes on from it.
    """
    needed = max(getattr(recipe.compile, part) / share for part, share in SHARES.items())
    sessions = ceil(SPARE * needed) + 1
    config = recipe.plan.model_copy(update={"sessions": sessions, "persona_uses": sessions})
    for plan in Planner(config, derive_seed(recipe.seed, "compile")).first_round():
        yield part_of(plan), plan


def part_of(plan: Plan) -> Part:
    """Return the part to which a plan belongs."""
    return rng_for("part", plan.persona.persona).choices(list(SHARES), list(SHARES.values()))[0]


def sessions_needed(recipe: Recipe) -> int:
    """Return how many sessions item cases take, at the least."""
    return sum(-(-getattr(recipe.compile, part) // PER_SESSION) for part in PARTS)


def draw_session_cases(recipe: Recipe) -> Cases:
    """Return plans as cases; raises RunError when the personas are too few."""
    return _fill(recipe, lambda plan: [SessionCase(plan)])


def draw_item_cases(recipe: Recipe, hold: Callable[[Plan], Session | None]) -> Cases:
    """Return moments of sessions as cases; ``hold`` gives the session of a plan, or None when it failed.

    Raises:
        RunError: too many sessions failed.
    """

    def make(plan: Plan) -> list[ItemCase]:
        session = hold(plan)
        return [ItemCase(session, moment) for moment in _choose_moments(session)] if session else []

    return _fill(recipe, make)


def _fill(recipe: Recipe, make: Callable[[Plan], Sequence[Case]]) -> Cases:
    wanted: dict[Part, int] = {part: getattr(recipe.compile, part) for part in PARTS}
    found: dict[Part, list[Case]] = {part: [] for part in PARTS}
    for part, plan in plan_cases(recipe):
        if len(found[part]) < wanted[part]:
            found[part] += make(plan)
        if all(len(found[part]) >= wanted[part] for part in PARTS):
            return Cases(**{part: cases[: wanted[part]] for part, cases in found.items()})
    raise RunError(
        "compile: too few cases: sessions failed (`emoreason doctor` looks at the models), or plan.personas has too "
        "few personas for three parts that share none; lower compile.train, compile.dev, and compile.final"
    )


def draw_exam_cases(recipe: Recipe, run: Run) -> Cases:
    """Return items of a run as cases.

    Raises:
        RunError: the run is not curated yet, or has too few items.
    """
    run.require("curate")
    rng, compile_ = rng_for(recipe.seed, "compile", "exam"), recipe.compile
    learn, last = (_mix_tasks(rng.sample(found, len(found))) for found in _by_split(run))
    needed = compile_.train + compile_.dev
    if len(learn) < needed or len(last) < compile_.final:
        raise RunError(
            f"{run.path}: has {len(learn)} training and {len(last)} validation items, and compile asks for "
            f"{needed} (train + dev) and {compile_.final} (final): lower these or generate more"
        )
    cases = [ExamCase(item) for item in learn[:needed]]
    return Cases(
        list(cases[: compile_.train]), list(cases[compile_.train :]), [ExamCase(i) for i in last[: compile_.final]]
    )


def write_cases(path: Path, cases: Cases) -> None:
    """Write cases as JSON Lines: ``id``, ``part``, ``case``."""
    write_jsonl(
        path,
        ({"id": case.id, "part": part, "case": as_json(case)} for part in PARTS for case in cases.part(part)),
    )


def read_cases(path: Path, kind: Kind, part: Part = "final") -> list[Case]:
    """Read the cases of one part.

    Raises:
        DataError: the file is missing, or a line in it is no case of this kind; the message names it.
    """
    cases: list[Case] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read; compile the program again") from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if row["part"] == part:
                cases.append(_from_json(row["case"], kind))
        except (ValueError, KeyError, TypeError, ValidationError, StopIteration) as error:
            raise DataError(f"{path}, line {number}: no case of kind {kind}; compile the program again") from error
    return cases


def as_json(case: Case) -> dict[str, Any]:
    """Return a case as JSON values."""
    if isinstance(case, SessionCase):
        return {"plan": case.plan.model_dump(mode="json")}
    if isinstance(case, ItemCase):
        return {"session": case.session.model_dump(mode="json"), "moment": case.moment.id}
    return {"item": case.item.model_dump(mode="json", by_alias=True)}


def _from_json(row: dict[str, Any], kind: Kind) -> Case:
    if kind == "session":
        return SessionCase(Plan.model_validate(row["plan"]))
    if kind == "items":
        session = Session.model_validate(row["session"])
        return ItemCase(session, next(moment for moment in session.plan.moments if moment.id == row["moment"]))
    return ExamCase(_ITEM.validate_python(row["item"]))


def hold_session(writer: dspy.Module, plan: Plan) -> Session | None:
    """Return the session of a plan, or None when a role gave no acceptable answer."""
    try:
        session: Session = writer(plan=plan).session
    except AskFailed:
        return None
    return session


def _choose_moments(session: Session) -> list[Moment]:
    told = [moment for moment in session.plan.moments if excerpt_of(session, moment)]
    rng = rng_for(session.id, "cases")
    return _mix_tasks(rng.sample(told, len(told)))[:PER_SESSION]


def _mix_tasks(records: Sequence[Any]) -> list[Any]:
    """Take understanding and application in turn, so that any first part of the list holds both."""
    tasks = [[record for record in records if record.task == task] for task in ("EU", "EA")]
    shortest = min(map(len, tasks))
    paired = chain.from_iterable(zip(*tasks, strict=False))
    return [*paired, *chain.from_iterable(group[shortest:] for group in tasks)]


def _by_split(run: Run) -> tuple[list[Any], list[Any]]:
    return list(read_items(run, "train")), list(read_items(run, "validation"))


def _fingerprint(cases: Sequence[Case]) -> str:
    text = json.dumps([as_json(case) for case in cases], sort_keys=True)
    return f"{len(cases)} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
