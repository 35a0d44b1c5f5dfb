"""Exact and near duplicates among scenarios, found without comparing all pairs.

MinHash sketches of word pairs are cut into bands (locality-sensitive hashing); only texts that share a band are
compared.  A pair of texts is confirmed by the Levenshtein similarity of the two or, since that is blind to sentences in
another order, by the share of their words in common.

Broder (1997), "On the resemblance and containment of documents"; Leskovec, Rajaraman & Ullman, "Mining of Massive
Datasets", chapter 3.  What it finds and what it costs is measured by benchmarks/near_duplicates.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from zlib import crc32

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import LCSseq, Levenshtein

from corpus.embeddings import Encoder, nearest

Reason = Literal["exact duplicate", "near duplicate", "same meaning"]

PERMUTATIONS = 128
# Threshold from which a band has so many rows.  Of two scenarios that are 85% alike every sixth word differs: then the
# Jaccard index of their word pairs is about 0.5, and they are compared in 996 of 1,000 cases; two tellings of one
# situation, at 0.2, in one case of three; texts about other things hardly ever.  Below 70, pairs begin to be missed.
ROWS = ((90.0, 4), (80.0, 3), (0.0, 2))
# Cosine from which texts mean the same.  With all-MiniLM-L6-v2 no two of 2,750 scenarios of the scripted teacher come
# nearer than 0.93, although many tell the same situation.
SAME_MEANING = 0.95
ENCODED = 256  # texts whose meanings are compared in one matrix product
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Duplicate:
    """Which kept text is repeated, in what way, and how alike the two are: in percent, for a meaning 100 × cosine.

    Where the text that is repeated repeats a third one in a way that is looked for later, ``kept`` is the third.
    ``seen`` says that it is one of the texts seen before.
    """

    kept: str
    reason: Reason
    similarity: float
    seen: bool = False


@dataclass(frozen=True)
class Duplicates:
    """The mark of every text that repeats an earlier one, by ID, and how many comparisons of two texts it took.

    A pair that is compared by letters and by words counts twice; comparisons of meaning are not counted.
    """

    marks: dict[str, Duplicate]
    comparisons: int


@dataclass(frozen=True)
class _Link:
    """From a text to an earlier one, both by their place in the input."""

    earlier: int
    reason: Reason
    similarity: float


def find_duplicates(
    texts: Iterable[tuple[str, str]],
    threshold: float,
    encoder: Encoder | None = None,
    seen: Iterable[tuple[str, str]] = (),
) -> Duplicates:
    """Mark every text that repeats an earlier one, or one seen before; of two alike the earlier is kept.

    Texts are compared in lower case, as words with single spaces: whether they are equal, then by letters, by words
    in common, and by meaning, each among those that the former left.  The result depends on the arguments alone.

    Args:
        texts: (ID, text) pairs; IDs are unique.
        threshold: similarity (0-100) from which two texts are near duplicates: 100 × (1 - Levenshtein distance /
            length of the longer text), or 100 × words in common / words of the longer text.
        encoder: compares meanings too, with cosine SAME_MEANING; it takes most of the time.
        seen: (ID, text) pairs that count as earlier than all texts and are never marked themselves, however much they
            are alike; their IDs may be those of texts.

    Returns:
        The marks in the order of the texts.  Each names a text that is kept, or one seen before.
    """
    pairs = list(seen)
    old = len(pairs)
    pairs += texts
    words = [_WORD.findall(text.lower()) for _, text in pairs]
    letters = [" ".join(text) for text in words]
    links = _link_equal(letters, old)
    near = _NearTexts(words, old, next(rows for least, rows in ROWS if threshold >= least))
    near.link(links, letters, Levenshtein.normalized_similarity, threshold)
    # The longest common subsequence of two sorted sequences is what they have in common.
    near.link(links, [sorted(text) for text in words], LCSseq.normalized_similarity, threshold)
    if encoder:
        rest = _others(pairs, links)
        links |= _link_meanings(rest, old, encoder.encode([pairs[index][1] for index in rest]))
    marks: dict[str, Duplicate] = {}
    kept: dict[int, int] = {}
    for index, link in sorted(links.items()):
        # If the earlier one is marked itself, it is in ``kept`` already.
        first = kept[index] = kept.get(link.earlier, link.earlier)
        marks[pairs[index][0]] = Duplicate(pairs[first][0], link.reason, link.similarity, first < old)
    return Duplicates(marks, near.comparisons)


def _others(texts: Sequence[object], links: dict[int, _Link]) -> list[int]:
    return [index for index in range(len(texts)) if index not in links]


def _link_equal(texts: Sequence[str], old: int) -> dict[int, _Link]:
    first: dict[str, int] = {}
    links = {}
    for index, text in enumerate(texts):
        if (earlier := first.setdefault(text, index)) != index >= old:
            links[index] = _Link(earlier, "exact duplicate", 100.0)
    return links


class _NearTexts:
    """Texts by their sketches: which earlier ones are worth comparing with a text, and how many were compared.

    The first ``old`` texts are compared with, and never linked.
    """

    def __init__(self, texts: Sequence[Sequence[str]], old: int, rows: int):
        self.comparisons = 0
        self._old = old
        self._lsh = MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS // rows, rows))
        self._sketches = MinHash.bulk(map(_shingles, texts), num_perm=PERMUTATIONS, seed=1, hashfunc=crc32)
        for index in range(old):
            self._lsh.insert(index, self._sketches[index], check_duplication=False)
        self._known = old  # texts that were looked at, and are in the index unless they were linked

    def link(
        self,
        links: dict[int, _Link],
        texts: Sequence[Sequence[Hashable]],
        scorer: Callable[..., float],
        threshold: float,
    ) -> None:
        """Add to ``links`` each text that is like earlier ones without a link: to the most similar, first of equals."""
        for index in _others(texts, links)[self._old :]:
            alike = sorted(self._lsh.query(self._sketches[index]))
            candidates = [other for other in alike if other < index and other not in links]
            self.comparisons += len(candidates)
            found = process.extractOne(
                texts[index], [texts[other] for other in candidates], scorer=scorer, score_cutoff=threshold / 100
            )
            if found:
                links[index] = _Link(candidates[found[2]], "near duplicate", 100 * found[1])
            elif index >= self._known:
                self._lsh.insert(index, self._sketches[index], check_duplication=False)
        self._known = len(texts)


def _shingles(words: Sequence[str]) -> list[bytes]:
    """The pairs of neighbouring words of a text, its two ends included."""
    return [f"{one} {two}".encode() for one, two in pairwise(("", *words, ""))]


def _link_meanings(indices: Sequence[int], old: int, vectors: NDArray[np.float32]) -> dict[int, _Link]:
    """Link a text to the nearest one of those not linked, from SAME_MEANING; ``vectors`` has a row per index.

    The first ``old`` rows are never linked.
    """
    links: dict[int, _Link] = {}
    unlinked: list[int] = []  # rows
    for start in range(0, len(vectors), ENCODED):
        block = vectors[start : start + ENCODED]
        before = len(unlinked)
        earlier, within = nearest(block, vectors[unlinked], 1), block @ block.T
        for offset, row in enumerate(range(start, start + len(block))):
            rivals = [(float(within[offset, other - start]), other) for other in unlinked[before:]]
            if before:
                rivals.append((float(earlier.similarities[offset, 0]), unlinked[earlier.indices[offset, 0]]))
            cosine, other = max(rivals, key=lambda rival: (rival[0], -rival[1]), default=(0.0, 0))
            if cosine >= SAME_MEANING and row >= old:
                links[indices[row]] = _Link(indices[other], "same meaning", 100 * cosine)
            else:
                unlinked.append(row)
    return links
