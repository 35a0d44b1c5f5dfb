"""Plots of the report, as SVG text that stands inside an HTML page.

The colours are CSS variables of the page, so that a plot follows its light or dark scheme; where there are none, as in
a file of its own, the light ones hold.  Labels stand above their bars, so that a plot can be read on a phone.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

from eval.scores import STAGES, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN_COLOUR, VALIDATION_COLOUR, BEST_COLOUR = "#1f5fa8", "#a8510d", "#1b6e45"
BEFORE_COLOUR, PROMPTED_COLOUR, AFTER_COLOUR = "#a8510d", "#7a46a5", "#1f5fa8"
STAGE_COLOURS: dict[Stage, str] = {"before": BEFORE_COLOUR, "prompted": PROMPTED_COLOUR, "after": AFTER_COLOUR}
INK, SOFT, PAPER = "#1d2431", "#5a6473", "#fffffe"
# A colour → what stands for it on the page.
VARIABLES = {
    TRAIN_COLOUR: f"var(--blue, {TRAIN_COLOUR})",
    VALIDATION_COLOUR: f"var(--orange, {VALIDATION_COLOUR})",
    BEST_COLOUR: f"var(--green, {BEST_COLOUR})",
    PROMPTED_COLOUR: f"var(--violet, {PROMPTED_COLOUR})",
    INK: "currentColor",
    SOFT: f"var(--soft, {SOFT})",
    PAPER: f"var(--paper, {PAPER})",
}
WIDTH = 5.2  # inches; a phone shows it at about its own size
LABEL_LENGTH = 46
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.parse_math": False,  # a label with dollars is a label
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}


@dataclass(frozen=True)
class ScorePanel:
    """Shares right of one task and mode: student → (share, low, high), in 0..1, beside what no understanding scores.

    ``looks`` says as which stage a student is drawn whose name is none, such as that of a run.
    """

    title: str
    chance: float
    constant: float
    shares: Mapping[str, tuple[float, float, float]]
    looks: Mapping[str, Stage] = field(default_factory=lambda: {stage: stage for stage in STAGES})


@dataclass(frozen=True)
class Readings:
    """How one student's answers were read: shares in 0..1."""

    label: str
    answered: float
    strict: float
    lenient: float


@dataclass(frozen=True)
class OrdersDrawn:
    """Shares right of one student, in 0..1: in each order of the options, their mean, and in all orders."""

    label: str
    by_order: Sequence[float]
    mean: float
    interval: tuple[float, float]
    all_right: float


def draw_loss(train: list[tuple[int, float]], validation: list[tuple[int, float]], best_step: int | None = None) -> str:
    """Return the loss curves, (step, loss) points, as one `<svg>` element without scripts or links.

    A line stands at ``best_step``, the step with the lowest validation loss, where it is known.
    """
    with _figure("loss", 2.8) as (figure, out):
        axes = figure.add_subplot()
        for points, label, colour, marker in (
            (train, "training", TRAIN_COLOUR, ""),
            (validation, "validation", VALIDATION_COLOUR, "o"),
        ):
            if points:
                steps, losses = zip(*points, strict=True)
                axes.plot(steps, losses, label=label, color=colour, marker=marker, markersize=4)
        if best_step is not None:
            axes.axvline(best_step, label=f"best: step {best_step:,}", color=BEST_COLOUR, linestyle="--", linewidth=1.2)
        axes.set(xlabel="step", ylabel="loss on the answer", ylim=(0, None))
        axes.grid(axis="y")
        if train or validation or best_step is not None:
            axes.legend()
    return out[0]


def draw_scores(name: str, panels: Sequence[ScorePanel]) -> str:
    """Return the shares right with their intervals, a panel per task and mode, as one `<svg>` element.

    Args:
        name: tells this plot from the others of the page; panels: not empty.
    """
    rows = [len(panel.shares) for panel in panels]
    with _figure(name, sum(0.45 + 0.3 * count for count in rows) + 0.9) as (figure, out):
        grid = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=[0.6 + count for count in rows])
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            _draw_panel(axes, panel)
        _label_percent(axes)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles[:2], labels[:2], loc="outside lower center", ncols=2)
    return out[0]


