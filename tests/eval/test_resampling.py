from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, permutation_test, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar

from eval.resampling import bootstrap_interval, flip_signs

BOUNDS = (-1.0, 1.0)


def names(n: int) -> list[str]:
    return [f"scenario {index}" for index in range(n)]


class TestTheInterval:
    def test_of_many_scenarios_it_is_the_binomial_of_drawing_again(self) -> None:
        # A share of 60 in 200: drawn again, the number right is binomial, and 199/200 of a t is nearly a normal.
        low, high = bootstrap_interval(np.repeat([1.0, 0.0], [60, 140]), names(200), (0, 1), resamples=100_000)
        assert (low, high) == pytest.approx(tuple(binom(200, 0.3).ppf([0.025, 0.975]) / 200), abs=0.006)

    def test_of_few_scenarios_it_is_as_wide_as_students(self) -> None:
        values = np.random.default_rng(4).normal(size=8)
        low, high = bootstrap_interval(values, names(8), BOUNDS, resamples=100_000)
        student = ttest_1samp(values, 0).confidence_interval()
        assert high - low == pytest.approx(student.high - student.low, rel=0.12)
        plain = np.ptp(np.quantile(np.random.default_rng(5).choice(values, (100_000, 8)).mean(axis=1), [0.025, 0.975]))
        assert high - low > 1.15 * plain

    def test_of_one_scenario_nothing_more_is_known(self) -> None:
        assert bootstrap_interval(np.ones(9), ["a"] * 9, BOUNDS) == BOUNDS

    def test_two_scenarios_say_no_more_than_the_two(self) -> None:
        assert bootstrap_interval(np.array([0.0, 0.0, 0.6, 0.6]), ["a", "a", "b", "b"], BOUNDS) == (0, 0.6)

    def test_large_scenarios_weigh_more(self) -> None:
        values, clusters = np.repeat([1.0, 0.0, 0.0, 0.0], [12, 1, 1, 1]), list("a" * 12 + "bcd")
        low, high = bootstrap_interval(values, clusters, BOUNDS)
        assert (low, high) == (0, 1)

    def test_rounding_makes_no_gain(self) -> None:
        change = np.array([0.1 + 0.2 - 0.3] * 20)  # 5.6e-17, not 0
        assert bootstrap_interval(change, names(20), BOUNDS) == (0, 0)
        assert flip_signs(change, names(20)) == 1

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=30), st.integers(1, 4))
    def test_the_mirror_image_has_the_mirrored_interval(self, change: list[float], size: int) -> None:
        clusters = [str(index // size) for index in range(len(change))]
        low, high = bootstrap_interval(np.array(change), clusters, BOUNDS, resamples=500)
        assert bootstrap_interval(-np.array(change), clusters, BOUNDS, resamples=500) == pytest.approx((-high, -low))


class TestThePValue:
    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 40), st.integers(0, 40))
    def test_of_items_without_shared_scenarios_it_is_mcnemars_exact_one(self, gained: int, lost: int) -> None:
        change = np.repeat([1.0, -1.0, 0.0], [gained, lost, 7])
        found = flip_signs(change, names(len(change)))
        assert found == pytest.approx(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue if gained + lost else 1)

    def test_of_scenarios_it_is_that_of_all_flips(self) -> None:
        change, clusters = np.array([1.0, 1, 1, 0, 1, -1, 1, 1, 1, -1, 0, 1]), list("aaabbcddefgg")
        sums = [3, 1, -1, 2, 1, -1, 1]
        flips = [abs(np.dot(signs, sums)) >= sum(sums) for signs in product((-1, 1), repeat=7)]
        assert flip_signs(change, clusters) == pytest.approx(np.mean(flips), abs=0.015)

    def test_scipy_finds_the_same(self) -> None:
        change = np.random.default_rng(2).normal(0.3, 1, size=30)
        found = flip_signs(change, names(30))
        theirs = permutation_test((change,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
        assert found == pytest.approx(theirs, abs=0.015)

    def test_items_of_one_scenario_count_once(self) -> None:
        change = np.ones(30)
        assert flip_signs(change, [str(n // 10) for n in range(30)]) == pytest.approx(2 / 2**3)
        assert flip_signs(change, names(30)) == pytest.approx(binomtest(30, 30).pvalue)

    def test_it_is_never_nothing(self) -> None:
        change = np.random.default_rng(1).uniform(0.5, 1, size=60)
        assert flip_signs(change, names(60), flips=99) == 0.01

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=20))
    def test_it_does_not_depend_on_the_sign(self, change: list[float]) -> None:
        assert 0 < flip_signs(np.array(change), names(len(change)), flips=99) <= 1
        assert flip_signs(np.array(change), names(len(change)), flips=99) == flip_signs(
            -np.array(change), names(len(change)), flips=99
        )
