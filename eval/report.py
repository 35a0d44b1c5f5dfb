"""The report of a run: data for report.json, and one self-contained report.html.

Text written by models is hostile: the template escapes everything but the plots, the style, and the script, which are
ours; the page's policy lets no request out and runs no script but that one, known by its hash.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from corpus.funnel import FunnelStep
from corpus.records import ApplicationItem, Session, Task, UnderstandingItem
from eval import plots
from eval.config import Mode
from eval.examined import Categories, Examined, Telling, by_category, by_position, count_rules, most_telling
from eval.item_analysis import QUESTIONS
from eval.mistakes_shown import group_mistakes, show_mistakes
from eval.page import make_environment, read_style
from eval.reader import Entry, fit_entries, fit_sessions, make_entry, make_plain_entry
from eval.reasoning import ReasoningResult
from eval.reliability import Reliability, by_confidence
from eval.replies import StudentMistakes
from eval.scores import IMPROVED, STAGES, WORSE, Comparison, ScoreRow, Stage
from eval.student_orders import StudentOrders
from eval.verdicts import explain
from signatures.formats import LETTERS

TELLING = 10  # of each kind


class Training(BaseModel):
    """What the report says about the tuning; runs of earlier versions know less.

    ``tokens`` are those of all rows, once, and neither they nor ``tokens_per_second`` count padding; ``peak_memory`` is
    in bytes.  ``dropped`` are the IDs of rows that were left out as too long, ``plan`` says what was chosen for the
    machine and why, a line each.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    rows: int
    tokens: int
    steps: int
    parameters: int
    train_loss: list[tuple[int, float]]
    validation_loss: list[tuple[int, float]]
    trained_parameters: int | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None
    peak_memory: int | None = None
    best_step: int | None = None
    dropped: list[str] = []
    plan: list[str] = []

    @property
    def figures(self) -> dict[str, str]:
        """Name → figure, of those that are known."""
        known = {
            "parameters trained": (self.trained_parameters, "{:,}"),
            "useful tokens per second": (self.tokens_per_second, "{:,.0f}"),
            "peak memory": (None if self.peak_memory is None else self.peak_memory / 2**30, "{:.2f} GiB"),
            "best step": (self.best_step, "{:,}"),
        }
        return {name: form.format(value) for name, (value, form) in known.items() if value is not None}


@dataclass(frozen=True)
class Report:
    """All that the page shows; ``programs`` says which compiled prompts were used, a sentence each.

    ``tuning`` gives the settings of the recipe that the page names, such as the method.  ``sessions`` and ``items`` are
    samples of the ``written`` sessions and of what was not examined; ``examined`` is all that was, and ``unseen`` has a
    line on each benchmark whose items could not be read; ``mistakes`` are those of every
    student, ``reasoning`` is what the judge found in what they wrote before their answers, ``orders`` what the order of
    the options did, where more than one was asked.
    """

    title: str
    teacher: str
    scripted: bool
    manifest: dict[str, Any]
    funnel: list[FunnelStep]
    checks: list[str]
    cells: dict[str, int]
    splits: dict[str, int]
    training: Training
    scores: list[ScoreRow]
    comparisons: list[Comparison]
    notice: str
    sessions: list[Session]
    items: list[UnderstandingItem | ApplicationItem]
    seconds: dict[str, float]
    programs: Sequence[str] = ()
    tuning: Mapping[str, str] = field(default_factory=dict)
    examined: Sequence[Examined] = ()
    unseen: Sequence[str] = ()
    written: int = 0
    mistakes: Sequence[StudentMistakes] = ()
    reasoning: Sequence[ReasoningResult] = ()
    orders: Sequence[StudentOrders] = ()


def render_html(report: Report) -> str:
    """Return the page as text."""
    script = files("eval").joinpath("report.js").read_text(encoding="utf-8")
    entries = [make_entry(one) for one in report.examined] + [make_plain_entry(item) for item in report.items]
    training = report.training
    page = (
        make_environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            script=Markup(script),
            script_hash=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            style=read_style(),
            benchmarks=_group(report.scores, report.comparisons),
            categories=[_show_categories(n, found) for n, found in enumerate(by_category(report.examined))],
            readings=_show_readings(report.scores, report.examined),
            orders=_show_orders(report.orders),
            positions=[row for row in by_position(report.examined) if any(row.chosen)],
            letters=LETTERS,
            mistakes=[show_mistakes(group) for group in group_mistakes(report.mistakes)],
            reliabilities=_show_reliabilities(by_confidence(report.examined)),
            telling={
                "Right before, wrong after": _entries(most_telling(report.examined, "lost", TELLING)),
                "Wrong before, right after": _entries(most_telling(report.examined, "gained", TELLING)),
            },
            funnel_plot=_draw_counts("funnel", {step.name: step.count for step in report.funnel}),
            cells_plot=_draw_counts("cells", {n.replace("_", " "): c for n, c in sorted(report.cells.items())}),
            loss_plot=Markup(plots.draw_loss(training.train_loss, training.validation_loss, training.best_step)),
            entries=fit_entries(entries),
            entry_count=len(entries),
            quotes_exam=any(not one.item.session for one in report.examined),  # our items come from a session
            outcomes=sorted({outcome for entry in entries for outcome in entry.outcomes}),
            sources=list(dict.fromkeys(entry.benchmark for entry in entries)),
            sessions=fit_sessions(report.sessions),
            session_count=max(report.written, len(report.sessions)),
        )
    )
    return page.lstrip()


