"""Several runs on one self-contained page: their scores, each compared with the first, and where their recipes differ.

It shares its look with the report of a run, and runs no script at all.  Names and values come from recipes, which
anyone may have written: the template escapes everything but the plots and the style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from markupsafe import Markup

from corpus.records import Task
from eval import plots
from eval.config import Mode
from eval.page import make_environment, read_style
from eval.scores import IMPROVED, WORSE, Comparison, ScoreRow
from eval.verdicts import explain

NAME_LENGTH = 20  # of a run, where it stands beside a plot


@dataclass(frozen=True)
class ComparedRun:
    """A run as the page names it; ``scores`` are those of its tuned student, ``notice`` is what its exam lacked."""

    name: str
    recipe: str
    student: str
    teacher: str
    created: str
    version: str
    scores: Sequence[ScoreRow]
    notice: str = ""


@dataclass(frozen=True)
class Pair:
    """A run against the first on the items that both were asked; ``shares`` are (first, other), read leniently.

    The comparison is corrected for all that stand on the page.
    """

    run: str
    n: int
    shares: tuple[float, float]
    comparison: Comparison

    @property
    def tone(self) -> str:
        """What colours the card."""
        return self.comparison.verdict if self.comparison.verdict in (IMPROVED, WORSE) else "open"

    @property
    def said(self) -> tuple[str, str]:
        """The verdict, and what it rests on."""
        head, _, words = explain(self.comparison).partition(": ")
        return head, words


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side; all are compared with the first.

    ``unpaired`` names, per benchmark, the runs that share no item of it with the first although both were examined on
    it.  ``differing`` has the keys of the recipes whose values differ, in words per run; ``operational`` are further
    keys that differ, but decide nothing about an answer.
    """

    runs: Sequence[ComparedRun]
    pairs: Sequence[Pair]
    unpaired: Mapping[str, Sequence[str]] = field(default_factory=dict)
    differing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    operational: Sequence[str] = ()

    @property
    def first(self) -> str:
        """The name of the run that the others are compared with."""
        return self.runs[0].name


@dataclass(frozen=True)
class ScoreGroup:
    """The scores of one task in one mode, by the name of the run."""

    task: Task
    mode: Mode
    rows: Mapping[str, ScoreRow]


@dataclass(frozen=True)
class BenchmarkScores:
    """The scores on one benchmark of all runs that were examined on it."""

    name: str
    groups: Sequence[ScoreGroup]
    comparison: RunComparison

    @property
    def pairs(self) -> list[Pair]:
        """The comparisons on this benchmark."""
        return [pair for pair in self.comparison.pairs if pair.comparison.benchmark == self.name]

    @property
    def unpaired(self) -> Sequence[str]:
        """The runs that cannot be compared on it."""
        return self.comparison.unpaired.get(self.name, ())

    @cached_property
    def plot(self) -> Markup:
        """The shares right with their intervals; the first run is drawn hollow."""
        return Markup(plots.draw_scores(f"scores of {self.name}", [self._panel(group) for group in self.groups]))

    def _panel(self, group: ScoreGroup) -> plots.ScorePanel:
        labels = {run.name: _shorten(run.name) for run in self.comparison.runs}
        first = next(iter(group.rows.values()))
        return plots.ScorePanel(
            f"{group.task}, {group.mode}",
            first.chance,
            first.best_constant,
            {labels[name]: (row.lenient, *row.interval) for name, row in group.rows.items()},
            {labels[name]: "before" if name == self.comparison.first else "after" for name in group.rows},
        )


def group_scores(comparison: RunComparison) -> list[BenchmarkScores]:
    """Return the scores by benchmark, and there by task and mode, in the order of appearance."""
    found: dict[str, dict[tuple[Task, Mode], dict[str, ScoreRow]]] = {}
    for run in comparison.runs:
        for row in run.scores:
            found.setdefault(row.benchmark, {}).setdefault((row.task, row.mode), {})[run.name] = row
    return [
        BenchmarkScores(name, [ScoreGroup(*key, rows) for key, rows in groups.items()], comparison)
        for name, groups in found.items()
    ]


def render_comparison(comparison: RunComparison) -> str:
    """Return the page as text."""
    page = (
        make_environment()
        .get_template("comparison.html.j2")
        .render(comparison=comparison, benchmarks=group_scores(comparison), style=read_style())
    )
    return page.lstrip()


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
