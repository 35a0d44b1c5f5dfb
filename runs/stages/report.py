"""Stage 5: the table on the terminal, report.json for machines, report.html for people, the card of the student."""

from __future__ import annotations

import json
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from corpus.funnel import build_funnel
from corpus.jsonl import write_text_atomically
from corpus.outcomes import Verified
from corpus.seeds import rng_for
from eval.reasoning import ReasoningResult
from eval.replies import mistakes_of_students
from eval.report import Report, Training, render_html
from eval.scores import Comparison, ScoreRow, say_rows
from eval.student_orders import StudentOrders
from finetune.config import TrainConfig
from lms.spec import SCRIPTED
from runs.card import guess_rates
from runs.examined import gather_examined
from runs.folder import STAGES, Run
from runs.items import read_items
from runs.program_notes import read_notes
from runs.student_card import write_student_card
from runs.written import read_sessions

SESSIONS_SHOWN, ITEMS_SHOWN = 40, 24


def report(run: Run, console: Console) -> dict[str, Any]:
    """Write both reports and the student's card; raises RunError when an earlier stage is missing."""
    done = {stage: run.require(stage) for stage in STAGES[:-1]}
    seconds = {stage: marker["seconds"] for stage, marker in done.items()}
    generated, verified, curated, examined = (done[stage] for stage in ("generate", "verify", "curate", "exam"))
    scores = [ScoreRow.model_validate(row) for row in examined["exam"]]
    asked, unseen = gather_examined(run, scores)
    mistakes = mistakes_of_students(asked)
    write_text_atomically(
        run.path / "report.json",
        json.dumps(
            {
                "generate": _facts(generated),
                "verify": _facts(verified),
                "curate": _facts(curated),
                "train": _facts(done["train"]),
                "exam": examined["exam"],
                "comparisons": examined["comparisons"],
                "reasoning": examined.get("reasoning", []),  # runs of earlier versions have none
                "orders": examined.get("orders", []),
                "mistakes": [one.model_dump(mode="json") for one in mistakes],
                "notice": examined["notice"],
                "seconds": seconds,
            },
            indent=1,
        )
        + "\n",
    )
    rng = rng_for(run.recipe.seed, "report")
    known = {one.item.qid for one in asked}
    items = [item for item in read_items(run) if item.qid not in known]
    sessions = list(read_sessions(run))
    page = render_html(
        Report(
            title=run.recipe.name,
            teacher=run.recipe.teacher.identity,
            scripted=run.recipe.teacher.provider == SCRIPTED,
            manifest=json.loads((run.path / "manifest.json").read_text(encoding="utf-8")),
            funnel=build_funnel(generated, verified, curated),
            checks=_say_checks(run, Verified.model_validate(verified)),
            cells=curated["cells"],
            splits=curated["splits"],
            training=Training.model_validate(done["train"]),
            scores=scores,
            comparisons=[Comparison.model_validate(row) for row in examined["comparisons"]],
            notice=examined["notice"],
            sessions=rng.sample(sorted(sessions, key=lambda s: s.id), min(SESSIONS_SHOWN, len(sessions))),
            items=rng.sample(items, min(ITEMS_SHOWN, len(items))),
            seconds=seconds,
            programs=_say_programs(run),
            tuning=_say_tuning(run.recipe.train),
            examined=asked,
            unseen=unseen,
            mistakes=mistakes,
            orders=[StudentOrders.model_validate(row) for row in examined.get("orders", [])],
            reasoning=[ReasoningResult.model_validate(row) for row in examined.get("reasoning", [])],
            written=len(sessions),
        )
    )
    write_text_atomically(run.path / "report.html", page)
    write_student_card(run, run.student_path / "tuned")
    return {"page": "report.html"}


