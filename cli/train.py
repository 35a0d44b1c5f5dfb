"""`emoreason train --dry-run`: what would be trained."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from runs.folder import Run
from runs.recipe import load_recipe
from runs.training_plan import describe_training


def print_training_plan(recipe: Path, overrides: list[str], out: Path | None) -> None:
    """Print what a recipe's training would be; raises EmoReasonError."""
    loaded = load_recipe(recipe, overrides)
    console = Console()
    for line in describe_training(Run(out or Path("out") / loaded.name, loaded)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
