"""Plots of the report, as SVG text that stands inside an HTML page."""

from __future__ import annotations

from io import StringIO

TRAIN_COLOUR, VALIDATION_COLOUR, BEST_COLOUR = "#3b6ea5", "#c2571a", "#1f7a4d"


def draw_loss(train: list[tuple[int, float]], validation: list[tuple[int, float]], best_step: int | None = None) -> str:
    """Return the loss curves, (step, loss) points, as one `<svg>` element without scripts or links.

    A line stands at ``best_step``, the step with the lowest validation loss, where it is known.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "emoreason", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.add_subplot()
        for points, label, colour, marker in (
            (train, "training", TRAIN_COLOUR, ""),
            (validation, "validation", VALIDATION_COLOUR, "o"),
        ):
            if points:
                steps, losses = zip(*points, strict=True)
                axes.plot(steps, losses, label=label, color=colour, marker=marker, linewidth=1.8)
        if best_step is not None:
            axes.axvline(best_step, label=f"best: step {best_step:,}", color=BEST_COLOUR, linestyle="--", linewidth=1.2)
        axes.set(xlabel="step", ylabel="loss on the answer", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        if train or validation or best_step is not None:
            axes.legend(frameon=False)
        out = StringIO()
        figure.savefig(
            out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")), transparent=True
        )
    svg = out.getvalue()
    return svg[svg.index("<svg") :]
