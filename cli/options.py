"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

RecipePath = Annotated[Path, typer.Argument(help="A recipe, such as recipes/quickstart.yaml.", show_default=False)]
Overrides = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key, e.g. --set plan.sessions=20. Repeatable."),
]
Out = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--out", metavar="DIR", help="The run folder. Default: out/NAME, after the recipe's name."),
]
EmoBench = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--emobench", metavar="DIR", help="Folder with EmoBench's EA.jsonl and EU.jsonl."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no answers of models, and use none that were kept.")]
ProgramName = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM",
        help="A name in out/programs or how it begins, a folder, or session, items, exam for the uncompiled ones.",
        show_default=False,
    ),
]
RunPath = Annotated[Path, typer.Argument(help="A run folder, such as out/quickstart.", show_default=False)]
