from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eval.orders import OrderScore, Posed, score_orders, share_by_item, vote
from eval.statistics import mean_score, paired_difference, share_interval


def pose(rows: dict[str, list[tuple[int | None, int]]]) -> list[Posed]:
    """(pick, key) per order of each item; every item is a scenario of its own."""
    return [
        Posed(item, f"scenario of {item}", order, (pick,), (key,))
        for item, row in rows.items()
        for order, (pick, key) in enumerate(row)
    ]


class TestOneQuestion:
    # Key at position 0 twice (found twice), at 1 twice (found once), at 2 twice (never found), at 3 never.
    ROWS = pose({"a": [(0, 0), (1, 1)], "b": [(0, 0), (None, 2)], "c": [(0, 1), (3, 2)]})

    @pytest.fixture
    def score(self) -> OrderScore:
        return score_orders(self.ROWS)

    def test_the_mean_is_over_orders_and_the_share_right_in_all_is_smaller(self, score: OrderScore) -> None:
        assert score.n == 3
        assert score.by_order == pytest.approx((2 / 3, 1 / 3))
        assert score.mean == pytest.approx(1 / 2)
        assert score.all_right == pytest.approx(1 / 3)

    def test_recall_is_told_by_position_of_the_key_and_spreads_as_numpy_says(self, score: OrderScore) -> None:
        (question,) = score.questions
        assert question.keys == (2, 2, 2, 0)
        assert question.picked == (3, 1, 0, 1)
        assert question.recalls == (1, 0.5, 0, None)
        assert question.spread == pytest.approx(np.std([1, 0.5, 0]))

    def test_the_interval_resamples_scenarios(self, score: OrderScore) -> None:
        means = mean_score([1, 0.5, 0], ["scenario of a", "scenario of b", "scenario of c"])
        assert score.interval == (means.low, means.high)

    def test_the_order_of_rows_changes_nothing(self, score: OrderScore) -> None:
        swapped = score_orders(sorted(self.ROWS, key=lambda row: (row.item, -row.order)))
        assert swapped == score

    def test_it_can_be_stored_and_read(self, score: OrderScore) -> None:
        assert OrderScore.model_validate_json(score.model_dump_json()) == score
        with pytest.raises(ValidationError):
            OrderScore.model_validate(score.model_dump() | {"extra": 1})


def test_an_item_of_two_questions_is_right_when_both_are_and_each_has_its_own_positions() -> None:
    rows = [
        Posed("a", "s", 0, (1, 0), (1, 0)),
        Posed("a", "s", 1, (0, 2), (0, 1)),
        Posed("b", "t", 0, (1, 2), (0, 2)),
        Posed("b", "t", 1, (1, 1), (1, 1)),
    ]
    score = score_orders(rows)
    assert (score.by_order, score.mean, score.all_right) == ((0.5, 0.5), 0.5, 0)
    emotion, cause = score.questions
    assert (emotion.keys, emotion.recalls, emotion.spread) == ((2, 2), (0.5, 1), 0.25)
    assert (cause.keys, cause.recalls) == ((1, 2, 1), (1, 0.5, 1))
    assert cause.spread == pytest.approx(np.std([1, 0.5, 1]))


def test_who_always_takes_the_first_option_has_the_widest_spread() -> None:
    always_first = pose({str(item): [(0, (item + order) % 4) for order in range(4)] for item in range(20)})
    score = score_orders(always_first)
    assert (score.mean, score.all_right) == (0.25, 0)
    assert score.questions[0].recalls == (1, 0, 0, 0)
    assert score.questions[0].spread == pytest.approx(np.std([1, 0, 0, 0]))


def test_who_knows_has_no_spread_and_yet_no_certainty() -> None:
    score = score_orders(pose({str(item): [(key, key) for key in (item % 4, (item + 1) % 4)] for item in range(20)}))
    assert (score.mean, score.all_right, score.questions[0].spread) == (1, 1, 0)
    scenarios = [str(item) for item in range(20)]
    assert score.interval == share_interval([True] * 20, scenarios)
    assert score.interval[0] < 0.9


