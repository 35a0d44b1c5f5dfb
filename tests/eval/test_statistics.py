from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from eval.statistics import (
    mean_score,
    paired_change,
    paired_difference,
    share_interval,
    wilson_interval,
)


def names(n: int) -> list[str]:
    return [f"scenario {index}" for index in range(n)]


@pytest.mark.parametrize(  # by hand: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.959964
    ("right", "n", "low", "high"),
    [(0, 10, 0.0, 0.27753), (10, 10, 0.72247, 1.0), (5, 10, 0.23659, 0.76341), (50, 200, 0.19509, 0.31429)],
)
def test_wilson_gives_the_known_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=1e-4)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


class TestSharesOfItemsThatShareScenarios:
    def test_it_is_as_by_hand(self) -> None:
        # Half of 6 are right.  Residuals add up to +1, -1, 0 in the 3 scenarios: variance 3/2 × 2 / 6² = 1/12, that of
        # 6 independent items is 1/4 / 5 = 1/20, so the design effect is 5/3 and 6 items are worth 3.6.  The quantiles
        # of t with 5 and 2 degrees of freedom, 2.5706 and 4.3027, leave 1.2850.  Wilson's interval of one half is
        # 1/2 ± z / 2 sqrt(n + z²) = 1/2 ± 1.95996 / 2 sqrt(1.2850 + 3.8415).
        found = share_interval([True, True, False, False, True, False], list("aabbcc"))
        assert found == pytest.approx((0.06718, 0.93282), abs=1e-4)

    def test_the_design_effect_is_that_of_a_regression_with_clustered_errors(self) -> None:
        rng = np.random.default_rng(3)
        codes = np.repeat(np.arange(60), rng.integers(1, 5, size=60))
        right = rng.random(len(codes)) < rng.beta(0.6, 0.4, size=60)[codes]
        n, share = len(codes), right.mean()
        fit = sm.OLS(right.astype(float), np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": codes})
        effect = float(fit.bse[0]) ** 2 / (share * (1 - share) / (n - 1))
        assert effect > 1.5
        size = n / effect * (student.ppf(0.975, n - 1) / student.ppf(0.975, 59)) ** 2
        z = norm.ppf(0.975)
        middle, half = share + z**2 / 2 / size, z * np.sqrt(share * (1 - share) / size + z**2 / 4 / size**2)
        expected = (middle - half) / (1 + z**2 / size), (middle + half) / (1 + z**2 / size)
        assert share_interval(right.tolist(), [str(code) for code in codes]) == pytest.approx(expected)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.booleans(), max_size=60))
    def test_without_shared_scenarios_it_is_wilsons(self, right: list[bool]) -> None:
        assert share_interval(right, names(len(right))) == wilson_interval(sum(right), len(right))

    @settings(max_examples=80, deadline=None)
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=60))
    def test_it_holds_the_share_is_no_narrower_than_wilsons_and_turns_with_right_and_wrong(
        self, rows: list[tuple[bool, int]]
    ) -> None:
        right, clusters = [mark for mark, _ in rows], [str(code) for _, code in rows]
        low, high = share_interval(right, clusters)
        plain = wilson_interval(sum(right), len(right))
        assert 0 <= low <= sum(right) / len(right) + 1e-9
        assert sum(right) / len(right) - 1e-9 <= high <= 1
        assert low <= plain[0] + 1e-9
        assert high >= plain[1] - 1e-9
        turned = share_interval([not mark for mark in right], clusters)
        assert turned == pytest.approx((1 - high, 1 - low))

    def test_items_wholly_alike_count_as_their_scenarios(self) -> None:
        once = [True] * 30 + [False] * 20
        low, high = share_interval(once * 4, names(50) * 4)
        alone = wilson_interval(30, 50)
        assert (low, high) == pytest.approx(alone, abs=0.006)  # what is wider pays for the estimate of the effect
        assert (low, high) != pytest.approx(wilson_interval(120, 200), abs=0.05)

    def test_all_or_none_right_is_no_certainty_and_the_less_the_fewer_the_scenarios(self) -> None:
        many, few = (share_interval([True] * 30, [str(n % k) for n in range(30)]) for k in (15, 3))
        assert (many[1], few[1]) == pytest.approx((1, 1))
        assert few[0] < 0.7 < many[0] < wilson_interval(30, 30)[0]
        none = share_interval([False] * 30, [str(n % 3) for n in range(30)])
        assert none == pytest.approx((0, 1 - few[0]))

    def test_one_scenario_tells_of_no_other(self) -> None:
        assert share_interval([True, False, True], ["a"] * 3) == (0, 1)
        assert share_interval([True] * 9, ["a"] * 9) == (0, 1)

    def test_items_must_have_scenarios(self) -> None:
        with pytest.raises(ValueError, match="equally long"):
            share_interval([True, False], ["a"])


