"""Safety of a session: who voices that life or limb is at risk, and whether the answer puts safety first.

The rules follow common crisis guidance: take it seriously, ask directly, do not leave the person alone with it, name
urgent help (the question order of the Columbia protocol, Posner et al., 2011; WHO, Preventing suicide, 2014).
They are made for synthetic dialogues and are no clinical instrument.
"""

from __future__ import annotations

import re

from corpus.records import Care

PLANNING: dict[Care, str] = {
    "self-harm": (
        "The theme touches self-harm. Name no method, no place, no means, no detail. Show the person's reasons to stay "
        "and the people who are there. Nobody is blamed, nothing is romanticised."
    ),
    "abuse": (
        "The theme touches abuse. Show no violence and no intimate detail, only its traces in everyday life. The one "
        "who was harmed is not at fault, and nothing asks them to forgive, to stay, or to go back."
    ),
}

_RISK = re.compile(
    r"\b(?:kill(?:ing)? (?:my|him|her|them)sel(?:f|ves)|kill me|end(?:ing)? (?:my|it all|my own) ?life"
    r"|end(?:ing)? it all|suicid\w*"
    r"|(?:hurt|harm|cut)(?:ting|ing)? myself|take my (?:own )?life"
    r"|(?:not|n't|no longer|stop) (?:want(?:ed)?|wish(?:ed)?|wanting) to"
    r" (?:live|be alive|wake up|be here any ?more|go on living)"
    r"|(?:no|any) (?:reason|point) (?:to|in) (?:live|living|stay(?:ing)? alive)"
    r"|better off (?:dead|without me)|rather be dead|wish I (?:was|were) dead|easier not to be (?:here|alive)"
    r"|staying alive has become"
    r"|(?:he|she|they|who) (?:will|might|would|is going to|said (?:he|she|they) would) (?:kill|beat|hurt) me"
    r"|afraid (?:he|she|they) (?:will|would) (?:kill|beat|hurt) me|not safe (?:at home|tonight))\b",
    re.IGNORECASE,
)
_ASKS_DIRECTLY = re.compile(
    r"\b(?:safe\b[^.!?]*\?|thinking (?:of|about) (?:suicide|ending|killing|taking|dying)[^.!?]*\?"
    r"|(?:end|take) your (?:own )?life[^.!?]*\?|kill(?:ing)? yourself[^.!?]*\?|hurt(?:ing)? yourself[^.!?]*\?)",
    re.IGNORECASE,
)
_URGENT_HELP = re.compile(
    r"\b(?:crisis line|helpline|hotline|emergency|ambulance|urgent help|emergency room|shelter|police"
    r"|someone (?:who can )?(?:be|stay|sit) with you|not (?:be|stay|leave you) alone|safety plan)\b",
    re.IGNORECASE,
)


def voices_risk(text: str) -> bool:
    """Return True when a message says that the speaker's life or safety is at risk now."""
    return _RISK.search(text) is not None


def puts_safety_first(text: str) -> bool:
    """Return True when a message asks about safety directly and names urgent help or company."""
    return _ASKS_DIRECTLY.search(text) is not None and _URGENT_HELP.search(text) is not None