@dataclass(frozen=True)
class _Group:
    """The examinations of one task and mode of a benchmark, in the order of `STAGES`, and how tuning compares."""

    task: Task
    mode: Mode
    rows: list[ScoreRow]
    cards: list[_Card]


@dataclass(frozen=True)
class _Card:
    """A comparison with the rows that it compares; ``tone`` colours what the comparison itself says."""

    comparison: Comparison
    old: ScoreRow
    new: ScoreRow

    @property
    def tone(self) -> str:
        return self.comparison.verdict if self.comparison.verdict in (IMPROVED, WORSE) else "open"

    @property
    def head(self) -> str:
        """The verdict, as `explain` puts it; ``words`` is the rest."""
        return explain(self.comparison).partition(": ")[0]

    @property
    def words(self) -> str:
        return explain(self.comparison).partition(": ")[2]


@dataclass(frozen=True)
class _Benchmark:
    name: str
    groups: list[_Group]
    plot: Markup


def _group(scores: list[ScoreRow], comparisons: list[Comparison]) -> list[_Benchmark]:
    rows = {(r.benchmark, r.task, r.mode, r.stage): r for r in scores}
    together: dict[tuple[str, Task, Mode], list[Comparison]] = {}
    for comparison in comparisons:
        together.setdefault((comparison.benchmark, comparison.task, comparison.mode), []).append(comparison)
    found: dict[str, list[_Group]] = {}
    for key, members in together.items():
        cards = [_Card(one, rows[*key, one.against], rows[*key, "after"]) for one in members]
        own = [rows[*key, stage] for stage in STAGES if (*key, stage) in rows]
        found.setdefault(key[0], []).append(_Group(key[1], key[2], own, cards))
    return [
        _Benchmark(name, groups, Markup(plots.draw_scores(f"scores {n}", [_panel(group) for group in groups])))
        for n, (name, groups) in enumerate(found.items())
    ]


def _panel(group: _Group) -> plots.ScorePanel:
    first = group.rows[0]
    shares: dict[str, tuple[float, float, float]] = {row.stage: (row.lenient, *row.interval) for row in group.rows}
    return plots.ScorePanel(f"{group.task}, {group.mode}", first.chance, first.best_constant, shares)


@dataclass(frozen=True)
class _ShownCategories:
    of: Categories
    plot: Markup


def _show_categories(number: int, found: Categories) -> _ShownCategories:
    cells = {f"{name} ({old.n})": (old.share, new.share) for name, (old, new) in found.cells.items()}
    return _ShownCategories(found, Markup(plots.draw_dumbbells(f"categories {number}", cells, found.chance)))


@dataclass(frozen=True)
class _ShownReadings:
    """The rows of all written answers, and the rules by which they were read (empty where the items are unknown)."""

    rows: list[ScoreRow]
    rules: list[str]
    plot: Markup


def _show_readings(scores: list[ScoreRow], examined: Iterable[Examined]) -> _ShownReadings | None:
    rows = [row for row in scores if row.mode == "generate"]
    if not rows:
        return None
    rules = count_rules(examined)
    said = [
        ", ".join(f"{rule} {count:,}" for rule, count in rules.get((row.benchmark, row.task, row.stage), {}).items())
        for row in rows
    ]
    drawn = [
        plots.Readings(f"{row.benchmark}, {row.task}: {row.stage}", row.answered, row.strict, row.lenient)
        for row in rows
    ]
    return _ShownReadings(rows, said, Markup(plots.draw_readings(drawn)))


@dataclass(frozen=True)
class _ShownOrders:
    """The students that were asked in several orders; a spread per question of the task."""

    rows: Sequence[StudentOrders]
    count: int
    spreads: list[dict[str, float | None]]
    plot: Markup


def _show_orders(rows: Sequence[StudentOrders]) -> _ShownOrders | None:
    if not rows:
        return None
    spreads = [
        dict(zip(QUESTIONS[row.task], (question.spread for question in row.score.questions), strict=True))
        for row in rows
    ]
    drawn = [
        plots.OrdersDrawn(
            f"{row.benchmark}, {row.task}: {row.stage}",
            row.score.by_order, row.score.mean, row.score.interval, row.score.all_right,
        )
        for row in rows
    ]  # fmt: skip
    return _ShownOrders(rows, len(rows[0].score.by_order), spreads, Markup(plots.draw_orders(drawn)))


@dataclass(frozen=True)
class _ShownReliability:
    """How sure and how right all students were on one question."""

    benchmark: str
    question: str
    rows: list[Reliability]
    plot: Markup


def _show_reliabilities(found: Iterable[Reliability]) -> list[_ShownReliability]:
    groups: dict[tuple[str, str], list[Reliability]] = {}
    for one in found:
        groups.setdefault((one.benchmark, one.question), []).append(one)
    shown = []
    for n, (key, rows) in enumerate(groups.items()):
        curves: dict[Stage, list[tuple[float, float, float, float]]] = {
            row.stage: [(one.confidence, one.share, *one.interval) for one in row.bins] for row in rows
        }
        shown.append(_ShownReliability(*key, rows, Markup(plots.draw_reliability(f"reliability {n}", curves))))
    return shown


def _draw_counts(name: str, counts: Mapping[str, int]) -> Markup:
    return Markup(plots.draw_counts(name, counts))


def _entries(found: Iterable[Telling]) -> list[tuple[Entry, Mode]]:
    return [(make_entry(one.examined), one.mode) for one in found]