def _draw_panel(axes: Axes, panel: ScorePanel) -> None:
    axes.axvline(100 * panel.chance, color=INK, linestyle=":", linewidth=1.4, label="chance")
    axes.axvline(100 * panel.constant, color=SOFT, linestyle="--", linewidth=1.2, label="best constant answer")
    for y, (student, (share, low, high)) in enumerate(panel.shares.items()):
        look = panel.looks[student]
        colour = STAGE_COLOURS[look]
        axes.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt")
        axes.plot([100 * share], [y], color=colour, marker="o", markersize=6.5, markerfacecolor=_fill(look, colour))
        axes.annotate(
            f"{100 * share:.1f}", (1, y), (4, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=9.5
        )
    axes.set_title(_cut(panel.title))
    axes.set_yticks(range(len(panel.shares)), list(panel.shares))
    axes.set(ylim=(len(panel.shares) - 0.4, -0.6), xlim=(0, 100))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def draw_dumbbells(name: str, cells: Mapping[str, tuple[float, float]], chance: float) -> str:
    """Return (before, after) shares in 0..1 per category as one `<svg>` element; ``name`` as above."""
    with _figure(name, 0.38 * len(cells) + 1) as (figure, out):
        axes = figure.add_subplot()
        axes.axvline(100 * chance, color=INK, linestyle=":", linewidth=1.4, label="chance")
        for y, (label, (before, after)) in enumerate(cells.items()):
            first = y == 0
            axes.plot([100 * before, 100 * after], [y, y], color=SOFT, linewidth=2, alpha=0.6, zorder=2)
            shares: tuple[tuple[Stage, float], ...] = (("before", before), ("after", after))
            for student, share in shares:
                colour = STAGE_COLOURS[student]
                axes.plot(
                    [100 * share], [y], color=colour, marker="o", markersize=9 if student == "before" else 5.5,
                    markerfacecolor=_fill(student, colour), linestyle="", label=student if first else None, zorder=3,
                )  # fmt: skip
            _label_above(axes, y, _cut(label))
        _finish_shares(figure, axes, len(cells))
    return out[0]


def draw_readings(rows: Sequence[Readings]) -> str:
    """Return strict, lenient, and answered shares of each student as one `<svg>` element."""
    marks = (
        ("answered", SOFT, "D", False),
        ("lenient", AFTER_COLOUR, "o", True),
        ("strict", BEFORE_COLOUR, "s", False),
    )
    with _figure("readings", 0.38 * len(rows) + 1) as (figure, out):
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            axes.plot([100 * row.strict, 100 * row.lenient], [y, y], color=INK, linewidth=2, alpha=0.5)
            for name, colour, marker, filled in marks:
                axes.plot(
                    [100 * getattr(row, name)], [y], color=colour, marker=marker, linestyle="", markeredgewidth=1.5,
                    markersize=8 if name == "strict" else 5.5, markerfacecolor=colour if filled else "none",
                    label=name if y == 0 else None,
                )  # fmt: skip
            _label_above(axes, y, _cut(row.label))
        _finish_shares(figure, axes, len(rows))
    return out[0]


def draw_orders(rows: Sequence[OrdersDrawn]) -> str:
    """Return how right each student was in several orders of the options as one `<svg>` element."""
    with _figure("orders", 0.38 * len(rows) + 1) as (figure, out):
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            bar = [100 * share for share in row.interval]
            axes.plot(bar, [y, y], color=AFTER_COLOUR, linewidth=5, alpha=0.4, solid_capstyle="butt")
            for shares, name, colour, marker, filled in (
                (row.by_order, "each order", INK, "|", True),
                ([row.mean], "mean", AFTER_COLOUR, "o", True),
                ([row.all_right], "right in all orders", BEFORE_COLOUR, "D", False),
            ):
                axes.plot(
                    [100 * share for share in shares], [y] * len(shares), color=colour, marker=marker, linestyle="",
                    markersize=9 if marker == "|" else 6, markeredgewidth=1.5,
                    markerfacecolor=colour if filled else "none", label=name if y == 0 else None,
                )  # fmt: skip
            _label_above(axes, y, _cut(row.label))
        _finish_shares(figure, axes, len(rows))
    return out[0]


def draw_reliability(name: str, curves: Mapping[Stage, Sequence[tuple[float, float, float, float]]]) -> str:
    """Return how often answers are right by how sure the student was as one `<svg>` element; ``name`` as above.

    Args:
        curves: student → (confidence, share right, low, high) per bin, in 0..1.
    """
    with _figure(name, 4.4) as (figure, out):
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color=INK, linestyle=":", linewidth=1.4, label="as right as sure")
        for student, bins in curves.items():
            colour = STAGE_COLOURS[student]
            for confidence, _, low, high in bins:
                axes.plot([100 * confidence] * 2, [100 * low, 100 * high], color=colour, linewidth=4, alpha=0.3,
                          solid_capstyle="butt")  # fmt: skip
            axes.plot(
                [100 * one[0] for one in bins], [100 * one[1] for one in bins], color=colour, linewidth=1.2,
                marker="o", markersize=6, markerfacecolor=_fill(student, colour), label=student,
            )  # fmt: skip
        _label_percent(axes)
        axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="confidence, percent", ylabel="right, percent")
        axes.grid()
        figure.legend(loc="outside lower center", ncols=1 + len(curves))
    return out[0]


