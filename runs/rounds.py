"""Self-improvement: generate → train → examine → plan again, so many times, unattended.

Each round is a run folder of its own.  A further round plans the cells more often in which the student before was weak,
drops what repeats an item of an earlier round, and trains on the training items of all rounds so far.  As held-out
items differ from round to round, rounds are compared on one yardstick, the held-out items of round 1: since what
repeats an earlier item is dropped, no further round trains on a near copy of one.  (Personas may come again; their
stories do not.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from corpus.jsonl import write_text_atomically
from corpus.seeds import derive_seed
from eval.scores import Comparison, ScoreRow, adjust_together, by_task, compare
from eval.weakness import Weakness, plan_weights
from optimizers.config import Kind, RoundsConfig
from runs.feedback import read_weaknesses
from runs.folder import Run, open_run, read_run
from runs.holding import hold_folder
from runs.items import read_items
from runs.marks import HELDOUT, HELDOUT_OF, read_marks
from runs.pipeline import run_stages
from runs.recipe import Recipe
from runs.round_folders import round_path

FIRST = "round 1"  # the yardstick's name in `exam.also`
YARDSTICK = f"{HELDOUT_OF} {FIRST}"


class CompileKind(Protocol):
    """Compiles a program of a recipe, after the mistakes of a run; one that is finished is not compiled again."""

    def __call__(self, recipe: Recipe, kind: Kind, console: Console, *, feedback: Run) -> Path:
        """Return the program's folder."""
        ...


