"""How optimizers are fitted to a budget; that they keep to it is tested with the search."""

from __future__ import annotations

from typing import Any

import dspy
import dspy.teleprompt.random_search
import dspy.teleprompt.utils
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RecipeError
from optimizers.attempt import Attempt
from optimizers.cases import ItemCase, example_of
from optimizers.config import OPTIMIZERS, OptimizerName
from optimizers.strategies import STRATEGIES, Sizes
from optimizers.strategies.demonstrations import bounded
from programs.converter import ItemConverter
from tests.optimizers.searching import DEV, Bench, texts_of


@st.composite
def problems(draw: st.DrawFn) -> Sizes:
    predictors = draw(st.integers(1, 8))
    return Sizes(
        train=draw(st.integers(2, 80)), dev=draw(st.integers(2, 80)), predictors=predictors,
        per_case=draw(st.integers(1, predictors)), demos=draw(st.integers(0, 16)),
    )  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(max_examples=30)
@given(sizes=problems(), allowed=st.integers(1, 3000))
def test_a_fit_keeps_to_what_is_allowed_or_refuses(name: OptimizerName, sizes: Sizes, allowed: int) -> None:
    try:
        fit = STRATEGIES[name].fit(sizes, allowed)
    except RecipeError as error:
        least = int(str(error).split("at least ")[1].split()[0])
        assert least > allowed
        assert STRATEGIES[name].fit(sizes, least).cases <= least
    else:
        assert 0 < fit.cases <= allowed
        assert fit.proposals >= 0
        assert all(value >= 0 for value in fit.knobs.values())


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(max_examples=20)
@given(sizes=problems(), allowed=st.integers(1, 1500), more=st.integers(0, 1500))
def test_a_larger_budget_is_never_refused_where_a_smaller_one_is_enough(
    name: OptimizerName, sizes: Sizes, allowed: int, more: int
) -> None:
    try:
        STRATEGIES[name].fit(sizes, allowed)
    except RecipeError:
        return
    STRATEGIES[name].fit(sizes, allowed + more)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_refusal_is_one_line_that_says_what_to_change(name: OptimizerName) -> None:
    with pytest.raises(RecipeError) as caught:
        STRATEGIES[name].fit(Sizes(30, 30, 2, 1, 4), 3)
    assert str(caught.value).startswith(f"compile: {name} needs at least ")
    assert "raise compile.metric_calls" in str(caught.value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_recipes_default_is_enough_for_every_optimizer(name: OptimizerName) -> None:
    """Cases, demonstrations and metric calls as in optimizers/config.py; items, sessions, both ways at once."""
    for predictors, per_case in ((2, 1), (5, 5), (7, 7)):
        assert STRATEGIES[name].fit(Sizes(30, 30, predictors, per_case, 4), 600).cases > 30


@given(sizes=problems())
def test_bootstraps_are_enough_for_all_predictors(sizes: Sizes) -> None:
    assert 1 <= sizes.bootstraps <= sizes.tries <= sizes.train
    assert sizes.bootstraps * sizes.per_case >= min(sizes.train * sizes.per_case, sizes.demos * sizes.predictors)


# Bootstrapping within bounds


def refusing(example: Any, made: Any, trace: Any = None) -> bool:
    return False


def passing(example: Any, made: Any, trace: Any = None) -> bool:
    return True


def test_bootstrapping_gives_up_after_so_many_tries(searching: Bench, item_cases: list[ItemCase]) -> None:
    """DSPy goes through all cases, at the cost of each, where few succeed."""
    engine = searching.spoil("converter")
    sizes = Sizes(train=12, dev=DEV, predictors=2, per_case=1, demos=1)
    with bounded(sizes):
        optimizer = dspy.teleprompt.random_search.BootstrapFewShot(metric=refusing, max_labeled_demos=0)
        optimizer.compile(Attempt(ItemConverter(), searching.watch), trainset=[example_of(case) for case in item_cases])
    assert len(engine.requests) == sizes.tries == 4


def test_bootstrapping_keeps_so_many_demonstrations_of_each_predictor(
    searching: Bench, item_cases: list[ItemCase]
) -> None:
    """DSPy counts cases: where all are for the same predictor it would have them all."""
    one_kind = [example_of(case) for case in item_cases if case.moment.task == "EA"]
    with bounded(Sizes(train=6, dev=DEV, predictors=2, per_case=1, demos=2)):
        optimizer = dspy.teleprompt.utils.BootstrapFewShot(
            metric=passing, max_bootstrapped_demos=4, max_labeled_demos=0
        )
        compiled = optimizer.compile(Attempt(ItemConverter(), searching.watch), trainset=one_kind)
    assert [len(demos) for _, demos in texts_of(compiled).values()] == [0, 2]


def test_dspys_own_bootstrapping_is_as_before() -> None:
    modules = (dspy.teleprompt.random_search, dspy.teleprompt.utils)

    def fail() -> None:
        assert all(module.BootstrapFewShot is not dspy.BootstrapFewShot for module in modules)
        raise KeyError

    with pytest.raises(KeyError), bounded(Sizes(4, 4, 2, 1, 1)):
        fail()
    assert all(module.BootstrapFewShot is dspy.BootstrapFewShot for module in modules)


@pytest.mark.parametrize("name", ["labeled", "random-search"])
def test_a_recipe_may_want_no_demonstrations(searching: Bench, item_cases: list[ItemCase], name: OptimizerName) -> None:
    found = searching.search(item_cases, name, demos=0)
    assert all(demos == [] for _, demos in texts_of(found.program).values())