def print_summary(run: Run, console: Console) -> None:
    """Print the before/after table of a finished run, and where its report is."""
    examined = run.require("exam")
    rows = [ScoreRow.model_validate(row) for row in examined["exam"]]
    for benchmark in dict.fromkeys(row.benchmark for row in rows):
        table = Table(title=f"\n{benchmark}: percent right", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("student", no_wrap=True)
        for column in ("n", "answered", "strict", "lenient", "95%", "chance"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in (row for row in rows if row.benchmark == benchmark):
            table.add_row(
                f"{row.task} {row.mode}, {row.stage}", str(row.n),
                *(f"{100 * share:.1f}" for share in (row.answered, row.strict, row.lenient)),
                f"{100 * row.interval[0]:.1f}–{100 * row.interval[1]:.1f}", f"{100 * row.chance:.1f}",
            )  # fmt: skip
        console.print(table)
        for line in say_rows([row for row in rows if row.benchmark == benchmark]):
            console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
        for comparison in (Comparison.model_validate(row) for row in examined["comparisons"]):
            if comparison.benchmark == benchmark:
                change = comparison.lenient
                beside = ", tuned against the compiled prompt" if comparison.against == "prompted" else ""
                console.print(
                    f"{comparison.task} {comparison.mode}{beside}: {100 * change.delta:+.1f} points, "
                    f"95% {100 * change.low:+.1f} to {100 * change.high:+.1f}: [bold]{comparison.verdict}[/]",
                    highlight=False,
                )
        for one in (StudentOrders.model_validate(row) for row in examined.get("orders", [])):
            if one.benchmark == benchmark:
                score = one.score
                console.print(
                    f"{one.task} generate, {one.stage}, over {len(score.by_order)} orders of the options: "
                    f"{100 * score.mean:.1f}, 95% {100 * score.interval[0]:.1f} to {100 * score.interval[1]:.1f}; "
                    f"right in all {100 * score.all_right:.1f}",
                    style="dim", highlight=False, soft_wrap=True,
                )  # fmt: skip
    console.print()
    if examined["notice"]:
        console.print(examined["notice"], style="yellow", highlight=False)
    if run.recipe.teacher.provider == SCRIPTED:
        console.print(
            "The teacher is scripted, and the held-out items come from its own grammar: "
            "a gain there shows that the pipeline works, not that the student understands people.",
            style="dim",
        )
    console.print(f"report: {run.path / 'report.html'}", soft_wrap=True, highlight=False)


def _facts(marker: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in marker.items() if key not in ("stage", "seconds")}


def _say_tuning(config: TrainConfig) -> dict[str, str]:
    """The settings that the page names; what became of `auto` stands among the reasons of the training."""
    adapter = f" (rank {config.lora.rank}, alpha {config.lora.alpha})" if config.has_adapter else ""
    said = {
        "preset": config.preset,
        "method": config.method + adapter,
        "layout": config.layout,
        "precision": config.precision,
    }
    return {name: value for name, value in said.items() if value != "auto"}


def _say_programs(run: Run) -> list[str]:
    """Which compiled prompts the run used."""
    return [
        f"Compiled prompt for {kind}: {note.name} (quality {note.quality.before:.2f} → {note.quality.after:.2f} on "
        f"{note.quality.n:,} cases that its optimizer did not see; compiled with {note.teacher})."
        for kind, note in read_notes(run).items()
    ]


def _say_checks(run: Run, verified: Verified) -> list[str]:
    """What the judge and the comparison with exams did, or that they did not take place."""
    config, exams = run.recipe.verify, verified.exams
    if not verified.judge:
        lines = ["No judge looked at the items: labels are as the writer planned them."]
    else:
        lines = [f"Judge: {verified.judge}, up to {config.votes} blind answers an item."]
    lines += [
        f"Without the scenario it answered {rate.share:.1%} of {rate.n:,} {rate.task} items rightly "
        f"(95% {rate.low:.1%} to {rate.high:.1%}; chance {rate.chance:.1%})."
        for rate in guess_rates(verified)
    ]
    if exams.compared:
        dropped = sum(verified.contaminated.values())
        lines.append(f"Compared with {', '.join(exams.compared)}: {dropped:,} drafts that overlap were dropped.")
    else:
        lines.append("The items were not compared with any exam: scores on one may be inflated by overlap.")
    return lines + exams.problems
