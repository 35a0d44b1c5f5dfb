"""The `emoreason` command: parse, call, print.  Anything heavy is imported inside the command that needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.commands import exams, programs, recipes, runs, stages
from corpus.errors import EmoReasonError

app = typer.Typer(
    name="emoreason",
    help="Generate, verify, and learn emotional reasoning, and examine it honestly.\n\n"
    "Example: emoreason run recipes/quickstart.yaml",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for module in (stages, recipes, runs, exams, programs):
    app.add_typer(module.commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"emoreason {version('emoreason')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: errors that a user can cause become one line and an exit code (1 the job, 2 the usage)."""
    try:
        app()
    except EmoReasonError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
