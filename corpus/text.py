"""Text on one line, and its sentences."""

from __future__ import annotations

import re

MAX_REASON = 300  # characters of a foreign error that a message quotes
_SENTENCE_END = re.compile(r"[.!?…][\"”’]?(?=\s|$)")


def one_line(text: str) -> str:
    """Return the text with every run of white space, line breaks included, as one space."""
    return " ".join(text.split())


def count_sentences(text: str) -> int:
    """Count the sentences of a text, at least one."""
    return max(1, len(_SENTENCE_END.findall(text)))


def reason_of(error: Exception) -> str:
    """Return what an error of a library says, on one line and not too long."""
    return one_line(str(error))[:MAX_REASON]