class Round(BaseModel):
    """What came of a round.

    ``folder`` and ``seed`` are those of its run, ``weights`` its plan's, ``programs`` the compiled programs that it
    used.  ``sessions`` and ``items`` are its own, ``trained_on`` the training items of all rounds so far.  ``scores``
    are the tuned student's on all benchmarks, ``yardstick`` those of them on the held-out items of round 1, and
    ``changes`` compare these, item by item, with the student of the round before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int
    folder: str
    seed: int
    weights: dict[str, float]
    programs: dict[str, str]
    sessions: int
    items: int
    trained_on: int
    scores: list[ScoreRow]
    yardstick: list[ScoreRow]
    changes: list[Comparison]
    weaknesses: list[Weakness]
    next_weights: dict[str, float]


def run_rounds(
    recipe: Recipe,
    path: Path,
    console: Console,
    compile_kind: CompileKind,
    on_round: Callable[[Sequence[Round]], None],
) -> list[Round]:
    """Run the rounds of a recipe; what is finished is not done again.

    Args:
        recipe: its `rounds.count` says how many.
        path: the folder of the rounds.
        console: for progress.
        compile_kind: compiles the programs of `rounds.compile` before each further round.
        on_round: is given all rounds so far after each that was not finished before, and after the last.

    Raises:
        RunError: the folder is in use, or cannot be written.
        EmoReasonError: see `runs.pipeline.run_stages`.
    """
    with hold_folder(path):
        rounds: list[Round] = []
        for number in range(1, recipe.rounds.count + 1):
            folder = round_path(path, number)
            before = read_run(round_path(path, number - 1)) if rounds else None
            weights = rounds[-1].next_weights if rounds else recipe.plan.weights
            programs = _choose_programs(recipe, folder, before, console, compile_kind)
            own = recipe_of_round(recipe, path, number, weights, programs)
            console.print(f"\nround {number} of {recipe.rounds.count}: {folder}", highlight=False, soft_wrap=True)
            if finished := _is_finished(own, folder):
                console.print("done before", style="dim")
            else:
                run_stages(own, folder, console)
            rounds.append(_sum_up(recipe, number, read_run(folder), before))
            _write(path, recipe, rounds)
            if not finished or number == recipe.rounds.count:
                on_round(rounds)
        return rounds


def recipe_of_round(
    recipe: Recipe, path: Path, number: int, weights: dict[str, float], programs: dict[str, str]
) -> Recipe:
    """Return the recipe of one round: a plain one, so that any command takes it.

    Args:
        recipe: that of all rounds; path: their folder; number: from 1.
        weights: `plan.weights`; programs: compiled programs to use instead of the recipe's, by kind.
    """
    earlier = tuple(round_path(path, one) / "data" / "items.jsonl" for one in range(1, number))
    own = recipe.model_copy(update={"name": f"{recipe.name}-r{number}", "rounds": RoundsConfig()})
    if not earlier:
        return own
    plan = {"weights": weights, "sessions": recipe.rounds.sessions or recipe.plan.sessions}
    return own.model_copy(
        update={
            "seed": derive_seed(recipe.seed, "round", number),
            "plan": recipe.plan.model_copy(update=plan),
            "programs": recipe.programs.model_copy(update=programs),
            "curate": recipe.curate.model_copy(update={"seen": (*recipe.curate.seen, *earlier)}),
            "train": recipe.train.model_copy(update={"with_items": (*recipe.train.with_items, *earlier)}),
            "exam": recipe.exam.model_copy(update={"also": recipe.exam.also | {FIRST: earlier[0]}}),
        }
    )


def _choose_programs(
    recipe: Recipe, folder: Path, before: Run | None, console: Console, compile_kind: CompileKind
) -> dict[str, str]:
    """The programs compiled for a further round; one that has begun goes on with those that it has."""
    if before is None:
        return {}
    begun = read_run(folder).recipe.programs if (folder / "recipe.yaml").exists() else None
    programs: dict[str, str] = {}
    for kind in recipe.rounds.compile:
        named: str | None = getattr(begun, kind) if begun else None
        # Items are written from sessions, so those of a compilation are held with the session program compiled before.
        own = recipe.model_copy(update={"programs": recipe.programs.model_copy(update=programs)})
        programs[kind] = named or str(compile_kind(own, kind, console, feedback=before))
    return programs


def _is_finished(recipe: Recipe, folder: Path) -> bool:
    """Whether a round is done; raises RecipeError when it was made with another recipe."""
    if not (folder / "recipe.yaml").exists():
        return False
    with open_run(folder, recipe) as run:
        return run.finished("report") is not None


def _sum_up(recipe: Recipe, number: int, run: Run, before: Run | None) -> Round:
    scores = [ScoreRow.model_validate(row) for row in run.require("exam")["exam"] if row["stage"] == "after"]
    weaknesses = read_weaknesses(run)
    yardstick = [row for row in scores if row.benchmark == _yardstick_of(run)]
    return Round(
        number=number,
        folder=run.path.name,
        seed=run.recipe.seed,
        weights=run.recipe.plan.weights,
        programs={kind: name for kind, name in run.recipe.programs if name},
        sessions=run.require("generate")["sessions"],
        items=run.require("curate")["kept"],
        trained_on=run.require("train")["items"],
        scores=scores,
        yardstick=yardstick,
        changes=_compare(before, run, yardstick) if before else [],
        weaknesses=weaknesses,
        next_weights=plan_weights(weaknesses, recipe.plan.weights),
    )


def _compare(before: Run, run: Run, yardstick: Sequence[ScoreRow]) -> list[Comparison]:
    """Compare the students of two rounds on the yardstick, for each of its rows, those of ``run``."""
    items = by_task(read_items(read_run(round_path(run.path.parent, 1)), "heldout"))
    found: list[Comparison] = []
    for row in yardstick:
        old, new = (read_marks(one, "after", row.mode, _yardstick_of(one)) for one in (before, run))
        examined = [item for item in items[row.task] if item.qid in new]  # `exam.limit` may leave some out
        found.append(compare(examined, old.values(), new.values(), row.benchmark, row.mode))
    return adjust_together(found)


def _yardstick_of(run: Run) -> str:
    """The name under which a round has been examined on the held-out items of round 1."""
    return YARDSTICK if FIRST in run.recipe.exam.also else HELDOUT


def _write(path: Path, recipe: Recipe, rounds: Sequence[Round]) -> None:
    """Write rounds.json: all figures of the rounds so far."""
    text = json.dumps({"recipe": recipe.name, "rounds": [as_json(one) for one in rounds]}, indent=1)
    write_text_atomically(path / "rounds.json", text + "\n")


def as_json(one: Round) -> dict[str, Any]:
    """Return a round as JSON values, with what follows from the counts of each cell."""
    return one.model_dump(mode="json", exclude={"weaknesses"}) | {
        "weaknesses": [
            asdict(cell)
            | {name: getattr(cell, name) for name in ("share", "interval", "estimate", "is_weak", "factor")}
            for cell in one.weaknesses
        ]
    }