def test_items_of_one_scenario_are_no_gain_however_many() -> None:
    difference = paired_difference([False] * 30, [True] * 30, ["a"] * 30)
    assert (difference.delta, difference.low, difference.high, difference.p_value) == (1, -1, 1, 1)
    assert mean_score([0.5] * 9, ["a"] * 9).low == 0
    assert not paired_change([0.1] * 9, [0.9] * 9, ["a"] * 9).is_gain


def test_shares_of_items_posed_in_several_orders_are_compared_as_they_are() -> None:
    before, after = [0.25, 0.5, 1.0, 0.0, 0.75] * 6, [0.5, 0.5, 0.75, 0.25, 1.0] * 6
    difference = paired_difference(before, after, names(30))
    change = paired_change(before, after, names(30))
    assert (difference.delta, difference.low, difference.high) == (change.delta, change.low, change.high)
    assert (difference.gained, difference.lost) == (18, 6)
    assert difference.p_value == pytest.approx(2 * (24 + 276 + 2024 + 10626 + 42504 + 134596 + 1) / 2**24)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_equal_readings_differ_by_nothing(marks: list[bool]) -> None:
    difference = paired_difference(marks, marks, names(len(marks)))
    assert (difference.delta, difference.low, difference.high, difference.p_value) == (0, 0, 0, 1)
    assert not difference.is_gain


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_sign_follows_the_change_and_turns_with_the_order(pairs: list[tuple[bool, bool]]) -> None:
    before, after = [b for b, _ in pairs], [a for _, a in pairs]
    forth = paired_difference(before, after, names(len(pairs)))
    back = paired_difference(after, before, names(len(pairs)))
    assert forth.delta == pytest.approx((sum(after) - sum(before)) / len(pairs))
    assert (forth.gained - forth.lost) == sum(after) - sum(before)
    assert (back.gained, back.lost) == (forth.lost, forth.gained)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert forth.low - 1e-9 <= forth.delta <= forth.high + 1e-9


def test_a_gain_on_most_items_is_a_gain_and_its_mirror_is_none() -> None:
    before, after = [False] * 40, [True] * 30 + [False] * 10
    assert paired_difference(before, after, names(40)).is_gain
    worse = paired_difference(after, before, names(40))
    assert worse.high < 0
    assert not worse.is_gain


def test_the_p_value_is_exact_mcnemar() -> None:
    before = [False] * 9 + [True] * 1 + [True] * 20
    after = [True] * 9 + [False] * 1 + [True] * 20
    difference = paired_difference(before, after, names(30))
    assert (difference.gained, difference.lost) == (9, 1)
    assert difference.p_value == pytest.approx(2 * (1 + 10) / 2**10)


