from __future__ import annotations

import pytest

from corpus.text import MAX_REASON, count_sentences, one_line, reason_of


def test_every_white_space_becomes_one_space() -> None:
    assert one_line("  a\n\tb \u2028 c\r\n") == "a b c"


def test_the_reason_of_a_long_error_is_one_short_line() -> None:
    reason = reason_of(ValueError("bad\n" * 500))
    assert reason.startswith("bad bad")
    assert len(reason) == MAX_REASON


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I left.", 1),
        ("I left", 1),
        ("I left. Why? No idea!", 3),
        ("I left … and came back.", 2),
        ("He said, “Stay.” I left.", 2),
        ('He said, "Stay." I left.', 2),
        ("It cost 3.50 at the door.", 1),
        ("Well... I left.", 2),
        ("“I came. I saw.” So it was!", 3),
        ("Well … he said so…", 2),
        ("", 1),
    ],
)
def test_sentences_are_counted_by_their_ends(text: str, count: int) -> None:
    assert count_sentences(text) == count
