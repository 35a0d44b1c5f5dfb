"""The stages in order, each run once: a finished stage is skipped, a broken one goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from corpus.plans import Planner
from runs.folder import STAGES, Run, open_run
from runs.recipe import Recipe

Stage = Callable[[Run, Console], dict[str, Any]]


def run_stages(recipe: Recipe, path: Path, console: Console, stages: Sequence[str] = STAGES) -> None:
    """Run the named stages of a recipe in a run folder and print the summary once there is a report.

    A stage that is finished is not run again, but for the report where nothing else is asked for: an item may have been
    reviewed since, or a newer version draw it better.

    Raises:
        EmoReasonError: see corpus.errors; what was finished before is kept.
    """
    if "generate" in stages and not path.exists():
        Planner(recipe.plan, recipe.seed)  # what cannot be planned is refused before a folder is made for it
        if any(dict(recipe.programs).values()):
            import_module("runs.programs").check_programs(recipe)
    with open_run(path, recipe) as run:
        for stage in stages:
            renewed = stage == "report" and len(stages) == 1
            if stage in STAGES and not renewed and (marker := run.finished(stage)):  # others may be asked for more
                console.print(f"{stage}: done before ({marker['seconds']:.0f} s)", style="dim", highlight=False)
                continue
            started = time.monotonic()
            # Imported here, so that a stage loads only what it needs: a finished run never loads torch.
            work: Stage = getattr(import_module(f"runs.stages.{stage}"), stage)
            result = work(run, console)
            run.finish(stage, time.monotonic() - started, result)
            console.print(f"{stage}: {_describe(stage, result)}", highlight=False)
        if run.finished("report"):
            import_module("runs.stages.report").print_summary(run, console)


def _describe(stage: str, result: dict[str, Any]) -> str:
    match stage:
        case "generate":
            failed, spent = sum(result["failed_sessions"].values()), result["spent"]
            money = f", {spent['money']:.2f} spent" if spent["money"] else ""
            return (
                f"{result['sessions']} sessions ({failed} failed), {result['drafts']} drafts, "
                f"{spent['calls']:,} calls ({sum(spent['failed'].values()):,} lost), {result['retries']} retries, "
                f"{spent['input_tokens']:,} + {spent['output_tokens']:,} tokens{money}"
            )
        case "verify":
            steps = ("screened", "duplicates", "contaminated", "aside")
            by_step = [result["sessions"]["dropped"], *(result[step] for step in steps)]
            reasons = _count({reason: count for counts in by_step for reason, count in counts.items()})
            return f"{result['passed']} of {result['drafts']} drafts passed; the others: {reasons}"
        case "curate":
            surplus = f"; {_count(result['surplus'])}" if result["surplus"] else ""
            return f"{result['kept']} items kept ({_count(result['splits'])}){surplus}"
        case "analyse":
            return (
                f"{result['items']} items, {result['answers']:,} answers of {result['examinees']} examinees, "
                f"{sum(result['failed'].values())} failed"
            )
        case "train":
            return f"{result['rows']} rows, {result['tokens']} tokens, {result['steps']} steps"
        case "exam":
            return f"{sum(row['n'] for row in result['exam'])} answers marked"
        case _:
            return f"{result['page']} written"


def _count(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in reasons.items()) or "none"
