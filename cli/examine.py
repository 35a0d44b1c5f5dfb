"""`emoreason exam --lm`: any model on any benchmark, in the terminal and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from rapidfuzz import process
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from corpus.errors import TeacherError, UsageError
from corpus.jsonl import write_text_atomically
from eval.asking import AskMode
from eval.baselines import say_baselines
from eval.benchmarks import Benchmark, find_benchmark
from eval.benchmarks.official import NEW_TOKENS, load_official
from eval.config import HUB
from eval.emobench import Language
from eval.results import MAJORITY, ExamResult, score_exam
from lms.spec import ModelSpec
from runs.examination import Sitting, sit

OFFICIAL = "official"
PROTOCOLS = ("own", OFFICIAL, MAJORITY)
TOKENS, THINKING_TOKENS = 96, 1024  # most tokens of an answer by our own prompts
ORDERS, SAMPLES, TEMPERATURE = 4, 5, 0.6  # of the first version of EmoBench (its generate.py of 2024)
RESULT = "result.json"
CONFUSIONS = 3  # in the terminal


@dataclass(frozen=True)
class Asked:
    """What the user asked for, option by option; see `emoreason exam --help`."""

    lm: str
    benchmarks: Sequence[str]
    overrides: Sequence[str]
    emobench: str | None
    lang: Language
    mode: AskMode
    thinking: bool
    protocol: str
    prompts: Path | None
    orders: int | None
    samples: int | None
    limit: int | None
    out: Path | None


def examine_and_print(asked: Asked, as_json: bool, console: Console) -> None:
    """Examine a model and print its scores.

    Raises:
        TeacherError: the model answered nothing at all, which is no score.
        EmoReasonError: see `plan_sitting` and `runs.examination.sit`.
    """
    sitting = plan_sitting(asked)
    folder = asked.out or _folder_of(sitting)
    notes = Console(stderr=True) if as_json else console
    if unused := sitting.spec.unused:
        said = f"without meaning for {sitting.spec.provider}/…: {', '.join(unused)}"
        notes.print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)
    found = sit(sitting, folder, notes)
    results = [
        score_exam(
            benchmark, *found[benchmark.name], majority=sitting.protocol == MAJORITY, shown=sitting.mode != "text"
        )
        for benchmark in sitting.benchmarks
    ]
    for result in results:
        if result.failed == result.rows:
            raise TeacherError(
                f"{sitting.spec.model} gave no answer to any question of {result.benchmark}: {_first(result.reasons)}; "
                "nothing is scored, run again when that is mended"
            )
    told = {"settings": sitting.settings(), "results": [result.model_dump(mode="json") for result in results]}
    write_text_atomically(folder / RESULT, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    if as_json:
        console.print_json(json.dumps(told, ensure_ascii=False))
        return
    for result in results:
        _print(result, console)
    console.print(f"rows: {folder}", markup=False, highlight=False, soft_wrap=True)


def plan_sitting(asked: Asked) -> Sitting:
    """Put the options together.

    Raises:
        UsageError: an option is unknown, impossible, or lacks another.
        DataError: the official prompts cannot be read.
    """
    if asked.protocol not in PROTOCOLS:
        raise UsageError(f"--protocol {asked.protocol} is none of {', '.join(PROTOCOLS)}")
    if not asked.benchmarks:
        raise UsageError("exam --lm: name what to examine on, such as --benchmark emobench-ea --benchmark emobench-eu")
    chosen: dict[Benchmark, str] = {}
    for text in asked.benchmarks:
        benchmark, source = _read_benchmark(text, asked.emobench)
        if chosen.setdefault(benchmark, source) != source:
            raise UsageError(f"--benchmark {benchmark.name} is named with two sources; name it once")
    official = None
    if asked.prompts is not None and asked.protocol != OFFICIAL:
        raise UsageError("--prompts are those of --protocol official; add it, or leave them out")
    if asked.protocol == OFFICIAL:
        if asked.prompts is None:
            raise UsageError("--protocol official needs the prompts of a checkout of EmoBench: --prompts DIR")
        if asked.mode != "generate":
            raise UsageError("--protocol official is read from what is written; leave --mode out")
        official = load_official(asked.prompts)
    repeats = asked.protocol == MAJORITY
    most = NEW_TOKENS[asked.thinking] if official else THINKING_TOKENS if asked.thinking else TOKENS
    defaults = {"max_tokens": most, "temperature": TEMPERATURE if repeats else 0.0}
    return Sitting(
        spec=_read_spec(asked.lm, asked.overrides, defaults),
        benchmarks=tuple(chosen),
        sources={benchmark.name: source for benchmark, source in chosen.items()},
        lang=asked.lang,
        mode=asked.mode,
        thinking=asked.thinking,
        protocol=asked.protocol,
        official=official,
        orders=asked.orders or (ORDERS if repeats else 1),
        samples=asked.samples or (SAMPLES if repeats else 1),
        limit=asked.limit,
    )


def _read_benchmark(text: str, emobench: str | None) -> tuple[Benchmark, str]:
    name, _, source = text.partition("=")
    benchmark = find_benchmark(name)
    if not source:
        source = emobench if emobench and name.startswith("emobench") else HUB
    return benchmark, source


def _read_spec(name: str, overrides: Sequence[str], defaults: Mapping[str, Any]) -> ModelSpec:
    fields: dict[str, Any] = {"model": name, **defaults}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--set {text}: write KEY=VALUE, such as temperature=0.6")
        try:
            fields[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--set {text}: the value is not YAML") from error
    if "structured" in fields:
        raise UsageError("--set structured: an exam reads what a model writes of itself; leave it out")
    try:
        return ModelSpec.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "model"
        where = f"--lm {name}" if key == "model" else f"--set {key}"
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            nearest = process.extractOne(key, list(ModelSpec.model_fields), score_cutoff=50)
            problem = f"a model has no such key; {f'did you mean {nearest[0]}?' if nearest else 'see docs/teachers.md'}"
        raise UsageError(f"{where}: {problem}") from error


def _folder_of(sitting: Sitting) -> Path:
    parts = [sitting.spec.model, sitting.lang, sitting.protocol, sitting.mode, "cot" if sitting.thinking else ""]
    return Path("out") / "exams" / re.sub(r"[^\w.]+", "-", "-".join(filter(None, parts))).strip("-")


def _print(result: ExamResult, console: Console) -> None:
    in_points = result.lenient is None
    title = f"\n{result.benchmark}, {result.lang}{': points of 100' if in_points else ''}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    names = ("strictly read", "strict", "lenient", "95%") if in_points else ("strict", "lenient", "95%", "of answered")
    for name in ("n", "answered", *names):
        table.add_column(name, justify="right", no_wrap=True)
    if in_points:
        figures = [
            _share(result.strict_read), _points(result.strict_points), _points(result.points),
            _span(result.points_interval, 1),
        ]  # fmt: skip
    else:
        figures = [
            _share(result.strict), _share(result.lenient), _span(result.interval, 100),
            _share(result.accuracy_answered),
        ]  # fmt: skip
    table.add_row(str(result.n), _share(result.answered), *figures)
    console.print(table)
    for line in _remarks(result):
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _remarks(result: ExamResult) -> list[str]:
    lines = []
    if result.baselines:
        lines.append(f"without understanding: {say_baselines(result.baselines)}")
    if result.orders:
        by_order = ", ".join(f"{share:.1%}" for share in result.orders.by_order)
        lines.append(f"orders of the options: {by_order}; right in all of them {result.orders.all_right:.1%}")
        spreads = [question.spread for question in result.orders.questions if question.spread is not None]
        if spreads:
            said = ", ".join(f"{100 * spread:.1f}" for spread in spreads)
            lines.append(f"spread of recall by position: {said} points")
    if result.mistakes:
        missed = {name: count for name, count in result.mistakes.outcomes.items() if count and name != "right"}
        if missed:
            lines.append("answers not right: " + ", ".join(f"{count:,} {name}" for name, count in missed.items()))
        if common := result.mistakes.confusions[:CONFUSIONS]:
            taken = ", ".join(f"{one.picked} for {one.key} ({one.count:,})" for one in common)
            lines.append(f"emotions taken most often: {taken}; all in {RESULT}")
    if not result.valid:
        lines.append("too few answers could be read for the score to be valid")
    if result.cut:
        lines.append(f"{result.cut} of {result.rows} answers were cut at max_tokens")
    if result.failed:
        lines.append(
            f"{result.failed} of {result.rows} questions got no answer, which counts for nothing "
            f"({_first(result.reasons)}); run again to ask them"
        )
    return lines


def _first(reasons: Mapping[str, int]) -> str:
    return next(iter(reasons)).rstrip(".")


def _span(interval: tuple[float, float] | None, scale: float) -> str:
    return "–" if interval is None else f"{scale * interval[0]:.0f}–{scale * interval[1]:.0f}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _points(points: float | None) -> str:
    return "–" if points is None else f"{points:.1f}"
