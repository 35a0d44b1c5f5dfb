"""Compiling one program of a recipe, from the drawing of cases to the comparison on cases that no optimizer saw.

A compilation is a folder in out/programs (docs/compiling.md), named by what it is made from; the same recipe comes to
the same folder.  All answers of models are kept in out/programs/answers.jsonl, so that a compilation that was killed
takes the same way again without asking again: every optimizer is deterministic, and nothing needs to be pickled.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any

import dspy
from rich.console import Console

from corpus.errors import LimitError, RunError
from corpus.jsonl import write_jsonl
from corpus.records import Plan, Session
from corpus.seeds import derive_seed
from lms.build import Models
from lms.ledger import Ledger, Spent
from lms.limits import LimitsConfig
from optimizers.attempt import Attempt
from optimizers.case_files import Cases, write_cases
from optimizers.config import Kind
from optimizers.meter import Said, count_said
from optimizers.metric import Metric
from optimizers.quiet import dspy_at_work
from optimizers.scoring import Scored, score
from optimizers.search import Found, Ground, search
from optimizers.store import CASES, SIDECAR, Sidecar, save
from optimizers.store import Step as OptimizerStep
from optimizers.watch import Halted
from programs.fingerprint import fingerprint_prompts
from runs.compiling.cases import draw_exam_cases, draw_item_cases, draw_session_cases, hold_session
from runs.compiling.compare import compare, rows_of
from runs.compiling.estimate import RESERVE, Estimate
from runs.compiling.order import Order, estimate_order
from runs.compiling.watching import make_watch
from runs.folder import write_recipe
from runs.holding import hold_folder
from runs.programs import load_named
from runs.progress import show_progress
from runs.recipe import EXAMINEE, JUDGE, REFLECTION
from runs.serving import announce_on, serve

CALLS, SCORES, LOG, RECIPE = "calls.jsonl", "scores.jsonl", "optimizer.log", "recipe.yaml"
SEARCH_SHARE = 0.8  # of tokens, money, and minutes: at least the rest is left for the final comparison
LONGER = 3  # a prompt with demonstrations may take so many times the tokens, money, and minutes
SPENT = "compile.budget is spent without a result; all answers are kept: raise it and run the same command to go on"
STOPPED = "the search ended early, its part of compile.budget being spent; this is the best program until then"
_PACKAGES = ("emoreason", "dspy-ai", "gepa", "optuna", "python")


def compile_program(order: Order, console: Console) -> Path:
    """Compile, and return the folder; one that is finished is returned at once.

    Raises:
        RecipeError: the budget is too small.
        RunError: the folder is in use or cannot be written.
        TeacherError: a model is not there, or more than the recipe's share of cases got no answer.
        LimitError: the budget ended before there was a result; what was answered is kept.
    """
    planned = estimate_order(order)
    folder = order.root / order.name
    if (folder / SIDECAR).exists():
        console.print(f"compile: {folder.name} was compiled before", style="dim", highlight=False, soft_wrap=True)
        return folder
    with hold_folder(folder, "being compiled by another process; wait for it"):
        write_recipe(folder / RECIPE, order.recipe)
        _Compilation(order, planned, folder, console).run()
    return folder


class _Compilation:
    """One compilation at work."""

    def __init__(self, order: Order, planned: Estimate, folder: Path, console: Console):
        self.order, self.planned, self.folder, self.console = order, planned, folder, console
        self.compile = order.recipe.compile
        self.watch, judging = (make_watch("compile", who, self.compile.failures) for who in ("a model", "the judge"))
        self.metric = Metric(order.assessor(), self.compile.threshold, judging, self._count)
        self.seed = derive_seed(order.recipe.seed, "optimizer") % 2**16
        self.done = self.tried = 0
        self.best = 0.0
        self.total = sum(line.cases for line in planned.lines)
        self.show: Callable[[int, int, str], None] = lambda done, total, note: None

    def run(self) -> None:
        order, folder = self.order, self.folder
        self.console.file = self.console.file  # what optimizers print is sent elsewhere, what we say is not
        with ExitStack() as stack:
            self.ledger = stack.enter_context(Ledger("draw", folder / CALLS, self.compile.budget))
            models = stack.enter_context(
                serve(
                    order.recipe.models_of(*order.roles), self.ledger, self.compile.threads,
                    announce_on(self.console, "compile"), order.root, cached_scripted=True,
                )
            )  # fmt: skip
            stack.enter_context(dspy.context(lm=writing_lm(models, order.kind), trace=[], disable_history=True))
            self.show = stack.enter_context(show_progress(self.console, f"compile {order.kind}"))
            try:
                cases = self._draw()
                write_cases(folder / CASES, cases)
                started = time.monotonic()
                before, spent_before = self._score(order.parent(), cases.final)
                self._leave_for_the_end((time.monotonic() - started) / 60)
                found = self._search(models, cases)
                self.ledger.limits = self.compile.budget
                after, spent_after = self._score(found.program, cases.final)
            except (Halted, LimitError) as end:
                error = end.error if isinstance(end, Halted) else end
                raise LimitError(SPENT) if isinstance(error, LimitError) else error from end.__cause__
            finally:
                models.stop()
        write_jsonl(folder / SCORES, rows_of(before, after))
        costs = {
            "calls": _figures(self.ledger.total),
            "search": _figures(self.ledger.of_stage("search")) | {"cases": self.tried, "asked": self.asked.calls},
            "before": _per_case(spent_before, len(before)),
            "after": _per_case(spent_after, len(after)),
        }
        save(folder, found.program, self._sidecar(cases, found, before, after, costs))

    def _draw(self) -> Cases:
        order = self.order
        if order.kind == "session":
            return draw_session_cases(order.recipe)
        if order.kind == "exam":
            if order.run is None:
                raise RunError("compile: an exam prompt is compiled on the items of a run; name its folder with --run")
            return draw_exam_cases(order.recipe, order.run)
        writer = load_named("session", order.recipe)

        def hold(plan: Plan) -> Session | None:
            try:
                with self.watch.unit():
                    session = hold_session(writer, plan)
            except dspy.LMError:
                return None
            self._count()
            return session

        return draw_item_cases(order.recipe, hold)

    def _score(self, program: dspy.Module, cases: Sequence[Any]) -> tuple[list[Scored], Said]:
        self.ledger.stage = "compare"
        fresh = self.order.make()
        fresh.load_state(program.dump_state())
        with dspy_at_work(self.folder / LOG), count_said(besides=JUDGE) as said:
            return score(Attempt(fresh, self.watch), cases, self.metric, self.compile.threads), said

    def _search(self, models: Models, cases: Cases) -> Found:
        order, self.ledger.stage = self.order, "search"
        ground = Ground(
            make=order.make, watch=self.watch, metric=self.metric, train=cases.train, dev=cases.dev,
            per_case=order.per_case, demos=self.compile.demos, reflection=models.lms[REFLECTION],
            seed=self.seed, threads=self.compile.threads,
            log=self.folder / LOG, on_best=self._note_best,
        )  # fmt: skip
        tried = self.done
        try:
            with count_said() as self.asked:
                return search(ground, order.chain, self.planned.metric_calls, order.parent())
        finally:
            self.tried = self.done - tried

    def _leave_for_the_end(self, minutes: float) -> None:
        """Lower the limits for the search, so that the comparison after it can be paid.

        What that will cost is judged by its first half, which took ``minutes``.
        """
        budget, spent, half = self.compile.budget, self.ledger.total, self.ledger.of_stage("compare")
        figures = {
            "tokens": (budget.tokens, _tokens(spent), _tokens(half)),
            "money": (budget.money, spent.money, half.money),
            "minutes": (budget.minutes, minutes, minutes),
        }
        limits: dict[str, Any] = {
            name: limit - max(LONGER * last, (1 - SEARCH_SHARE) * (limit - used))
            for name, (limit, used, last) in figures.items()
            if limit is not None
        }
        if budget.calls is not None:
            limits["calls"] = budget.calls - max(self.planned.reserve, ceil(RESERVE * half.calls))
        self.ledger.limits = LimitsConfig.model_construct(**limits)  # what is below 0 ends the search at once

    def _count(self) -> None:
        self.done += 1
        calls, budget = self.ledger.total.calls, self.compile.budget.calls
        of = f" of {budget:,}" if budget else ""
        best = f"best {self.best:.3f}, " if self.best else ""
        self.show(self.done, max(self.total, self.done), f"{best}{calls:,}{of} calls")

    def _note_best(self, best: float) -> None:
        self.best = best

    def _sidecar(
        self, cases: Cases, found: Found, before: list[Scored], after: list[Scored], costs: dict[str, Any]
    ) -> Sidecar:
        order, recipe = self.order, self.order.recipe
        return Sidecar(
            kind=order.kind,
            name=self.folder.name,
            created=datetime.now(UTC).replace(microsecond=0),
            parent=order.start.name if order.start else "",
            optimizers=tuple(
                OptimizerStep(
                    name=step.optimizer,
                    settings=dict(step.knobs),
                    dev=(step.before, step.after),
                    candidates=step.candidates,
                )
                for step in found.steps
            ),
            seeds={"recipe": recipe.seed, "cases": derive_seed(recipe.seed, "compile"), "optimizer": self.seed},
            data=cases.fingerprints,
            scores=compare(before, after),
            cost=costs,
            models={role: spec.identity for role, spec in recipe.models_of(*order.roles).items()},
            weights=order.weights,
            versions={name: _version(name) for name in _PACKAGES},
            fingerprint=fingerprint_prompts([found.program]),
            changed=fingerprint_prompts([found.program]) != fingerprint_prompts([order.parent()]),
            stopped=found.stopped and STOPPED,
        )


def writing_lm(models: Models, kind: Kind) -> dspy.LM:
    """Return the model that is asked where no role is named: an exam is taken without chance."""
    if kind == "exam":
        return models.lms[EXAMINEE].copy(temperature=0.0)
    return models.lms["teacher"]


def _per_case(said: Said, cases: int) -> dict[str, float]:
    return {name: round(value / cases, 2) for name, value in vars(said).items()}


def _tokens(spent: Spent) -> int:
    return spent.input_tokens + spent.output_tokens


def _figures(spent: Spent) -> dict[str, float]:
    return {name: value for name, value in spent.as_json().items() if name != "failed"}


def _version(package: str) -> str:
    return sys.version.split()[0] if package == "python" else version(package)
