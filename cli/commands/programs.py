"""Programs: compiled, compared, and read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.interrupt import told_when_stopped
from cli.options import Overrides, ProgramName, RecipePath

PANEL = "Programs"
commands = typer.Typer()


class Program(StrEnum):
    """Which program is compiled."""

    session = "session"
    items = "items"
    exam = "exam"
    all = "all"


@commands.command("compile", rich_help_panel=PANEL)
def compile_(
    recipe: RecipePath,
    program: Annotated[Program, typer.Option(help="Which program; all: session, then items.")] = Program.items,
    optimizer: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME[,NAME…]", help="One optimizer, or a chain. Default: the recipe's."),
    ] = None,
    overrides: Overrides = None,
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--to", metavar="DIR", help="The folder of compiled programs. Default: out/programs."),
    ] = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", metavar="PROGRAM", help="A compiled program to go on from."),
    ] = None,
    run_path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--run", metavar="RUN", help="For an exam prompt: the run whose items it is compiled on."),
    ] = None,
    feedback: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--feedback", metavar="RUN", help="Plan more of what the tuned student of a run is weak in."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.")] = False,
) -> None:
    """Compile the prompts of a program against the quality metric, and compare on cases that no optimizer saw.

    Example: emoreason compile recipes/compile.yaml --program items --optimizer gepa
    """
    from rich.console import Console

    from cli.compile import compile_and_show, place_orders
    from runs.recipe import load_recipe

    settings = list(overrides or [])
    if optimizer is not None:
        settings.append(f"compile.optimizer=[{optimizer}]")
    loaded = load_recipe(recipe, settings)
    console = Console()
    with told_when_stopped("no answer"):
        for order in place_orders(loaded, program.value, to, start, run_path, feedback, console):
            compile_and_show(order, console, dry_run)


@commands.command(rich_help_panel=PANEL)
def transfer(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="PROGRAM…",
            help="Compiled programs of one kind: names in out/programs or how they begin, or folders.",
            show_default=False,
        ),
    ],
    lms: Annotated[
        str,
        typer.Option(
            "--lms",
            metavar="A,B,C",
            help="Models: names in the recipe's lms or panel, or such as ollama_chat/qwen3:8b.",
        ),
    ],
    recipe: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where models, judge, and budget are declared. Default: the first program's own."),
    ] = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Try compiled programs with several models, each against the uncompiled one: which survives a change of teacher?

    Example: emoreason transfer items-gepa items-mipro --lms teacher,ollama_chat/qwen3:8b
    """
    from cli.transfer import transfer_and_show

    with told_when_stopped("no answer"):
        transfer_and_show(names, lms, recipe, list(overrides or []), as_json)


@commands.command(rich_help_panel=PANEL)
def programs(
    root: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where compiled programs lie.", show_default=True)
    ] = Path("out/programs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the compiled programs: what made them, and what they gained.

    Example: emoreason programs
    """
    from rich.console import Console

    from cli.programs import list_programs

    list_programs(root, Console(), as_json)


@commands.command("show-prompt", rich_help_panel=PANEL)
def show_prompt(
    program: ProgramName,
    predictor: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="One prompt alone, such as write_understanding."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Fill it with one of the program's final cases.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the prompts of a program as a model receives them.

    Example: emoreason show-prompt items --predictor write_application
    """
    from rich.console import Console

    from cli.programs import show_prompt as show

    show(program, predictor, demo, Console(), as_json)


@commands.command(rich_help_panel=PANEL)
def diff(
    program: ProgramName,
    other: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[OTHER]", help="Another program; without it: what the first began from.", show_default=False
        ),
    ] = None,
) -> None:
    """Show what an optimizer changed: instructions, demonstrations, scores.

    Example: emoreason diff items-gepa
    """
    from rich.console import Console

    from cli.programs import show_difference

    show_difference(program, other, Console())
