from __future__ import annotations

from corpus.text import MAX_REASON, one_line, reason_of


def test_every_white_space_becomes_one_space() -> None:
    assert one_line("  a\n\tb \u2028 c\r\n") == "a b c"


def test_the_reason_of_a_long_error_is_one_short_line() -> None:
    reason = reason_of(ValueError("bad\n" * 500))
    assert reason.startswith("bad bad")
    assert len(reason) == MAX_REASON
