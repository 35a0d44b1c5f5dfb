"""The stages of a recipe, all at once or one by one, and the analysis of its items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.interrupt import told_when_stopped
from cli.options import EmoBench, NoCache, Out, Overrides, RecipePath
from corpus.errors import UsageError

PANEL = "Stages"
commands = typer.Typer()


def run_stages_of(
    stages: tuple[str, ...],
    recipe: Path,
    overrides: list[str] | None,
    out: Path | None,
    emobench: str | None = None,
    no_cache: bool = False,
) -> None:
    """Run some stages of a recipe; an interrupt is one line, for nothing is lost."""
    from rich.console import Console

    from runs.pipeline import run_stages
    from runs.recipe import load_recipe
    from runs.round_folders import check_rounds

    settings = list(overrides or [])
    if emobench is not None:
        settings.append(f"exam.emobench={emobench}")
    if no_cache:
        settings.append("generate.cache=null")
    loaded = load_recipe(recipe, settings)
    path = out or Path("out") / loaded.name
    check_rounds(loaded, path, stages)
    with told_when_stopped("nothing finished"):
        if loaded.rounds.count > 1:
            from cli.rounds import run_and_print_rounds

            run_and_print_rounds(loaded, path, Console())
        else:
            run_stages(loaded, path, Console(), stages)


@commands.command(rich_help_panel=PANEL)
def run(
    recipe: RecipePath,
    overrides: Overrides = None,
    out: Out = None,
    emobench: EmoBench = None,
    no_cache: NoCache = False,
) -> None:
    """Run a recipe from plans to report; run again, it goes on where it stopped.

    Example: emoreason run recipes/quickstart.yaml --emobench ../EmoBench/data
    """
    from runs.folder import STAGES

    run_stages_of(STAGES, recipe, overrides, out, emobench, no_cache)


@commands.command(rich_help_panel=PANEL)
def generate(recipe: RecipePath, overrides: Overrides = None, out: Out = None, no_cache: NoCache = False) -> None:
    """Hold the therapy sessions and write the draft items.

    Example: emoreason generate recipes/quickstart.yaml --set plan.sessions=20 --out out/try
    """
    run_stages_of(("generate",), recipe, overrides, out, no_cache=no_cache)


@commands.command(rich_help_panel=PANEL)
def verify(
    recipe: RecipePath,
    overrides: Overrides = None,
    out: Out = None,
    emobench: EmoBench = None,
    no_cache: NoCache = False,
) -> None:
    """Check the drafts by rule, compare them with exams, and have the judge look at the rest.

    Example: emoreason verify recipes/quickstart.yaml --emobench ../EmoBench/data
    """
    run_stages_of(("verify",), recipe, overrides, out, emobench, no_cache)


@commands.command(rich_help_panel=PANEL)
def curate(recipe: RecipePath, overrides: Overrides = None, out: Out = None, emobench: EmoBench = None) -> None:
    """Balance and split what passed, and write items and data card.

    Example: emoreason curate recipes/quickstart.yaml
    """
    run_stages_of(("curate",), recipe, overrides, out, emobench)


@commands.command(rich_help_panel=PANEL)
def train(
    recipe: RecipePath,
    overrides: Overrides = None,
    out: Out = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, how, and with what memory; train nothing.")
    ] = False,
) -> None:
    """Tune the student on the training items.

    Example: emoreason train recipes/quickstart.yaml --dry-run
    """
    if dry_run:
        from cli.train import print_training_plan

        print_training_plan(recipe, list(overrides or []), out)
    else:
        run_stages_of(("train",), recipe, overrides, out)


@commands.command(rich_help_panel=PANEL)
def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECIPE | RUN…",
            help="A recipe or run folder, whose report is written anew, or several run folders, which are compared.",
            show_default=False,
        ),
    ],
    overrides: Overrides = None,
    out: Out = None,
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--to", metavar="FILE", help="The page of a comparison. Default: out/comparison.html."),
    ] = None,
    emobench: EmoBench = None,
) -> None:
    """Write report.json and report.html and print the table; of several runs, one page that compares them.

    Example: emoreason report out/small out/large --to out/sizes.html
    """
    from rich.console import Console

    folders = len(paths) > 1 or paths[0].is_dir()
    if folders and (overrides or out):
        raise UsageError("report: --set and --out go with a recipe; a run folder has its own")
    if len(paths) == 1 and (to or emobench):
        raise UsageError("report: --to and --emobench go with several runs, which are compared")
    if not folders:
        run_stages_of(("report",), paths[0], overrides, out)
    elif len(paths) == 1:
        from runs.folder import read_run
        from runs.pipeline import run_stages

        run_stages(read_run(paths[0]).recipe, paths[0], Console(), ("report",))
    else:
        from cli.report import COMPARISON, compare_and_write

        compare_and_write(paths, to or COMPARISON, emobench, Console())


@commands.command(rich_help_panel=PANEL)
def analyse(recipe: RecipePath, overrides: Overrides = None, out: Out = None, no_cache: NoCache = False) -> None:
    """Have the recipe's panel answer the items: how hard is each, does it tell strong from weak, which options work?

    Example: emoreason analyse recipes/quickstart.yaml --set panel.weak.model=ollama_chat/qwen3:0.6b
    """
    run_stages_of(("analyse",), recipe, overrides, out, no_cache=no_cache)
