"""`emoreason score` and `emoreason leaderboard`: prediction files in the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpus.errors import DataError, RunError
from corpus.jsonl import write_text_atomically
from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.baselines import measure_baselines, say_baselines
from eval.emobench import Language, load_emobench
from eval.predictions import FileScore, leaderboard, read_predictions, score_predictions

Items = list[UnderstandingItem | ApplicationItem]


def score_and_print(files: Sequence[Path], data: str, as_json: bool, console: Console) -> None:
    """Score files and print a table, or an array of objects; raises DataError for a file that cannot be scored."""
    benchmark = Benchmark(data)
    scores = [*score_files(files, benchmark)]
    if as_json:
        console.print_json(json.dumps([score.model_dump(mode="json") for score in scores], ensure_ascii=False))
        return
    for task, lang in dict.fromkeys((score.task, score.lang) for score in scores):
        items = benchmark.items(task, lang)
        console.print(_tabulate(f"{task} {lang}", [one for one in scores if (one.task, one.lang) == (task, lang)]))
        said = say_baselines(measure_baselines(items).named)
        console.print(f"without understanding, {task} {lang}: {said}", style="dim", highlight=False, soft_wrap=True)
    for score in scores:
        if score.missing:
            console.print(
                f"{escape(score.file)}: {score.missing} items of {score.task} {score.lang} have no prediction and are "
                "not counted",
                style="yellow", highlight=False, soft_wrap=True,
            )  # fmt: skip


def write_leaderboards(files: Sequence[Path], folder: Path, data: str, console: Console) -> None:
    """Write or extend ``folder/TASK/leaderboard.json``.

    Raises:
        DataError: a file cannot be scored, or a leaderboard that is there is not one.
        RunError: a leaderboard cannot be written.
        UsageError: two files have the same name.
    """
    for task, models in leaderboard([*score_files(files, Benchmark(data))]).items():
        path = folder / task / "leaderboard.json"
        table = _read_leaderboard(path)
        for model, languages in models.items():
            table[model] = table.get(model, {}) | languages
        try:
            write_text_atomically(path, json.dumps(table, ensure_ascii=False, indent=2) + "\n")
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({error.strerror}); choose another folder with --to") from error
        console.print(f"{path}: {len(table)} models", highlight=False, markup=False, soft_wrap=True)


class Benchmark:
    """EmoBench's items by task and language, loaded once per language."""

    def __init__(self, source: str):
        self.source = source
        self._loaded: dict[Language, Items] = {}

    def items(self, task: Task, lang: Language) -> Items:
        """Return the items of a task in a language; raises DataError when they cannot be had."""
        if lang not in self._loaded:
            self._loaded[lang] = load_emobench(self.source, (lang,))
        return [item for item in self._loaded[lang] if item.task == task]


def score_files(files: Sequence[Path], benchmark: Benchmark) -> list[FileScore]:
    """Score every task and language of the files."""
    return [
        score_predictions(predictions, benchmark.items(predictions.task, predictions.lang))
        for file in files
        for predictions in read_predictions(file)
    ]


def _read_leaderboard(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); move it away") from error
    if not isinstance(table, dict) or not all(isinstance(value, dict) for value in table.values()):
        raise DataError(f"{path}: is no leaderboard, an object model → language → category; move it away")
    return table


def _tabulate(title: str, scores: Sequence[FileScore]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    for name in ("n", "answered", "strict, 95%", "lenient, 95%", "of answered"):
        table.add_column(name, justify="right", no_wrap=True)
    for score in scores:
        among = "–" if score.accuracy_answered is None else f"{score.accuracy_answered:.1%}"
        table.add_row(
            escape(Path(score.file).stem), str(score.n), f"{score.answered:.1%}",
            f"{score.strict:.1%} {_interval(score.strict_interval)}",
            f"{score.lenient:.1%} {_interval(score.interval)}", among,
        )  # fmt: skip
    return table


def _interval(interval: tuple[float, float]) -> str:
    return f"{f'{100 * interval[0]:.0f}–{100 * interval[1]:.0f}':>6}"
