"""The funnel in the terminal: counts, shares, bars to scale, and every reason."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from cli.funnel import BAR, print_funnel
from corpus.funnel import FunnelStep

STEPS = [
    FunnelStep(name="sessions planned", count=10),
    FunnelStep(name="moments in them", count=2000),
    FunnelStep(name="passed the rules", count=1000, lost={"few": 1, "[bold]many[/bold]": 999}, of=2000),
    FunnelStep(name="train", count=0, of=1000),
]


def shown(steps: list[FunnelStep], short: dict[str, int]) -> str:
    output = StringIO()
    print_funnel(steps, short, Console(file=output, width=100))
    return output.getvalue()


def test_each_step_shows_count_share_and_a_bar_to_the_scale_of_what_is_counted() -> None:
    lines = {line.strip().split("  ")[0]: line for line in shown(STEPS, {}).splitlines()}
    bars = {name: line.count("█") for name, line in lines.items()}
    assert bars["sessions planned"] == bars["moments in them"] == BAR
    assert bars["passed the rules"] == BAR / 2
    assert bars["train"] == 0
    assert "1,000" in lines["passed the rules"]
    assert "50.0%" in lines["passed the rules"]
    assert "%" not in lines["moments in them"]


def test_reasons_are_text_and_the_commonest_comes_first() -> None:
    page = shown(STEPS, {})
    assert page.index("999 [bold]many[/bold]") < page.index("1 few")


def test_short_cells_are_named_when_there_are_any() -> None:
    assert "fewer than asked for: persona 3, Social-Self / Action 1" in shown(
        STEPS, {"persona": 3, "Social-Self / Action": 1}
    )
    assert "fewer" not in shown(STEPS, {})


def test_a_run_without_anything_is_shown_too() -> None:
    assert "sessions planned" in shown([FunnelStep(name="sessions planned", count=0)], {})
