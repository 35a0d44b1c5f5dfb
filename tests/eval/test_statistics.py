from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.statistics import mean_score, paired_change, paired_difference, wilson_interval


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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
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


scores = st.lists(st.floats(0, 1), min_size=1, max_size=30)


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
