"""The mistakes of a run's tuned student as feedback: a recipe whose plans and metric answer them."""

from __future__ import annotations

from eval.weakness import Weakness, find_weak, metric_weights, plan_weights
from optimizers.config import KINDS
from runs.folder import Run
from runs.items import read_items
from runs.marks import HELDOUT, read_marks
from runs.recipe import Recipe


def read_weaknesses(run: Run) -> list[Weakness]:
    """Return how the tuned student did, cell by cell, on the held-out items of its own run; see eval/weakness.py.

    Where it was examined in several modes the first of `exam.modes` counts: marks in two modes on one item are not two
    items.

    Raises:
        RunError: the student was not examined yet.
    """
    run.require("exam")
    marks = read_marks(run, "after", run.recipe.exam.modes[0], HELDOUT)
    return find_weak([item for item in read_items(run, "heldout") if item.qid in marks], marks.values())


def heed_feedback(recipe: Recipe, run: Run) -> Recipe:
    """Return the recipe with which programs are compiled for the round after ``run``.

    Its plans ask for weak cells more often, no criterion that the mistakes call for counts less than in full, and an
    item that repeats one of the run's is none that is new.

    Raises:
        RunError: the student of ``run`` was not examined yet.
    """
    weaknesses = read_weaknesses(run)
    weights = recipe.compile.weights
    raised: dict[str, dict[str, float]] = {
        kind: getattr(weights, kind) | metric_weights(weaknesses, kind) for kind in KINDS
    }
    return recipe.model_copy(
        update={
            "plan": recipe.plan.model_copy(update={"weights": plan_weights(weaknesses, recipe.plan.weights)}),
            "compile": recipe.compile.model_copy(
                update={
                    "weights": weights.model_copy(update=raised),
                    "existing": (*recipe.compile.existing, run.items_path),
                }
            ),
        }
    )
