"""Whether a scenario says what is felt: the lexicon of the taxonomy, read with negation, names, and speech in mind.

What does not count: a phrase in which the word means something else (``relief map``; the taxonomy lists them); a
proper name or title (``Joy``, ``Pride and Prejudice``); an emotion that is plainly denied (``was not angry``, ``no
sign of fear``), which leaves open what is felt instead; and in quoted speech any emotion but the key's, since irony,
bluffs, and white lies are told by words that do not hold.  What counts in spite of a negation: ``nothing but anger``,
``could not hide her joy``, ``never been so proud``, ``not only annoyed``, ``could not have been happier``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from corpus.taxonomy import match_emotion_words, match_words_of

REACH = 5  # words between a negation and the emotion that it denies, at most

_CLAUSE_START = re.compile(
    r"[.,;:!?…—–()“”\"\n]|\b(?:although|because|but|though|until|when|where|which|while|who|yet)\b", re.IGNORECASE
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|nobody|none|nothing|nor|neither|without|cannot|hardly|barely|scarcely|seldom|rarely"
    r"|\w+n['’]t|far from|free of|instead of|rather than|anything but)\b",
    re.IGNORECASE,
)
_AFFIRMS = re.compile(  # between negation and emotion: the emotion is there after all
    r"\b(?:but|except|besides|only|just|merely|simply|solely|so|more|such|less|little|help|hid\w*|conceal\w*|mask\w*"
    r"|contain\w*|control\w*|suppress\w*|stop\w*|resist\w*|deny|den(?:y|ied)|without|from|enough)\b",
    re.IGNORECASE,
)
_OWNED = re.compile(r"\b(?:my|your|his|her|its|our|their|\w+['’]s)\s+(?:\w+\s+)?$", re.IGNORECASE)  # his anger is there
_SENTENCE_START = re.compile(r"(?:^|[.!?…:\n][”’\"')]*\s|[“\"(])\s*$")
_SPEECH = re.compile(r"“[^”]*”|\"[^\"]*\"")


def find_named_emotions(scenario: str, label: str, names: Iterable[str] = ()) -> list[str]:
    """Return the words by which a scenario names an emotion, in order.

    Args:
        scenario: the scenario.
        label: the key; its own words count too, and in quoted speech nothing but its words.
        names: names of the people in the scenario, which may be words of emotions.
    """
    spoken = [found.span() for found in _SPEECH.finditer(scenario)]
    of_key = {found.start() for found in match_words_of(scenario, label)}
    people = {part for name in names for part in name.split()}
    return [
        found.group()
        for found in match_emotion_words(scenario, label)
        if (found.start() in of_key or not any(start < found.start() < end for start, end in spoken))
        and not _is_proper(scenario, found, people)
        and not _is_denied(scenario[: found.start()], found.group())
    ]


def _is_proper(text: str, found: re.Match[str], people: set[str]) -> bool:
    word = found.group()
    if not word[0].isupper() or (word.isupper() and len(word) > 1):  # FURIOUS is shouted, not a name
        return False
    return word in people or not _SENTENCE_START.search(text[: found.start()])


def _is_denied(before: str, word: str) -> bool:
    clause = before[max((found.end() for found in _CLAUSE_START.finditer(before)), default=0) :]
    exception = re.search(r"\b(?:nothing|nobody|none|no \w+) (?:\w+ )?but\b[\w\s]*$", before, re.IGNORECASE)
    denials = [found for found in _NEGATION.finditer(clause) if len(clause[found.end() :].split()) <= REACH]
    if exception or not denials or _OWNED.search(clause):
        return False
    reach = clause[denials[0].end() :]
    compared = word.lower().endswith("er") and re.search(r"(?:\bnever|\bnot|n['’]t)\b", clause)  # never been happier
    return not _AFFIRMS.search(reach) and not compared
