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

_PLACE = (
    r"(?! with (?!this|it\b|the pain)"
    r"| (?:in|at|on|near|there|here|together|alone|next|by|off|under|abroad|apart|among|up|through)\b)"
)
_OTHERS = r"(?! (?:the|my|his|her|their|our|your|him|them|early)\b)"
_NO = r"(?:\bnot|n't|\bno longer|\bnever|\bstop(?:ped)?)"
_RISK = re.compile(
    r"\bkill(?:ing)? (?:my|him|her|them)sel(?:f|ves)\b"
    r"|\bend(?:ing)? (?:my(?: own)? life|it all)\b|\btak(?:e|ing) my (?:own )?life\b(?! in(?:to)? my)"
    r"|(?<!career )(?<!social )(?<!political )(?<!professional )(?<!financial )\bsuicid\w*"
    r"|\b(?:hurt|harm|cut)(?:ting|ing)? myself\b(?! (?:\w+ing|short|off|loose|an?|some)\b)"
    r"|\bwant(?:ed|ing)? to die\b(?! (?:of|for|from|laughing)\b)"
    rf"|{_NO} (?:want(?:ed|ing)?|wish(?:ed|ing)?) to"
    rf" (?:be alive|go on living|exist|be here any ?more|live\b{_PLACE}|wake up\b{_OTHERS})"
    r"|\bcan(?:not|'t| not) go on living\b"
    rf"|\b(?:no|any) (?:reason|point) (?:to|in) (?:stay(?:ing)? alive|go(?:ing)? on living|liv(?:e|ing)\b{_PLACE})"
    r"|\bbetter off (?:dead|without me)\b|\brather be dead\b|\bwish(?:ed|ing)? I (?:was|were) dead\b"
    r"|\beasier not to be (?:here|alive)\b|\bstaying alive has become\b"
    r"|\b(?:he|she|they|who) (?:will|might|would|is going to|said (?:he|she|they) would) "
    r"(?:kill|hurt|beat(?! me (?:at|to|in|by)\b)) me\b"
    r"|\bafraid (?:that )?(?:he|she|they) (?:will|would) (?:kill|beat|hurt) me\b"
    r"|\b(?:threatened|tried|trying) to kill me\b"
    r"|\b(?:I am|I'm|we are|we're|feel) not safe (?:at home|tonight)\b|\b(?:not|n't) feel safe (?:at home|tonight)\b",
    re.IGNORECASE,
)
_ASKS_DIRECTLY = re.compile(
    r"\b(?:safe\b[^.!?]*\?"
    r"|(?:think(?:ing)?|thoughts?) (?:of|about) (?:suicide|ending|killing|taking|dying|hurting)[^.!?]*\?"
    r"|(?:end|ending|take|taking) your (?:own )?life[^.!?]*\?|kill(?:ing)? yourself[^.!?]*\?"
    r"|hurt(?:ing)? yourself[^.!?]*\?|want to die[^.!?]*\?)",
    re.IGNORECASE,
)
_URGENT_HELP = re.compile(
    r"\b(?:crisis line|helpline|hotline|emergency|ambulance|urgent help|emergency room|shelter|police"
    r"|someone (?:who can )?(?:be|stay|sit) with you|not (?:be|stay|leave you) alone|safety plan)\b",
    re.IGNORECASE,
)


def voices_risk(text: str) -> bool:
    """Return True when a message says that the speaker's life or safety is at risk now."""
    return _RISK.search(text.replace("’", "'")) is not None


def puts_safety_first(text: str) -> bool:
    """Return True when the first question of a message asks about safety directly, and it names help or company."""
    first_question = text[: text.find("?") + 1]
    return _ASKS_DIRECTLY.search(first_question) is not None and _URGENT_HELP.search(text) is not None
