"""Stage 4: the student before and after tuning, on held-out items and on EmoBench; every mark is a journal row.

With a compiled exam program, the untuned student is examined with its prompt too.  With `exam.orders`, written answers
are asked for in further orders of the options; all scores but those of `eval.student_orders` are of the published one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import dspy
from dspy import lm15
from rich.console import Console

from corpus.errors import ModelError, RunError
from corpus.records import ApplicationItem, UnderstandingItem
from corpus.seeds import draw
from corpus.text import reason_of
from eval.baselines import measure_baselines
from eval.config import Mode
from eval.emobench import EmoBenchUnavailable, load_emobench
from eval.exam import Exam, mark_given
from eval.reasoning import ReasoningResult
from eval.scores import STAGES, Comparison, Mark, ScoreRow, Stage, adjust_together, by_task, tabulate
from eval.student_orders import StudentOrders, score_student_orders
from lms.in_process.engine import InProcessEngine
from runs.folder import Run
from runs.items import read_file, read_items
from runs.journal import Journal
from runs.marks import EMOBENCH, HELDOUT, HELDOUT_OF, marks_path
from runs.pool import run_units
from runs.programs import load_pinned
from runs.progress import show_progress
from runs.reasoning import judge_reasoning
from runs.stages.train import base_path

Items = Sequence[UnderstandingItem | ApplicationItem]
Asking = tuple[Stage, Mode, str, int]  # student, mode, benchmark, order of the options
PROMPTED: tuple[Stage, Mode] = ("prompted", "generate")  # likelihood shows a prompt of its own


def exam(run: Run, console: Console) -> dict[str, Any]:
    """Examine the base and the tuned student in every mode of the recipe.

    Raises:
        RunError: `train` is not done, there is nothing to examine on, or the run's exam program cannot be read.
        DataError: the EmoBench folder is malformed, or a file of `exam.also` cannot be read.
        TeacherError, LimitError: see `runs.reasoning.judge_reasoning`.
        ModelError: a student cannot be loaded, or fails while it answers (out of memory, for one).
    """
    run.require("train")
    # A student that never stops is cut at every answer; it is counted as unanswered, not warned about 800 times.
    logging.getLogger("dspy.clients.lm").setLevel(logging.ERROR)
    benchmarks, notice = _benchmarks(run)
    if notice:
        console.print(f"exam: {notice}", style="yellow", highlight=False)
    base = base_path(run) or run.recipe.train.base
    students: dict[Stage, str] = {"before": base, "prompted": base, "after": str(run.student_path / "tuned")}
    if not run.recipe.programs.exam:
        del students["prompted"]
    asked: dict[Asking, list[Mark]] = {}
    for stage, path in students.items():
        asked |= _examine(run, console, stage, path, benchmarks)
    marks = {(stage, mode, name): own for (stage, mode, name, order), own in asked.items() if not order}
    if "prompted" in students and (unread := [name for name in benchmarks if (*PROMPTED, name) not in marks]):
        problem = f"The compiled prompt is longer than the untuned student reads: not tried on {', '.join(unread)}"
        console.print(f"exam: {problem}", style="yellow", highlight=False)
        notice = f"{notice}. {problem}" if notice else problem
    rows: list[ScoreRow] = []
    comparisons: list[Comparison] = []
    for name, items in benchmarks.items():
        for task_items in by_task(items).values():
            baselines = measure_baselines(task_items)  # once: it fits a model
            for mode in run.recipe.exam.modes:
                own = {stage: marks[stage, mode, name] for stage in STAGES if (stage, mode, name) in marks}
                scored, compared = tabulate(task_items, own, name, mode, baselines)
                rows += scored
                comparisons += compared
    # One family: what tuning did to all that was examined.  A compiled prompt is a further hurdle, which needs no
    # correction, see `eval.scores.weigh`.
    corrected = iter(adjust_together([one for one in comparisons if one.against == "before"]))
    comparisons = [next(corrected) if one.against == "before" else one for one in comparisons]
    judged = [] if not run.recipe.exam.judge_explanations else _judge(run, console, benchmarks, marks)
    return {
        "exam": [row.model_dump(mode="json") for row in rows],
        "comparisons": [comparison.model_dump(mode="json") for comparison in comparisons],
        "reasoning": [result.model_dump(mode="json") for result in judged],
        "orders": [score.model_dump(mode="json") for score in _score_orders(asked, benchmarks)],
        "notice": notice,
    }


def _score_orders(asked: Mapping[Asking, list[Mark]], benchmarks: Mapping[str, Items]) -> list[StudentOrders]:
    """Score the students that were asked in more than one order."""
    found: list[StudentOrders] = []
    for name, items in benchmarks.items():
        orders = {
            stage: [own for (*key, _), own in asked.items() if key == [stage, "generate", name]]
            for stage in STAGES
            if (stage, "generate", name, 1) in asked
        }
        found += score_student_orders(items, orders, name)
    return found


def _judge(
    run: Run, console: Console, benchmarks: Mapping[str, Items], marks: Mapping[tuple[Stage, Mode, str], list[Mark]]
) -> list[ReasoningResult]:
    written = {(stage, name): own for (stage, mode, name), own in marks.items() if mode == "generate"}
    judged = judge_reasoning(run, console, benchmarks, written)
    if not judged:
        console.print("exam: no answer holds a reasoning that the judge could look at", style="yellow", highlight=False)
    return judged


def _benchmarks(run: Run) -> tuple[dict[str, Items], str]:
    """Return the items per benchmark, and what must be said about one that is missing."""
    config, notice = run.recipe.exam, ""
    benchmarks: dict[str, Items] = {HELDOUT: list(read_items(run, "heldout"))}
    if config.emobench is None:
        notice = "EmoBench was not asked for (exam.emobench is null); the held-out items are examined alone"
    else:
        try:
            benchmarks[EMOBENCH] = load_emobench(config.emobench)
        except EmoBenchUnavailable as error:
            notice = f"{error}. The held-out items are examined alone"
    for other, path in config.also.items():
        benchmarks[f"{HELDOUT_OF} {other}"] = [placed.item for placed in read_file(path) if placed.split == "heldout"]
    for name, items in list(benchmarks.items()):
        # As `emoreason exam --lm --limit` draws them: EmoBench is sorted by category.
        benchmarks[name] = [
            item
            for task, group in by_task(items).items()
            for item in draw(group, config.limit, f"emobench-{task.lower()}", lambda one: one.qid)
        ]
        if not items:
            raise RunError(f"exam: {name} holds no items; raise plan.sessions or curate.heldout")
    return benchmarks, notice


def _examine(
    run: Run, console: Console, stage: Stage, path: str, benchmarks: Mapping[str, Items]
) -> dict[Asking, list[Mark]]:
    """Mark all items in all modes and orders with one student."""
    config = run.recipe.exam
    marks: dict[Asking, list[Mark]] = {}
    with InProcessEngine(path, max_batch=config.batch_size) as engine:
        lm = dspy.LM(f"in-process/{stage}", engine=engine, cache=False, temperature=0.0, max_tokens=config.max_tokens)
        for mode in config.modes if stage != "prompted" else PROMPTED[1:]:
            examine = Exam(mode, run.recipe.train.written_format, engine)
            if stage == "prompted":
                load_pinned(run, "exam", examine)
            orders = config.orders if mode == "generate" and stage != "prompted" else 1
            for name, items in benchmarks.items():
                if stage == "prompted" and not _fit(examine, items, engine, config.max_tokens):
                    continue
                for order in range(orders):
                    with dspy.context(lm=lm):
                        asking = stage, mode, name, order
                        marks[asking] = _mark_all(run, console, asking, examine, items, orders)
    return marks


def _mark_all(run: Run, console: Console, asking: Asking, examine: Exam, items: Items, orders: int) -> list[Mark]:
    """Mark all items; what the journal holds already is not asked again."""
    stage, mode, name, order = asking
    said = f"{name}, {stage}, {mode}" + (f", order {order + 1} of {orders}" if orders > 1 else "")
    with Journal(marks_path(run, *asking)) as journal, show_progress(console, "exam") as update:
        known = (Mark.model_validate(row) for row in journal.latest().values())
        # Orders are compared by picks, which marks of earlier versions lack.
        done = {mark.id: mark for mark in known if mark.picks or orders == 1}
        # Prompts of like length one after another: in a batch, padding costs as much as text.
        todo = sorted((item for item in items if item.qid not in done), key=_length)
        for mark in run_units(todo, lambda item: _mark(examine, item, order), run.recipe.exam.batch_size):
            journal.append(mark.model_dump(mode="json"))
            done[mark.id] = mark
            update(len(done), len(items), said)
    return list(done.values())


def _length(item: UnderstandingItem | ApplicationItem) -> tuple[str, int]:
    return item.task, len(item.scenario) + sum(len(choice) for choices, _ in item.questions for choice in choices)


def _fit(examine: Exam, items: Items, engine: InProcessEngine, max_tokens: int) -> bool:
    """Whether the student can read every question with its prompt, and answer."""
    room = engine.chat.positions
    return room is None or all(
        len(engine.chat.encode(engine.chat.render(examine.show(item)))) + max_tokens <= room for item in items
    )


def _mark(examine: Exam, item: UnderstandingItem | ApplicationItem, order: int) -> Mark:
    try:
        with dspy.context(trace=[], disable_history=True):
            given = examine(item=item, order=order)
    except (dspy.LMError, lm15.LM15Error) as error:  # a likelihood is not asked through DSPy
        raise ModelError(
            f"the student cannot answer {item.qid}: {reason_of(error)}; "
            "lower exam.batch_size or exam.max_tokens and run again"
        ) from error
    return mark_given(item, given, order)
