"""The estimate: never less than it takes, and within the budget that was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.errors import RecipeError
from optimizers.config import OPTIMIZERS, Kind, OptimizerName
from optimizers.store import read_sidecar
from runs.compiling.estimate import calls_per_case
from runs.compiling.order import Order, estimate_order
from runs.folder import Run
from tests.runs.compiling.conftest import Load, compile_quietly, count_lines

TINY = ("compile.train=4", "compile.dev=3", "compile.metric_calls=60")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_compilation_takes_more_than_was_said(name: OptimizerName, load: Load, tmp_path: Path) -> None:
    order = Order(load(*TINY, f"compile.optimizer={name}"), "items", tmp_path)
    planned = estimate_order(order)
    folder, _ = compile_quietly(order)
    assert count_lines(folder / "calls.jsonl") <= planned.calls
    tried = read_sidecar(folder).cost["search"]["cases"]
    assert tried <= sum(line.cases for line in planned.lines[2:-1])


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        ("session", ()),
        ("session", ("plan.method={mads: 0.5, concise: 0.5}", "plan.moments=[2, 3]")),
        ("exam", ("lms.examinee={model: scripted/counsel}",)),
    ],
)
def test_nor_does_another_kind(
    kind: Kind, overrides: tuple[str, ...], load: Load, made: Callable[..., Path], curated: Run
) -> None:
    folder = made(kind, *overrides)
    planned = estimate_order(Order(load(*overrides), kind, run=curated))
    assert count_lines(folder / "calls.jsonl") <= planned.calls


def test_steps_are_those_that_will_be_taken(load: Load) -> None:
    order = Order(load("compile.optimizer=[bootstrap, gepa]", "compile.metric_calls=100"), "items")
    steps = [(line.step, line.cases) for line in estimate_order(order).lines]
    assert steps == [
        ("sessions to write items from", 7),
        ("uncompiled program, final cases", 10),
        ("uncompiled program, development cases", 6),
        ("bootstrap", 8 + 6),
        ("gepa", 50),
        ("compiled program, final cases", 10),
    ]


@pytest.mark.parametrize("chain", ["gepa", "mipro", "simba", "random-search", "[bootstrap, gepa]"])
@pytest.mark.parametrize("kind", ["items", "session"])
def test_the_search_is_cut_to_the_budget_of_calls_and_uses_it(chain: str, kind: Kind, load: Load) -> None:
    def planned(calls: int) -> tuple[int, int]:
        over = (f"compile.optimizer={chain}", "compile.metric_calls=600", f"compile.budget.calls={calls}")
        found = estimate_order(Order(load(*over), kind))
        return found.calls, found.metric_calls

    for calls in (900, 1_500, 2_000):
        assert planned(calls)[0] <= calls
    assert planned(900)[1] < planned(1_500)[1] <= 600
    assert planned(100_000)[1] == 600


def test_too_little_is_said_with_what_it_takes(load: Load) -> None:
    with pytest.raises(RecipeError, match=r"^compile.budget.calls: 100 is too little for a search: all else takes"):
        estimate_order(Order(load("compile.budget.calls=100"), "items"))
    with pytest.raises(RecipeError, match=r"^compile: gepa needs at least 28 metric calls, and 20 are left for it"):
        estimate_order(Order(load("compile.optimizer=gepa", "compile.metric_calls=20"), "items"))


def test_what_the_judge_looks_at_and_how_long_a_session_is_counts(load: Load) -> None:
    def each(kind: Kind, *overrides: str) -> float:
        return calls_per_case(load(*overrides), kind)

    assert each("items", "compile.judge=false") < each("items", "compile.votes=0") < each("items")
    assert each("session") < each("session", "plan.method={mads: 0.5, concise: 0.5}")
    short, long = (each("session", "plan.method=mads", f"plan.moments={span}") for span in ("[2, 3]", "[8, 12]"))
    assert short < 0.5 * long
    assert each("exam") == 1.0
