"""Agreement of people, against published examples and a second implementation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from corpus.human import HumanVerdict
from eval.agreement import Agreement, measure_agreement

# Krippendorff (2011), section A: two observers, ten units, nominal, binary.  α = 0.095.
MEG = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0)
OWEN = (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)


def labels(**people: Sequence[int | None]) -> list[HumanVerdict]:
    return [
        HumanVerdict(id=f"i{number:03}", annotator=name, label_right=None if value is None else bool(value))
        for name, values in people.items()
        for number, value in enumerate(values)
    ]


def on_label(**people: Sequence[int | None]) -> Agreement:
    return measure_agreement(labels(**people))[0]


def test_krippendorffs_own_example() -> None:
    # A third person who shares no item with the others makes the coefficient α and changes nothing in it.
    found = on_label(meg=MEG, owen=OWEN, una=[None] * 10 + [1])
    assert found.measure == "Krippendorff's α"
    assert found.value == pytest.approx(0.095, abs=0.0005)
    assert (found.items, found.raw) == (10, pytest.approx(0.6))


def test_cohens_kappa_of_two_who_answered_the_same_items() -> None:
    # Cohen's κ of the table 20 5 / 10 15 is 0.4, the standard example.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    found = on_label(anna=first, ben=second)
    assert found.measure == "Cohen's κ"
    assert found.value == pytest.approx(0.4)
    assert (found.items, found.raw, found.remark) == (50, pytest.approx(0.7), "")
    assert found.low is not None
    assert found.high is not None
    # The large-sample standard error of this κ is 0.127 (Fleiss, Cohen & Everitt 1969).
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(0.127, abs=0.012)
    assert found.low < 0.4 < found.high


@settings(max_examples=5, deadline=None)
@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=12))
def test_kappa_is_that_of_scikit_learn_and_no_figure_is_nan(pairs: list[tuple[bool, bool]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = on_label(anna=first, ben=second)
    if len({*first, *second}) == 1:
        assert (found.value, found.low, found.high) == (None, None, None)
        assert "undefined" in found.remark
    else:
        assert found.value == pytest.approx(cohen_kappa_score(first, second))
        assert found.low is not None
        assert found.high is not None
        assert -1 <= found.low <= found.high <= 1
    assert found.raw == pytest.approx(np.mean(np.array(first) == np.array(second)))


def test_gaps_make_it_krippendorffs_alpha_over_shared_items() -> None:
    found = on_label(anna=[1, 0, 1, 0, 1], ben=[1, 0, 0, None, 1])
    assert (found.measure, found.items, found.raw) == ("Krippendorff's α", 4, 0.75)


def test_raw_agreement_of_three_is_over_pairs() -> None:
    found = on_label(anna=[1, 1], ben=[1, 0], cleo=[1, 0])
    assert found.raw == pytest.approx((1 + 1 / 3) / 2)


def test_disagreements_name_who_said_what() -> None:
    found = on_label(anna=[1, 1, 0], ben=[1, 0, 0], cleo=[1, 0, None])
    (only,) = found.disagreements
    assert only.id == "i001"
    assert [(said.annotator, said.answer) for said in only.answers] == [("anna", True), ("ben", False), ("cleo", False)]


def test_cases_without_a_figure_are_said_in_words() -> None:
    nobody = measure_agreement(labels(anna=[1, 1]))[1]
    assert (nobody.remark, nobody.raw, nobody.items) == ("nobody answered", None, 0)
    alone = on_label(anna=[1, 1], ben=[None, None])
    assert (alone.annotators, alone.remark) == (("anna",), "no item was answered by two people")
    same = on_label(anna=[1, 1], ben=[1, 1], cleo=[1, None])
    assert (same.raw, same.value, same.low) == (1.0, None, None)
    assert same.remark == "undefined, for all answers are the same, and chance alone would agree as well"


def test_resamples_with_one_answer_only_are_left_out_and_counted() -> None:
    found = on_label(anna=[1, 1, 1, 0], ben=[1, 1, 1, 0])
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    share = int(found.remark.split()[2]) / 2000
    assert share == pytest.approx(0.75**4 + 0.25**4, abs=0.04)


def test_intervals_depend_on_the_seed_only() -> None:
    given_labels = labels(anna=MEG, ben=OWEN)
    assert measure_agreement(given_labels, 1) == measure_agreement(given_labels[::-1], 1)
    assert measure_agreement(given_labels, 1) != measure_agreement(given_labels, 2)
