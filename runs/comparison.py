"""Several examined runs side by side: how their tuned students score against the first, and how recipes differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from corpus import nested
from corpus.errors import UsageError
from eval.comparison_page import ComparedRun, Pair, RunComparison
from eval.scores import Mark, ScoreRow, adjust_together
from runs.card import without_places
from runs.folder import Run, read_run
from runs.paired import compare_runs
from runs.public_recipe import public_recipe
from runs.recipe import flatten, is_operational

VALUE_LENGTH = 160


def compare_all(paths: Sequence[Path], emobench: str | None = None) -> RunComparison:
    """Compare every run with the first, p corrected for all comparisons.

    Args:
        paths: at least two run folders.
        emobench: where EmoBench is; None: where the first run's recipe says.

    Raises:
        UsageError: a run is named twice.
        RunError: a folder is no run, or its exam is not done.
        DataError: items that must be compared cannot be read.
    """
    twice = [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise UsageError(f"report: {twice[0]} is named twice; name each run once")
    runs = [read_run(path) for path in paths]
    compared = [_describe(run, name) for run, name in zip(runs, _name(paths), strict=True)]
    pairs = [
        Pair(other.name, len(one.items), (_share(one.before), _share(one.after)), one.comparison)
        for other, path in zip(compared[1:], paths[1:], strict=True)
        for one in compare_runs(paths[0], path, emobench)
    ]
    corrected = adjust_together([pair.comparison for pair in pairs])
    pairs = [replace(pair, comparison=comparison) for pair, comparison in zip(pairs, corrected, strict=True)]
    differing, operational = _differ(runs)
    return RunComparison(compared, pairs, _find_unpaired(compared, pairs), differing, operational)


def _name(paths: Sequence[Path]) -> list[str]:
    """Number the runs, and name them by folder; where folders have one name, by their parents' too."""
    full = [path.resolve() for path in paths]
    counts = Counter(path.name for path in full)
    said = [path.name if counts[path.name] == 1 else f"{path.parent.name}/{path.name}" for path in full]
    return [f"{number} {name}" for number, name in enumerate(said, 1)]


def _describe(run: Run, name: str) -> ComparedRun:
    examined, manifest = run.require("exam"), run.manifest
    rows = [ScoreRow.model_validate(row) for row in examined["exam"]]
    return ComparedRun(
        name=name,
        recipe=run.recipe.name,
        student=without_places(manifest["student"]),
        teacher=without_places(run.recipe.teacher.identity),
        created=manifest["created"],
        version=manifest["versions"]["emoreason"],
        scores=[row for row in rows if row.stage == "after"],
        notice=examined["notice"],
    )


def _share(marks: Sequence[Mark]) -> float:
    return sum(mark.lenient for mark in marks) / len(marks)


def _find_unpaired(runs: Sequence[ComparedRun], pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Return benchmark → runs that were examined on it as the first was, but share no item of it."""
    paired = {(pair.run, pair.comparison.benchmark) for pair in pairs}
    first = dict.fromkeys(row.benchmark for row in runs[0].scores)
    alone = {
        name: [
            run.name
            for run in runs[1:]
            if any(row.benchmark == name for row in run.scores) and (run.name, name) not in paired
        ]
        for name in first
    }
    return {name: members for name, members in alone.items() if members}


def _differ(runs: Sequence[Run]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the keys that decide answers with the values of each run, and the other keys that differ."""
    known = [flatten(run.recipe) for run in runs]
    public = [nested.flatten(public_recipe(run.recipe)) for run in runs]
    missing = object()
    keys = [
        key
        for key in dict.fromkeys(key for recipe in known for key in recipe)
        if key != "name" and any(recipe.get(key, missing) != known[0].get(key, missing) for recipe in known)
    ]
    shown = {key: [_say(recipe[key]) if key in recipe else "–" for recipe in public] for key in keys}
    return (
        {key: values for key, values in shown.items() if not is_operational(key)},
        [key for key in keys if is_operational(key)],
    )


def _say(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_LENGTH else f"{text[: VALUE_LENGTH - 1]}…"
