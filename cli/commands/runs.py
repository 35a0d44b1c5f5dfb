"""What is done with a run: read, review, hand over."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.options import RunPath

PANEL = "Runs"
commands = typer.Typer()


class Of(StrEnum):
    """Which items people are shown."""

    kept = "kept"
    aside = "aside"
    all = "all"


@commands.command(rich_help_panel=PANEL)
def show(
    run_path: RunPath,
    key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[ID]", help="A session or item, such as s7-00003 or s7-00003-m1.", show_default=False),
    ] = None,
) -> None:
    """Read a session or an item of a run; without an ID, list what there is.

    Example: emoreason show out/quickstart s7-00003
    """
    from rich.console import Console

    from cli.show import list_run, show_record
    from runs.folder import read_run

    opened = read_run(run_path)
    if key is None:
        list_run(opened, Console())
    else:
        show_record(opened, key, Console())


@commands.command(rich_help_panel=PANEL)
def funnel(run_path: RunPath) -> None:
    """Show what became of the planned sessions, step by step, and why the rest was lost.

    Example: emoreason funnel out/quickstart
    """
    from rich.console import Console

    from cli.funnel import show_funnel
    from runs.folder import read_run

    show_funnel(read_run(run_path), Console())


@commands.command(rich_help_panel=PANEL)
def review(
    run_path: RunPath,
    annotator: Annotated[str, typer.Option(metavar="NAME", help="Who reviews; names the file in reviews/.")],
    sample: Annotated[int, typer.Option(min=1, metavar="N", help="How many items.")] = 50,
    of: Annotated[Of, typer.Option(help="Kept items, those that the judge set aside, or both.")] = Of.kept,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Read items on a web page of this machine and say what is right: by keyboard, saved at once.

    Example: emoreason review out/quickstart --sample 50 --annotator ana
    """
    from rich.console import Console

    from cli.review import review_run

    review_run(run_path, annotator, sample, of.value, port, browser, Console())


@commands.command(rich_help_panel=PANEL)
def agreement(
    run_path: RunPath, as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False
) -> None:
    """Show how far reviewers agree (Cohen's κ, Krippendorff's α), and on which items they do not.

    Example: emoreason agreement out/quickstart
    """
    from rich.console import Console

    from cli.review import print_agreement

    print_agreement(run_path, Console(), as_json)


@commands.command(rich_help_panel=PANEL)
def export(
    run_path: RunPath,
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; an earlier export is replaced.")],
    license_id: Annotated[
        str, typer.Option("--license", metavar="ID", help="Licence on the card, e.g. cc-by-4.0. Default: none chosen.")
    ] = "",
    push: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ORG/NAME", help="Upload to the Hugging Face hub; the token comes from its login."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the pushed data set private.")] = False,
) -> None:
    """Write items, training rows, Parquet, and data card as a folder that `load_dataset` reads.

    Example: emoreason export out/quickstart --to out/dataset --license cc-by-4.0
    """
    from rich.console import Console

    from cli.export import export_and_push
    from runs.folder import read_run

    export_and_push(read_run(run_path), to, license_id, push, private, Console())


@commands.command(rich_help_panel=PANEL)
def ship(
    run_path: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run folder, a training job, or a merged model.", show_default=False)
    ],
    to: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--to", metavar="KIND:PLACE", help="ollama:NAME[:TAG], gguf:FILE, or merged:DIR (for vLLM)."),
    ] = None,
    quantize: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="KIND", help="f32, f16, q8_0; for Ollama also q4_K_M, q4_K_S. Default: f16."),
    ] = None,
    base_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--base-url", metavar="URL", help="The Ollama server. Default: the one of this machine."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of that name.")] = False,
    converter: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="PATH", help="llama.cpp's convert_hf_to_gguf.py, instead of our own writer."),
    ] = None,
    push: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ORG/NAME", help="Upload student and card to the Hugging Face hub."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the pushed model private.")] = False,
) -> None:
    """Hand the tuned student over to Ollama, to llama.cpp, or to vLLM, and check that it arrived the same.

    Example: emoreason ship out/quickstart --to ollama:student --quantize q8_0
    """
    from rich.console import Console

    from cli.ship import Handover, ship_and_print

    ship_and_print(run_path, Handover(to, quantize, base_url, replace, converter, push, private), Console())
