"""The folder of several rounds: round-1, round-2 …, each a run folder, and rounds.json."""

from __future__ import annotations

from pathlib import Path

from corpus.errors import RecipeError, RunError
from runs.folder import STAGES
from runs.recipe import Recipe


def round_path(path: Path, number: int) -> Path:
    """The run folder of a round; rounds count from 1."""
    return path / f"round-{number}"


def check_rounds(recipe: Recipe, path: Path, stages: tuple[str, ...]) -> None:
    """Refuse to mix a plain run with one of several rounds.

    Raises:
        RecipeError: single stages are asked for of a recipe of several rounds.
        RunError: the folder holds rounds and the recipe has none, or the other way round.
    """
    count, holds_rounds = recipe.rounds.count, round_path(path, 1).is_dir()
    if count == 1 and holds_rounds:
        raise RunError(
            f"{path} holds the rounds of a recipe, and rounds.count is 1: "
            "set it back, or choose another folder with --out"
        )
    if count > 1 and stages != STAGES:
        raise RecipeError(
            f"rounds.count is {count}, and `emoreason {' '.join(stages)}` works on one round: use `emoreason run`, "
            f"or name a round's own recipe and folder: {round_path(path, 1)}/recipe.yaml --out {round_path(path, 1)}"
        )
    if count > 1 and (path / "recipe.yaml").exists():
        raise RunError(
            f"{path} holds a run of one round, and rounds.count is {count}: "
            "choose another folder with --out, or set rounds.count=1"
        )