def test_a_key_that_never_moves_has_no_spread_to_tell() -> None:
    assert score_orders(pose({"a": [(1, 0)], "b": [(0, 0)]})).questions[0].spread is None


def test_answers_of_which_none_was_read_are_wrong() -> None:
    score = score_orders(pose({"a": [(None, 0), (None, 1)], "b": [(None, 1), (None, 0)]}))
    assert (score.mean, score.questions[0].picked, score.questions[0].spread) == (0, (0, 0), 0)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        pose({"a": [(0, 0), (0, 1)], "b": [(0, 0)]}),
        pose({"a": [(0, 0)]}) * 2,
        [*pose({"a": [(0, 0), (0, 1)], "b": [(0, 0)]}), *pose({"a": [(0, 0)]})],
    ],
    ids=["nothing", "an order is missing", "twice", "missing and twice"],
)
def test_items_that_were_not_posed_in_every_order_are_refused(rows: list[Posed]) -> None:
    with pytest.raises(ValueError, match="posed once in every order"):
        score_orders(rows)


answers = st.lists(st.lists(st.tuples(st.none() | st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=3))


@settings(max_examples=60, deadline=None)
@given(answers.filter(bool))
def test_the_figures_hold_together(found: list[list[tuple[int | None, int]]]) -> None:
    rows = pose({str(item): row for item, row in enumerate(found)})
    score, shares = score_orders(rows), share_by_item(rows)
    assert score.mean == pytest.approx(np.mean(score.by_order))
    assert score.mean == pytest.approx(np.mean(list(shares.values())))
    assert score.all_right <= min(score.by_order) + 1e-9
    assert score.interval[0] - 0.05 <= score.mean <= score.interval[1] + 0.05
    (question,) = score.questions
    assert sum(question.keys) == len(rows)
    assert sum(question.picked) == sum(row.picks != (None,) for row in rows)
    right = sum(keys * recall for keys, recall in zip(question.keys, question.recalls, strict=True) if recall)
    assert right == pytest.approx(score.mean * len(rows))


def test_two_examinees_are_compared_by_item_not_by_row() -> None:
    before = pose({str(item): [(1, 0)] * 4 for item in range(12)})
    after = pose({str(item): [(0 if item < 5 else 1, 0)] * 4 for item in range(12)})
    one, other = share_by_item(before), share_by_item(after)
    difference = paired_difference(list(one.values()), list(other.values()), list(one))
    assert (difference.gained, difference.lost) == (5, 0)
    assert difference.p_value == pytest.approx(2 / 2**5), "5 of 5 items, not 20 of 20 rows"


class TestVote:
    @pytest.mark.parametrize(
        ("samples", "picked"),
        [
            ([0, 1, 1, 2, 1], 1),
            ([2, 1, 1, 2, 0], 2),  # of equals the first
            ([None, None, None, None, 3], 3),  # what was read counts, however little
            ([None, 3, None, 0, 0], 0),
            ([None] * 5, None),
            ([2], 2),
        ],
    )
    def test_the_most_common_answer_that_was_read_stands(self, samples: list[int | None], picked: int | None) -> None:
        assert vote([(sample,) for sample in samples]) == (picked,)

    def test_each_question_is_voted_on_by_itself(self) -> None:
        assert vote([(0, 1), (0, 2), (1, 2), (None, 2), (0, None)]) == (0, 2)

    def test_the_score_is_the_mean_over_orders_of_the_share_right(self) -> None:
        right, wrong = [(0,), (0,), (0,), (1,), (None,)], [(1,), (1,), (0,), (2,), (None,)]
        samples = {("a", 0): right, ("a", 1): right, ("b", 0): right, ("b", 1): wrong}
        score = score_orders(
            Posed(item, item, order, vote(samples[item, order]), (0,)) for item, order in product("ab", (0, 1))
        )
        assert (score.by_order, score.mean, score.all_right) == ((1, 0.5), 0.75, 0.5)
