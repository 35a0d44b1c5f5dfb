"""Looking at a recipe before anything is run."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Overrides, RecipePath

PANEL = "Recipes"
commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def validate(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Check a recipe without running anything.

    Example: emoreason validate recipes/quickstart.yaml
    """
    from runs.recipe import load_recipe

    loaded = load_recipe(recipe, list(overrides or []))
    models = ", ".join(f"{role} {spec.identity}" for role, spec in loaded.lms.items())
    typer.echo(f"{recipe}: valid; {loaded.plan.sessions} sessions, {models}, student {loaded.train.base}")
    for role, spec in loaded.lms.items():
        if spec.unused:
            typer.echo(f"{recipe}: lms.{role}: without meaning for {spec.provider}/…: {', '.join(spec.unused)}")


@commands.command(rich_help_panel=PANEL)
def doctor(
    recipe: RecipePath,
    overrides: Overrides = None,
    pull: Annotated[bool, typer.Option("--pull", help="Let Ollama fetch models that it does not have.")] = False,
) -> None:
    """Look at a recipe's models: are they there, able, quick, and with room for the longest prompt?

    Example: emoreason doctor recipes/ollama.yaml --pull
    """
    from rich.console import Console

    from cli.doctor import print_findings
    from runs.doctor import examine_models
    from runs.recipe import load_recipe

    console = Console()
    if not print_findings(examine_models(load_recipe(recipe, list(overrides or [])), console, pull), console):
        raise typer.Exit(1)
