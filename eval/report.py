"""The report of a run: data for report.json, and one self-contained report.html.

Text written by models is hostile: the template escapes everything but the plot, which is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict

from corpus.funnel import FunnelStep
from corpus.records import ApplicationItem, Session, Task, UnderstandingItem
from eval.config import Mode
from eval.plots import draw_loss
from eval.scores import STAGES, Comparison, ScoreRow
from signatures.exam import exam_inputs
from signatures.formats import LETTERS


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

    ``tuning`` gives the settings of the recipe that the page names, such as the method.
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


def render_html(report: Report) -> str:
    """Return the page as text."""
    environment = Environment(
        loader=PackageLoader("eval", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment.get_template("report.html.j2").render(
        report=report,
        plot=draw_loss(report.training.train_loss, report.training.validation_loss, report.training.best_step),
        questions=[(item, _questions(item)) for item in report.items],
        groups=_group(report.scores, report.comparisons),
    )


@dataclass(frozen=True)
class _Group:
    """The examinations of one benchmark, task, and mode, in the order of `STAGES`, and how tuning compares."""

    benchmark: str
    rows: list[ScoreRow]
    comparisons: list[Comparison]


def _group(scores: list[ScoreRow], comparisons: list[Comparison]) -> list[_Group]:
    rows = {(r.benchmark, r.task, r.mode, r.stage): r for r in scores}
    together: dict[tuple[str, Task, Mode], list[Comparison]] = {}
    for comparison in comparisons:
        together.setdefault((comparison.benchmark, comparison.task, comparison.mode), []).append(comparison)
    return [
        _Group(key[0], [rows[*key, stage] for stage in STAGES if (*key, stage) in rows], members)
        for key, members in together.items()
    ]


def _questions(item: UnderstandingItem | ApplicationItem) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    asked = [str(text) for name, text in exam_inputs(item).items() if name.startswith("question")]
    return [
        (question, [(LETTERS[n], choice, choice == label) for n, choice in enumerate(choices)])
        for question, (choices, label) in zip(asked, item.questions, strict=True)
    ]