def test_copied_rows_of_one_scenario_add_no_certainty() -> None:
    rng = np.random.default_rng(1)
    before = [bool(x) for x in rng.random(40) < 0.4]
    after = [bool(x) for x in rng.random(40) < 0.6]
    single = paired_difference(before, after, names(40))
    clustered = paired_difference(before * 5, after * 5, names(40) * 5)
    pretended = paired_difference(before * 5, after * 5, names(200))
    assert (clustered.low, clustered.high) == pytest.approx((single.low, single.high))
    assert clustered.high - clustered.low > 1.8 * (pretended.high - pretended.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    before, after = [True, False] * 20, [True, True, False, False] * 10
    assert paired_difference(before, after, names(40), seed=5) == paired_difference(before, after, names(40), seed=5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    simulations, n, truth, covered = 200, 150, 0.6 - 0.45, 0
    for _ in range(simulations):
        luck = rng.random(n)  # shared by both readings, so that they are paired
        before, after = luck < 0.45, np.where(rng.random(n) < 0.5, luck, rng.random(n)) < 0.6
        difference = paired_difference(before.tolist(), after.tolist(), names(n))
        covered += difference.low <= truth <= difference.high
    assert 0.92 <= covered / simulations <= 0.98


@pytest.mark.parametrize(
    ("before", "after", "clusters"),
    [([], [], []), ([True], [True, False], ["a"]), ([True], [True], ["a", "b"]), ([True, True], [True], ["a", "b"])],
)
def test_unequal_or_empty_readings_are_refused(before: list[bool], after: list[bool], clusters: list[str]) -> None:
    with pytest.raises(ValueError, match="equally long and not empty"):
        paired_difference(before, after, clusters)


scores = st.lists(st.floats(0, 1), min_size=2, max_size=30)


@settings(max_examples=25, deadline=None)
@given(scores)
def test_a_mean_of_scores_lies_within_its_interval_and_the_interval_within_the_scores(found: list[float]) -> None:
    change = mean_score(found, names(len(found)))
    assert change.delta == pytest.approx(float(np.mean(found)))
    assert min(found) - 1e-9 <= change.low <= change.high <= max(found) + 1e-9
    assert change.low - 0.05 <= change.delta <= change.high + 0.05


def test_scores_that_all_rose_are_a_gain_and_their_mirror_is_none() -> None:
    low, high = [0.1 * (n % 5) for n in range(30)], [0.1 * (n % 5) + 0.3 for n in range(30)]
    gain, loss = paired_change(low, high, names(30)), paired_change(high, low, names(30))
    assert gain.is_gain
    assert not loss.is_gain
    assert (gain.delta, gain.low) == (pytest.approx(0.3), pytest.approx(0.3))
    assert (loss.delta, loss.high) == (pytest.approx(-0.3), pytest.approx(-0.3))


def test_scores_of_right_and_wrong_are_compared_as_marks_are() -> None:
    before, after = [n % 3 == 0 for n in range(60)], [n % 2 == 0 for n in range(60)]
    clusters = [str(n // 4) for n in range(60)]
    marks = paired_difference(before, after, clusters)
    change = paired_change([float(mark) for mark in before], [float(mark) for mark in after], clusters)
    assert (change.delta, change.low, change.high) == (marks.delta, marks.low, marks.high)


def test_copied_scores_of_one_cluster_add_no_certainty() -> None:
    values = [0.0, 1.0, 0.5, 0.2, 0.9, 0.4]
    once = mean_score(values, names(6))
    copied = mean_score([value for value in values for _ in range(10)], [name for name in names(6) for _ in range(10)])
    assert (copied.low, copied.high) == (pytest.approx(once.low, abs=0.02), pytest.approx(once.high, abs=0.02))


@pytest.mark.parametrize(
    ("before", "after", "clusters"), [([], [], []), ([0.5], [0.5, 1.0], ["a"]), ([0.5], [0.5], []), ([0.5], [], ["a"])]
)
def test_unequal_or_empty_scores_are_refused(before: list[float], after: list[float], clusters: list[str]) -> None:
    with pytest.raises(ValueError, match="must be equally long"):
        paired_change(before, after, clusters)
    if len(after) != len(clusters) or not after:
        with pytest.raises(ValueError, match="must be equally long and not empty"):
            mean_score(after, clusters)
