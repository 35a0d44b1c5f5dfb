"""The cases of a compilation: drawn from the recipe's plans, in three parts that share no session and no persona.

Items are written from sessions, so for those sessions are held first, with the recipe's own session program.  An exam
prompt is compiled on the items of a run: to learn from and to choose by, training items; as final cases, validation
items.  Held-out items and EmoBench are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from math import ceil
from typing import Any

import dspy

from corpus.errors import RunError
from corpus.plans import Planner
from corpus.records import Moment, Plan, Session
from corpus.seeds import derive_seed, rng_for
from optimizers.case_files import PARTS, Cases, Part
from optimizers.cases import Case, ExamCase, ItemCase, SessionCase
from programs.asking import AskFailed
from programs.converter import excerpt_of
from runs.folder import Run
from runs.items import read_items
from runs.recipe import Recipe

PER_SESSION = 4  # items of one session: more would be cheaper, and would tell less, being alike
SHARES: dict[Part, float] = {"train": 0.4, "dev": 0.2, "final": 0.4}  # of the personas
SPARE = 1.5  # plans beyond those that are needed, for sessions that fail and parts that get fewer personas


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
