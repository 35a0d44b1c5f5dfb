"""Beside the stages: a panel of models answers the curated items, and what their answers say about each item.

journals/panel.jsonl holds one row per item, model, and sample; data/analysis.jsonl one row per item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import dspy
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from corpus.errors import RecipeError, RunError
from corpus.jsonl import write_jsonl
from corpus.records import Item
from corpus.seeds import derive_seed
from corpus.text import reason_of
from eval.exam import Exam
from eval.item_analysis import (
    DISCRIMINATES,
    MIN_EXAMINEES,
    ItemAnalysis,
    ModelSummary,
    PanelAnswer,
    analyse_answers,
    correlation_interval,
    summarise_models,
)
from eval.scores import by_task
from lms.build import Models, fingerprint
from lms.faults import CUT, FILTERED
from lms.spec import ModelSpec
from runs.folder import Run
from runs.items import read_items
from runs.journal import Journal
from runs.pool import run_units
from runs.progress import show_progress
from runs.serving import Reach, open_models, share_one_core, short_reason

EXAMPLES = 3  # items that the table names per flag


def analyse(run: Run, console: Console) -> dict[str, Any]:
    """Have the panel of the recipe answer the curated items, and analyse them; answers that are there are kept.

    Raises:
        RunError: `curate` is not done, or not one answer came.
        RecipeError: the recipe has no panel.
        TeacherError, LimitError, ModelError: a model of the panel cannot be used, or a limit is reached.
    """
    config, panel = run.recipe.analyse, run.recipe.panel
    if not panel:
        raise RecipeError(
            "analyse: the recipe names no panel; add two lines and further models of other strengths: "
            "`panel:` and, indented, `  small: {model: ollama_chat/qwen3:1.7b}`"
        )
    run.require("curate")
    items = [item for group in by_task(read_items(run)).values() for item in group[: config.limit]]
    return analyse_items(run, items, panel, config.samples, console)


def analyse_items(
    run: Run, items: Sequence[Item], panel: Mapping[str, ModelSpec], samples: int, console: Console
) -> dict[str, Any]:
    """Ask what is not answered yet, write data/analysis.jsonl, and print what was found.

    Args:
        run: where journal and analysis are kept, and whose limits hold.
        items: what is asked.
        panel: name → model.
        samples: answers per item and model, each with a seed of its own.
        console: for progress and tables.

    Returns:
        The stage's record: counts, failures by reason, flags, and models.

    Raises:
        RunError: not one answer came.
        TeacherError, LimitError, ModelError: see `runs.serving`.
    """
    with Journal(run.journal_path("panel")) as journal:
        asked = _Panel(run, items, panel, samples, journal)
        asked.ask(console)
    answers = list(asked.answers.values())
    if not answers:
        reasons = ", ".join(asked.failed) or "there are no items"
        raise RunError(f"analyse: nothing was answered ({reasons}); `emoreason doctor` looks at the models")
    analyses = analyse_answers(items, answers)
    models = summarise_models(items, answers)
    write_jsonl(run.path / "data" / "analysis.jsonl", (analysis.model_dump(mode="json") for analysis in analyses))
    examinees = len({(answer.model, answer.sample) for answer in answers})
    _print(console, analyses, models, examinees)
    return {
        "items": len(analyses),
        "answers": len(answers),
        "examinees": examinees,
        "failed": dict(asked.failed.most_common()),
        "flags": dict(Counter(flag for analysis in analyses for flag in analysis.flags).most_common()),
        "models": [summary.model_dump(mode="json") for summary in models],
    }


@dataclass(frozen=True)
class _Unit:
    """One item to ask of one model, once."""

    item: Item
    model: str
    sample: int

    @property
    def id(self) -> str:
        return f"{self.item.qid}/{self.model}/{self.sample}"


class _Panel:
    """The answers of the panel: those of the journal that still hold, and those that are asked for."""

    def __init__(self, run: Run, items: Sequence[Item], panel: Mapping[str, ModelSpec], samples: int, journal: Journal):
        self.run, self.panel, self.journal = run, panel, journal
        self.exam = Exam("generate", "letter")
        self.prints = {name: fingerprint(spec) for name, spec in panel.items()}
        # Model by model: a server that holds one at a time need not change it with every call.
        self.units = [_Unit(item, model, sample) for model, sample, item in product(panel, range(samples), items)]
        rows = journal.latest()
        self.answers = {unit.id: answer for unit in self.units if (answer := self._kept(unit, rows.get(unit.id)))}
        self.failed = Counter[str]()
        self.reach = Reach("panel")

    def ask(self, console: Console) -> None:
        """Ask what is not answered."""
        todo = [unit for unit in self.units if unit.id not in self.answers]
        if not todo:
            return
        with open_models(self.run, "analyse", self.panel, console) as models:
            lms = self._sampling(models)
            work = run_units(
                todo, lambda unit: self._answer(unit, lms[unit.model, unit.sample]),
                self.run.recipe.generate.concurrency, models.stop, share_one_core(models),
            )  # fmt: skip
            with show_progress(console, "analyse") as update:
                for count, problem in enumerate(work, 1):
                    self.reach.count(problem)
                    update(count, len(todo), f"{models.ledger.total.calls:,} calls")

    def _sampling(self, models: Models) -> dict[tuple[str, int], dspy.LM]:
        """One LM per model and sample, with a seed of its own."""
        return {
            (name, sample): models.lms[name].copy(
                seed=derive_seed(self.run.recipe.seed, "panel", name, self.panel[name].seed, sample)
            )
            for name, sample in dict.fromkeys((unit.model, unit.sample) for unit in self.units)
        }

    def _answer(self, unit: _Unit, lm: dspy.LM) -> str:
        """Journal one answer; return what kept the model from being reached, if anything did."""
        about = {"item": unit.item.qid, "model": unit.model, "sample": unit.sample}
        row = {"id": unit.id, **about, "print": self.prints[unit.model]}
        picks: tuple[str | None, ...] = (None,) * len(unit.item.questions)
        note = {}
        try:
            with dspy.context(lm=lm, trace=[], disable_history=True):
                given = self.exam(item=unit.item)
        except dspy.LMError as error:
            self.reach.raise_if_fatal(error, at_first=not self.answers)
            reason = short_reason(unit.model, error)
            if error.provider_code not in (CUT, FILTERED):
                self.failed[reason] += 1
                self.journal.append({**row, "ok": False, "reason": reason})
                return f"{unit.model} {reason_of(error)}"
            note = {"reason": reason}  # the model's own doing, and so an answer that cannot be read
        else:
            picks = tuple(
                None if pick is None else choices[pick]
                for pick, (choices, _) in zip(given.answer.lenient, unit.item.questions, strict=True)
            )
            note = {"raw": given.raw}
        self.answers[unit.id] = PanelAnswer(**about, picks=picks)
        self.journal.append({**row, "ok": True, "picks": picks, **note})
        return ""

    def _kept(self, unit: _Unit, row: dict[str, Any] | None) -> PanelAnswer | None:
        """The answer of a journal row, unless it was given by another model or to other options."""
        if row is None or not row["ok"] or row["print"] != self.prints[unit.model]:
            return None
        for pick, (choices, _) in zip(row["picks"], unit.item.questions, strict=True):
            if pick is not None and pick not in choices:
                return None
        return PanelAnswer(item=unit.item.qid, model=unit.model, sample=unit.sample, picks=tuple(row["picks"]))


def _print(console: Console, analyses: Sequence[ItemAnalysis], models: Sequence[ModelSummary], examinees: int) -> None:
    table = Table(title="\nPanel: percent right", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for column in ("items", "answers", "unread", "right", "95%"):
        table.add_column(column, justify="right", no_wrap=True)
    for model in models:
        table.add_row(
            model.model, f"{model.items:,}", f"{model.answers:,}", f"{100 * model.unread:.1f}",
            f"{100 * model.right:.1f}", f"{100 * model.interval[0]:.1f}–{100 * model.interval[1]:.1f}",
        )  # fmt: skip
    console.print(table)
    flags: dict[str, list[str]] = {}
    for analysis in analyses:
        for flag in analysis.flags:
            flags.setdefault(flag, []).append(analysis.id)
    table = Table(title="\nItems with a flag", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("flag", "items", "for example"):
        table.add_column(column, justify="right" if column == "items" else "left")
    for name, ids in sorted(flags.items(), key=lambda pair: -len(pair[1])):
        table.add_row(name, f"{len(ids):,}", ", ".join(ids[:EXAMPLES]))
    console.print(table)
    console.print(_weakness(analyses, len(models), examinees), highlight=False, soft_wrap=True)


def _weakness(analyses: Sequence[ItemAnalysis], models: int, examinees: int) -> str:
    """Say how much a discrimination is worth with so many examinees."""
    if examinees < MIN_EXAMINEES:
        return f"discrimination: not estimated; {examinees} examinees are too few, {MIN_EXAMINEES} are the least"
    low, high = correlation_interval(DISCRIMINATES, examinees)
    known = sum(analysis.discrimination is not None for analysis in analyses)
    return (
        f"discrimination: estimated for {known:,} of {len(analyses):,} items from {examinees} examinees "
        f"({models} models, each sampled, so not independent); one of {DISCRIMINATES:g} has a 95% interval of "
        f"{low:.2f} to {high:.2f} at best: read it as a hint, and look at the item"
    )
