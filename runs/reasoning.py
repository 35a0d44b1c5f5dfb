"""The judge's look at what students wrote before their answers: each judgement is a row that a kill does not lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import dspy
from rich.console import Console

from corpus.records import ApplicationItem, UnderstandingItem
from corpus.seeds import rng_for
from corpus.text import reason_of
from eval.reasoning import SCORES, Reasoned, ReasoningResult, find_reasoned, score_reasoning
from eval.scores import Mark, Stage
from lms.build import Models
from programs.asking import AskFailed
from programs.verify.reasoning import ReasoningJudge
from runs.folder import Run
from runs.journal import Journal
from runs.pool import run_units
from runs.progress import show_progress
from runs.recipe import JUDGE
from runs.serving import Reach, open_models, share_one_core, short_reason

Items = Sequence[UnderstandingItem | ApplicationItem]


def judge_reasoning(
    run: Run,
    console: Console,
    benchmarks: Mapping[str, Items],
    marks: Mapping[tuple[Stage, str], Sequence[Mark]],
) -> list[ReasoningResult]:
    """Have judged up to ``exam.judge_explanations`` answers of each student on each benchmark, drawn by seed.

    Args:
        benchmarks: name → items; marks: those of the written answers, by student and benchmark.

    Raises:
        TeacherError: the judge is not there, refuses every call, or cannot be reached for eight answers in a row.
        LimitError: a limit of the recipe is reached.
    """
    drawn = {key: _draw(run, benchmarks[key[1]], own, key[1]) for key, own in marks.items()}
    with Journal(run.journal_path("reasoning")) as journal:
        units = [_Unit(_row_id(*key, one), one) for key, answers in drawn.items() for one in answers]
        done = {key for key, row in journal.latest().items() if row["ok"]}
        if todo := [unit for unit in units if unit.id not in done]:
            _ask(run, console, journal, todo)
        rows = journal.latest()
    judge = run.recipe.lms[JUDGE].identity if any(drawn.values()) else ""
    found: list[ReasoningResult] = []
    for (stage, name), answers in drawn.items():
        known = {one.item: rows[_row_id(stage, name, one)] for one in answers}
        judged = {item: row["judgement"] for item, row in known.items() if row["ok"]}
        if result := score_reasoning(name, stage, judge, answers, judged):
            found.append(result)
    return found


@dataclass(frozen=True)
class _Unit:
    id: str
    answer: Reasoned


def _draw(run: Run, items: Items, marks: Sequence[Mark], benchmark: str) -> list[Reasoned]:
    """The same items of every student, as far as their answers hold a reasoning."""
    by_id = {mark.id: mark for mark in marks}
    order = [item for item in items if item.qid in by_id]
    rng_for(run.recipe.seed, "reasoning", benchmark).shuffle(order)
    answers = (find_reasoned(item, by_id[item.qid]) for item in order)
    return [answer for answer in answers if answer][: run.recipe.exam.judge_explanations]


def _row_id(stage: Stage, benchmark: str, answer: Reasoned) -> str:
    return f"{benchmark}/{stage}/{answer.item}"


def _ask(run: Run, console: Console, journal: Journal, todo: Sequence[_Unit]) -> None:
    reach, ask = Reach(JUDGE), ReasoningJudge()
    answered: list[str] = []

    def judge(unit: _Unit) -> str:
        """Journal one judgement; return what kept the judge from being reached, if anything did."""
        one = unit.answer
        try:
            with dspy.context(trace=[], disable_history=True):
                found = ask(
                    scenario=one.scenario, question=one.question, answer=one.answer, reasoning=one.reasoning,
                    seed=run.recipe.seed,
                )  # fmt: skip
        except AskFailed as error:
            journal.append({"id": unit.id, "ok": False, "reason": error.reason, **error.costs})
            return ""
        except dspy.LMError as error:
            reach.raise_if_fatal(error, at_first=not answered)
            journal.append({"id": unit.id, "ok": False, "reason": short_reason(JUDGE, error)})
            return f"{JUDGE} {reason_of(error)}"
        answered.append(unit.id)
        costs = {name: found[name] for name in ("calls", "retries", "complaints")}
        judgement = {name: found[name] for name in ("remarks", *SCORES)}
        journal.append({"id": unit.id, "ok": True, **costs, "judgement": judgement})
        return ""

    with ExitStack() as stack:
        models: Models = stack.enter_context(open_models(run, "exam", run.recipe.models_of(JUDGE), console))
        work = run_units(todo, judge, run.recipe.generate.concurrency, models.stop, share_one_core(models))
        with show_progress(console, "exam") as update:
            for count, problem in enumerate(work, 1):
                reach.count(problem)
                update(count, len(todo), "reasoning judged")
