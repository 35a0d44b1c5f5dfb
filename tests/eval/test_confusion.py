"""Of what kind a wrong emotion is, and how confusions are counted."""

from __future__ import annotations

import pytest

from eval.confusion import Kind, count_confusions, kind_of


@pytest.mark.parametrize(
    ("key", "picked", "kind"),
    [
        ("Joy", "Delight", "near-synonym"),
        ("Joy & Relief", "Relief & Delight", "near-synonym"),
        ("Relief & Guilt", "Relief", "half of a pair"),
        ("Relief & Guilt", "Remorse", "half of a pair"),
        ("Sadness", "Anger & Sadness", "half of a pair"),
        ("Relief & Guilt", "Relief & Anger", "half of a pair"),
        ("Pride", "Fear", "before the turn"),
        ("Pride", "Horror", "before the turn"),
        ("Pride", "Jealousy", "another person's"),
        ("Gratitude", "Admiration", "neighbour"),
        ("Admiration", "Gratitude", "neighbour"),
        ("Pride", "Boredom", "other"),
        ("骄傲", "无聊", "other"),
    ],
)
def test_a_wrong_emotion_is_of_the_first_kind_that_fits(key: str, picked: str, kind: Kind) -> None:
    assert kind_of(key, picked, before="Fear", others={"Jealousy", "Sadness"}) == kind


def test_what_nobody_says_counts_as_other() -> None:
    assert kind_of("Pride", "Fear") == kind_of("Pride", "Jealousy") == "other"


def test_the_most_common_confusion_stands_first() -> None:
    found = count_confusions(
        [
            ("Pride", "Fear", "other"), ("Joy", "Delight", "near-synonym"),
            ("Pride", "Fear", "before the turn"), ("Pride", "Fear", "before the turn"), ("Joy", "Anger", "other"),
        ]
    )  # fmt: skip
    assert [(one.key, one.picked, one.count, one.kinds) for one in found] == [
        ("Pride", "Fear", 3, {"before the turn": 2, "other": 1}),
        ("Joy", "Anger", 1, {"other": 1}), ("Joy", "Delight", 1, {"near-synonym": 1}),
    ]  # fmt: skip
