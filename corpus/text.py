"""Text on one line."""

from __future__ import annotations

MAX_REASON = 300  # characters of a foreign error that a message quotes


def one_line(text: str) -> str:
    """Return the text with every run of white space, line breaks included, as one space."""
    return " ".join(text.split())


def reason_of(error: Exception) -> str:
    """Return what an error of a library says, on one line and not too long."""
    return one_line(str(error))[:MAX_REASON]
