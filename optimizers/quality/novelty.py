"""Whether a text is new: no near-duplicate of one that exists, nor of a demonstration that the writer had before it.

Without this an optimizer would profit from demonstrations that are copied, and a set of items from few situations.
Texts are compared as `corpus.duplicates` compares them, by letters and by words in common; here one text is held
against all others at once, and no sketch is needed for that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import LCSseq, Levenshtein

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Twin:
    """A known text that says nearly the same, and how alike the two are, in percent."""

    text: str
    similarity: float


class KnownTexts:
    """Texts that are known, of which a new one is to be no near-duplicate.

    Args:
        texts: what exists already.
        threshold: similarity (0-100) from which two texts are near-duplicates, as in `corpus.duplicates`.
    """

    def __init__(self, texts: Sequence[str], threshold: float):
        self.texts, self.threshold = tuple(texts), threshold
        words = [_WORD.findall(text.lower()) for text in self.texts]
        self._letters, self._sorted = [" ".join(found) for found in words], [sorted(found) for found in words]

    def find_twin(self, text: str) -> Twin | None:
        """Return the known text that is most like ``text``, if it is a near-duplicate."""
        words, cutoff = _WORD.findall(text.lower()), self.threshold / 100
        by_letters = process.extractOne(
            " ".join(words), self._letters, scorer=Levenshtein.normalized_similarity, score_cutoff=cutoff
        )
        by_words = process.extractOne(
            sorted(words), self._sorted, scorer=LCSseq.normalized_similarity, score_cutoff=cutoff
        )
        found = max(filter(None, (by_letters, by_words)), key=lambda match: match[1], default=None)
        return Twin(self.texts[found[2]], 100 * found[1]) if found else None
