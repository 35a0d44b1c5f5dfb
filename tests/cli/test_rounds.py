"""The table of rounds: scores stand beside what no understanding gets."""

from __future__ import annotations

from rich.console import Console

from cli.rounds import print_rounds
from eval.scores import ScoreRow
from runs.marks import EMOBENCH, HELDOUT
from runs.rounds import YARDSTICK, Round


def row(benchmark: str) -> ScoreRow:
    return ScoreRow(
        benchmark=benchmark, task="EA", mode="generate", stage="after", n=40, answered=1, strict=0.5, lenient=0.5,
        interval=(0.35, 0.65), chance=0.25, best_constant=0.3, longest_option=0.35, choices_only=0.4,
    )  # fmt: skip


def test_scores_stand_beside_what_no_understanding_gets() -> None:
    scores = [row(HELDOUT), row(YARDSTICK), row(EMOBENCH)]
    one = Round(
        number=1, folder="round-1", seed=1, weights={}, programs={}, sessions=9, items=40, trained_on=30,
        scores=scores, yardstick=scores[1:2], changes=[], weaknesses=[], next_weights={},
    )  # fmt: skip
    console = Console(record=True, width=200)
    print_rounds([one], console)
    said = (
        "without understanding, EA: chance 25.0%, best constant answer 30.0%, longest option 35.0%, choices only 40.0%"
    )
    lines = console.export_text().splitlines()
    assert [line for line in lines if said in line] == [f"held-out of round 1, {said}", f"EmoBench, {said}"]
