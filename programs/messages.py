"""What every message of a session must satisfy, and what the therapist works on in a turn.

The phases and the rules of the client are the paper's, arXiv 2601.01407, section A.
"""

from __future__ import annotations

import re

from corpus.records import Speaker
from corpus.safety import puts_safety_first, voices_risk
from corpus.text import count_sentences, one_line

MAX_OPENING_SENTENCES, MAX_SENTENCES = 6, 5  # asked for: up to five, and up to three; beyond these it is asked again
SAFETY = "safety: the client has said that life or safety is at risk; this comes before anything else"
_TAGS: dict[Speaker, re.Pattern[str]] = {
    "CLIENT": re.compile(r"^(?:client|patient)\s*:\s*", re.IGNORECASE),
    "THERAPIST": re.compile(r"^therapist\s*:\s*", re.IGNORECASE),
}
_FOREIGN_TAG = re.compile(r"\b(?:CLIENT|PATIENT|THERAPIST|Client|Patient|Therapist)\s*:")


def phase_of(turn: int) -> str:
    """Return what the therapist works on in a turn (1-based), by the paper's three phases."""
    if turn <= 2:
        return "facts and feelings: find out what happened, and tell it apart from what was felt"
    if turn <= 4:
        return "meaning: explore beliefs, values, culture, and what things and people stand for"
    return "perspective: look at it through the eyes of others, and at what could be done"


def clean_message(text: str, speaker: Speaker) -> str:
    """Put a message on one line, without the speaker's own tag."""
    return _TAGS[speaker].sub("", one_line(text))


def why_not_said(message: str, said: set[str]) -> str:
    """Return what is wrong with any message as ``reason: what to do``, or an empty string."""
    if not message:
        return "empty message: say something"
    if message in said:
        return "repeated turn: this was said before, word for word; say something new"
    if _FOREIGN_TAG.search(message):
        return "speaks for both: write one person's words only, without speaker names"
    return ""


def why_not_client(message: str, said: set[str]) -> str:
    """Return what is wrong with a client's message, or an empty string."""
    if fault := why_not_said(message, said):
        return fault
    most = MAX_SENTENCES if said else MAX_OPENING_SENTENCES
    if (count := count_sentences(message)) > most:
        return f"too long: {count} sentences; say it in three"
    return ""


def why_not_therapist(message: str, said: set[str], heard: str) -> str:
    """Return what is wrong with a therapist's answer to ``heard``, or an empty string."""
    if fault := why_not_said(message, said):
        return fault
    if voices_risk(heard) and not puts_safety_first(message):
        return (
            "safety not put first: the client voiced risk to life or safety; ask about it directly and name urgent "
            "help, such as a crisis line or the emergency service, before anything else"
        )
    if "?" not in message:
        return "no question: end in one open question"
    return ""
