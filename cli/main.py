"""The `emoreason` command: parse, call, print.  Anything heavy is imported inside the command that needs it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from corpus.errors import EmoReasonError

app = typer.Typer(
    name="emoreason",
    help="Generate, verify, and learn emotional reasoning, and examine it honestly.\n\n"
    "Example: emoreason run recipes/quickstart.yaml",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

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


class Of(StrEnum):
    """Which items people are shown."""

    kept = "kept"
    aside = "aside"
    all = "all"


class Program(StrEnum):
    """Which program is compiled."""

    session = "session"
    items = "items"
    exam = "exam"
    all = "all"


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


def _run(
    stages: tuple[str, ...],
    recipe: Path,
    overrides: list[str] | None,
    out: Path | None,
    emobench: str | None = None,
    no_cache: bool = False,
) -> None:
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
    try:
        if loaded.rounds.count > 1:
            from cli.rounds import run_and_print_rounds

            run_and_print_rounds(loaded, path, Console())
        else:
            run_stages(loaded, path, Console(), stages)
    except KeyboardInterrupt:
        typer.echo("stopped; nothing finished is lost: the same command goes on from here", err=True)
        raise typer.Exit(1) from None


@app.command()
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

    _run(STAGES, recipe, overrides, out, emobench, no_cache)


@app.command()
def generate(recipe: RecipePath, overrides: Overrides = None, out: Out = None, no_cache: NoCache = False) -> None:
    """Hold the therapy sessions and write the draft items.

    Example: emoreason generate recipes/quickstart.yaml --set plan.sessions=20 --out out/try
    """
    _run(("generate",), recipe, overrides, out, no_cache=no_cache)


@app.command()
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
    _run(("verify",), recipe, overrides, out, emobench, no_cache)


@app.command()
def curate(recipe: RecipePath, overrides: Overrides = None, out: Out = None, emobench: EmoBench = None) -> None:
    """Balance and split what passed, and write items and data card.

    Example: emoreason curate recipes/quickstart.yaml
    """
    _run(("curate",), recipe, overrides, out, emobench)


@app.command()
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
        _run(("train",), recipe, overrides, out)


@app.command()
def exam(recipe: RecipePath, overrides: Overrides = None, out: Out = None, emobench: EmoBench = None) -> None:
    """Examine the student before and after tuning.

    Example: emoreason exam recipes/quickstart.yaml
    """
    _run(("exam",), recipe, overrides, out, emobench)


@app.command()
def report(recipe: RecipePath, overrides: Overrides = None, out: Out = None) -> None:
    """Write report.json and report.html and print the table.

    Example: emoreason report recipes/quickstart.yaml
    """
    _run(("report",), recipe, overrides, out)


@app.command()
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


@app.command()
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


@app.command()
def analyse(recipe: RecipePath, overrides: Overrides = None, out: Out = None, no_cache: NoCache = False) -> None:
    """Have the recipe's panel answer the items: how hard is each, does it tell strong from weak, which options work?

    Example: emoreason analyse recipes/quickstart.yaml --set panel.weak.model=ollama_chat/qwen3:0.6b
    """
    _run(("analyse",), recipe, overrides, out, no_cache=no_cache)


@app.command("compile")
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
    try:
        for order in place_orders(loaded, program.value, to, start, run_path, feedback, console):
            compile_and_show(order, console, dry_run)
    except KeyboardInterrupt:
        typer.echo("stopped; no answer is lost: the same command goes on from here", err=True)
        raise typer.Exit(1) from None


@app.command()
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

    try:
        transfer_and_show(names, lms, recipe, list(overrides or []), as_json)
    except KeyboardInterrupt:
        typer.echo("stopped; no answer is lost: the same command goes on from here", err=True)
        raise typer.Exit(1) from None


@app.command()
def funnel(run_path: RunPath) -> None:
    """Show what became of the planned sessions, step by step, and why the rest was lost.

    Example: emoreason funnel out/quickstart
    """
    from rich.console import Console

    from cli.funnel import show_funnel
    from runs.folder import read_run

    show_funnel(read_run(run_path), Console())


@app.command()
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


@app.command()
def agreement(
    run_path: RunPath, as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False
) -> None:
    """Show how far reviewers agree (Cohen's κ, Krippendorff's α), and on which items they do not.

    Example: emoreason agreement out/quickstart
    """
    from rich.console import Console

    from cli.review import print_agreement

    print_agreement(run_path, Console(), as_json)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command("show-prompt")
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


@app.command()
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


def main() -> None:
    """Entry point: errors that a user can cause become one line and an exit code (1 the job, 2 the usage)."""
    try:
        app()
    except EmoReasonError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
