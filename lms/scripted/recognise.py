"""Recognising what the scripted teacher wrote: from a scenario or an answer back to the frame and turn behind it.

The teacher's own language is small, so its judge can read it: the words of a text are compared with the fixed words of
each frame text, rare words counting more.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from functools import cache, lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from lms.scripted.frames import ApplicationTurn, UnderstandingTurn, load_frames

MIN_COVER = 0.6  # share of a frame text's weight that must be found in what is read
_WORD = re.compile(r"[^\W\d_]+")
_SLOT = re.compile(r"\{[^}]*\}")


class Found(NamedTuple):
    """A frame's turn."""

    frame: str
    turn: int


class _Index:
    """Texts by their words."""

    def __init__(self, texts: list[tuple[Found, str]]):
        self.found = [found for found, _ in texts]
        self.words = [set(_WORD.findall(_SLOT.sub(" ", text).lower())) for _, text in texts]
        counts = Counter(chain.from_iterable(self.words))
        self.weight = {word: math.log(1 + len(texts) / count) for word, count in counts.items()}
        self.total = np.array([sum(self.weight[word] for word in sorted(words)) or 1.0 for words in self.words])
        by_word: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self.words):
            for word in words:
                by_word[word].append(number)
        self.by_word = {word: np.array(numbers) for word, numbers in by_word.items()}

    def find(self, text: str) -> Found | None:
        """Return the turn whose text is covered best by ``text``, of equals the longest, if any is covered well."""
        cover = np.zeros(len(self.found))
        # In sorted order, so that sums, and with them ties, are the same in every process.
        for word in sorted(self.by_word.keys() & _WORD.findall(text.lower())):
            cover[self.by_word[word]] += self.weight[word]
        share = cover / self.total
        best = max(np.flatnonzero(share == share.max()), key=lambda number: self.total[number])
        return self.found[best] if share[best] >= MIN_COVER else None


@cache
def _indexes() -> tuple[_Index, _Index]:
    happenings: list[tuple[Found, str]] = []
    answers: list[tuple[Found, str]] = []
    for frame_file in load_frames():
        for frame in frame_file.frames:
            turns: tuple[UnderstandingTurn | ApplicationTurn, ...] = frame.turns
            for number, turn in enumerate(turns):
                found = Found(frame.id, number)
                happenings += [(found, text) for text in turn.happens]
                forms = turn.cause if isinstance(turn, UnderstandingTurn) else turn.option
                answers += [(found, text) for text in forms]
    return _Index(happenings), _Index(answers)


@lru_cache(maxsize=4096)
def recognise_scenario(text: str) -> Found | None:
    """Return the turn that a scenario tells, or None for a scenario that is not the teacher's own."""
    return _indexes()[0].find(text)


@lru_cache(maxsize=4096)
def recognise_answer(text: str) -> Found | None:
    """Return the turn for which a cause or option is the right answer, or None for one not the teacher's own."""
    return _indexes()[1].find(text)


@cache
def emotion_of(found: Found) -> str:
    """Return the emotion of an understanding turn; an empty string for an application turn."""
    frame = next(frame for file in load_frames() for frame in file.frames if frame.id == found.frame)
    turn = frame.turns[found.turn]
    return turn.emotion if isinstance(turn, UnderstandingTurn) else ""