def draw_counts(name: str, counts: Mapping[str, int]) -> str:
    """Return counts as bars, one under the other, as one `<svg>` element; ``name`` as above."""
    with _figure(name, 0.38 * len(counts) + 0.2) as (figure, out):
        axes = figure.add_subplot()
        most = max(counts.values(), default=0) or 1
        axes.barh(range(len(counts)), [count / most for count in counts.values()], height=0.32, color=AFTER_COLOUR)
        for y, (label, count) in enumerate(counts.items()):
            _label_above(axes, y, f"{_cut(label)}: {count:,}")
        _stack(axes, len(counts))
        axes.set(xlim=(0, 1))
        axes.xaxis.set_visible(False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.grid(visible=False)
    return out[0]


def _fill(student: Stage, colour: str) -> str:
    """Untuned is drawn hollow, so that colour is not all that tells the students apart."""
    return colour if student == "after" else PAPER


def _label_above(axes: Axes, y: int, label: str) -> None:
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}  # over the lines of the grid
    axes.annotate(
        label, (0, y), (2, 5.5), ("axes fraction", "data"), "offset points", va="bottom", fontsize=9.5, bbox=box
    )


def _stack(axes: Axes, rows: int) -> None:
    """Rows from top to bottom, each with room for the label above it."""
    axes.set(ylim=(rows - 0.6, -0.85), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _finish_shares(figure: Figure, axes: Axes, rows: int) -> None:
    """Rows of shares in percent, with a legend below."""
    _stack(axes, rows)
    axes.set_xlim(-2, 102)
    _label_percent(axes)
    figure.legend(loc="outside lower center", ncols=3)


def _label_percent(axes: Axes) -> None:
    axes.set_xlabel("percent")
    axes.set_xticks(range(0, 101, 20))


def _cut(label: str) -> str:
    """A label on one line, of a length that fits; what XML cannot hold is left out."""
    line = " ".join("".join(c for c in label if c.isprintable() or c.isspace()).split())
    return line if len(line) <= LABEL_LENGTH else f"{line[: LABEL_LENGTH - 1]}…"


@contextmanager
def _figure(name: str, height: float) -> Iterator[tuple[Figure, list[str]]]:
    """Give an empty figure to draw on, and a list that holds the `<svg>` element when the block is left."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found: list[str] = []
    with mpl.rc_context({**_STYLE, "svg.hashsalt": f"emoreason {name}"}), warnings.catch_warnings():
        # The browser sets the text; that the measuring font lacks a letter is no matter.
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, found
        text = StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    found.append(_fit_for_page(text.getvalue()))


def _fit_for_page(svg: str) -> str:
    """Cut the head of a file, and the IDs that every figure has; put the page's colours in."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' id="[a-z][a-z0-9.]*_\d+"', "", svg)
    return re.sub(r"(?<=: )#[0-9a-f]{6}(?=[;\"])", lambda found: VARIABLES.get(found[0], found[0]), svg)
