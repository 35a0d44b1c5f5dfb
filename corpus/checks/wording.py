"""Content words and sentences, by which two texts are compared without a model."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENDING = re.compile(r"(?:['’]s|ing|ied|ies|ed|es|ly|s|e|y)$")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"”’)]))\s+(?=[\"“‘(]?[^\W\d_a-z])")
_FUNCTION_WORDS = """
a about after again against all along already also although always am an and another any anybody anyone anything are
aren't around as at away back be because become been before being between both but by can can't cannot come comes
could couldn't did didn't do does doesn't doing don't done down each either else enough even ever every everybody
everyone everything for from further get gets give given gives go goes going got had hadn't has hasn't have haven't
having he he's her here hers herself him himself his how however i i'm if in instead into is isn't it it's its
itself just keep less let like made make makes making many may me might more most much must my myself near need
needs never no nobody none nor not nothing now of off on once one only or other others our ours out over own part
person quite rather really said same say says see seem seems she should since so some somebody someone something
still such take takes than that that's the their theirs them themselves then there therefore these they thing things
this those though through thus to together too toward towards under until up upon us very was wasn't way we well
were weren't what when where whether which while who whole whom whose why will with within without won't would
wouldn't yet you your yours yourself answer answers because best choice choices correct emotion emotions explanation
feel feeling feelings feels felt happen happened happens key option options reader reason response right scenario
sentence situation story wrong
"""
_LEFT_OUT = frozenset(_FUNCTION_WORDS.split())


def content_words(text: str) -> set[str]:
    """Return the stems of the words that carry meaning; function words, and those of talk about items, are left out."""
    words = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    return {_stem(word) for word in words if word not in _LEFT_OUT and len(word) > 2}


def plain(text: str) -> str:
    """Return the words of a text in lower case, one space between them and at both ends: for a look for a quotation."""
    words = re.findall(r"[\w']+", text.lower().replace("’", "'"))
    return " ".join(("", *filter(None, (word.strip("'") for word in words)), ""))


def split_sentences(text: str) -> list[str]:
    """Split a text where a sentence mark is followed by a capital; a quotation's mark belongs to its sentence."""
    return [part for part in (part.strip() for part in _SENTENCE_END.split(text)) if part]


def _stem(word: str) -> str:
    """Cut a common ending, so that most forms of one word agree: enough for counting shared words, not a lemma."""
    if len(word) < 5:
        return word.removesuffix("'s")
    stem = _ENDING.sub("", word.removesuffix("'s"))
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
