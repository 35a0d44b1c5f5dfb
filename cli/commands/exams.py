"""Exams: of a recipe's student, of any model, and of prediction files that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from cli.commands.stages import run_stages_of
from cli.interrupt import told_when_stopped
from cli.options import EmoBench, Out, Overrides
from corpus.errors import UsageError

PANEL = "Exams"
commands = typer.Typer()
Data = Annotated[
    str,
    typer.Option("--data", metavar="DIR", help="Folder with EmoBench's EA.jsonl and EU.jsonl, or hub."),
]
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Prediction files in EmoBench's format.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@commands.command(rich_help_panel=PANEL)
def exam(
    recipe: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="A recipe, whose student is examined before and after tuning.", show_default=False),
    ] = None,
    lm: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--lm", metavar="SPEC", help="Any model instead, such as ollama_chat/qwen3:8b."),
    ] = None,
    benchmark: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--benchmark",
            metavar="NAME[=SOURCE]",
            help="emobench-ea, emobench-eu, eq-bench, or tombench; SOURCE is a file or folder. Repeatable.",
        ),
    ] = None,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language of the questions.")] = "en",
    mode: Annotated[
        Literal["generate", "text", "letter"],
        typer.Option(help="What the model writes, or the likelihood of the options' text or letters."),
    ] = "generate",
    cot: Annotated[bool, typer.Option("--cot", help="Let the model reason in writing before it answers.")] = False,
    protocol: Annotated[
        Literal["own", "official", "original-2024"],
        typer.Option(help="Our prompts; EmoBench's own; or 4 orders × 5 samples, the majority counts."),
    ] = "own",
    prompts: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="A checkout of EmoBench, for --protocol official."),
    ] = None,
    orders: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, metavar="N", help="In how many orders of the options each question is asked."),
    ] = None,
    samples: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, metavar="N", help="How often in each order."),
    ] = None,
    limit: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, metavar="N", help="At most so many questions of each benchmark, drawn from all."),
    ] = None,
    overrides: Overrides = None,
    out: Out = None,
    emobench: EmoBench = None,
    as_json: AsJson = False,
) -> None:
    """Examine the student of a recipe before and after tuning, or with --lm any model on any benchmark.

    Example: emoreason exam --lm ollama_chat/qwen3:8b --benchmark emobench-ea --orders 4
    """
    if lm is None:
        if recipe is None:
            raise UsageError("exam: name a recipe, or a model with --lm")
        of_models = {
            "--benchmark": benchmark, "--lang": lang != "en", "--mode": mode != "generate", "--cot": cot,
            "--protocol": protocol != "own", "--prompts": prompts, "--orders": orders, "--samples": samples,
            "--limit": limit, "--json": as_json,
        }  # fmt: skip
        if named := [name for name, value in of_models.items() if value]:
            raise UsageError(f"exam: {named[0]} goes with --lm; a recipe's exam is its section exam:")
        run_stages_of(("exam",), recipe, overrides, out, emobench)
        return
    if recipe is not None:
        raise UsageError("exam: a recipe and --lm exclude each other; leave one out")
    from rich.console import Console

    from cli.examine import Asked, examine_and_print

    asked = Asked(
        lm, benchmark or (), overrides or (), emobench, lang, mode, cot, protocol, prompts, orders, samples, limit, out
    )
    with told_when_stopped("no answer"):
        examine_and_print(asked, as_json, Console())


@commands.command(rich_help_panel=PANEL)
def score(files: Files, data: Data = "hub", as_json: AsJson = False) -> None:
    """Score prediction files in EmoBench's official format, strictly and leniently, without running a model.

    Example: emoreason score results/EA/*.jsonl --data ../EmoBench/data
    """
    from rich.console import Console

    from cli.score import score_and_print

    score_and_print(files, data, as_json, Console())


@commands.command(rich_help_panel=PANEL)
def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="A prediction file, or a run.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B", help="What is compared with it.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder with EmoBench's EA.jsonl and EU.jsonl, or hub; default: as A's recipe says, else hub.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models item by item: is B better than A, or merely easier to read?

    Example: emoreason compare base.jsonl tuned.jsonl --data ../EmoBench/data
    """
    from rich.console import Console

    from cli.compare import compare_and_print

    compare_and_print(before, after, data, as_json, Console())


@commands.command(rich_help_panel=PANEL)
def leaderboard(
    files: Files,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where TASK/leaderboard.json is written.")] = Path(
        "results"
    ),
    data: Data = "hub",
) -> None:
    """Write the official leaderboard.json of each task from prediction files; models that it holds already stay.

    Example: emoreason leaderboard results/EA/*.jsonl --to results --data ../EmoBench/data
    """
    from rich.console import Console

    from cli.score import write_leaderboards

    write_leaderboards(files, to, data, Console())


@commands.command("export-task", rich_help_panel=PANEL)
def export_task(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files.", show_default=False)],
    to: Annotated[
        Literal["lm-eval", "inspect"],
        typer.Option("--to", help="lm-evaluation-harness or inspect_ai.", show_default=False),
    ],
    task: Annotated[Literal["EA", "EU", "all"], typer.Option(help="Application, understanding, or both.")] = "all",
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language of the items; instructions are English.")] = "en",
    answer_format: Annotated[
        Literal["letter", "reasoned", "option"],
        typer.Option("--format", help="What is written: the letter, reasoning first, or the option's text first."),
    ] = "letter",
) -> None:
    """Write EmoBench as a task for people who examine with another tool: our prompt, our reading, no data.

    Example: emoreason export-task --to inspect tasks/
    """
    from eval.export_task.prompts import TASKS
    from eval.export_task.write import export_task

    for path in export_task(to, folder, TASKS if task == "all" else (task,), lang, answer_format):
        typer.echo(path)
