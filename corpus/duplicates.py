"""Exact and near duplicates among scenarios, found without comparing all pairs.

MinHash sketches of word pairs are cut into bands (locality-sensitive hashing); only texts that share a band are
compared.  A pair of texts is confirmed by the Levenshtein similarity of the two or, since that is blind to sentences in
another order, by the share of their words in common.  Sketches are made for many texts at once: datasketch makes them
one by one, which takes several times as long.

Broder (1997), "On the resemblance and containment of documents"; Leskovec, Rajaraman & Ullman, "Mining of Massive
Datasets", chapter 3.  What it finds and what it costs is measured by benchmarks/near_duplicates.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal
from zlib import crc32

import numpy as np
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
SKETCHED, ENCODED = 512, 256  # texts of a block: sketches of one stay in the processor's cache
_WORD = re.compile(r"\w+")
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: mixes what is multiplied by it
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Duplicate:
    """Which kept text is repeated, in what way, and how alike the two are: in percent, for a meaning 100 × cosine.

    Where the text that is repeated repeats a third one in a way that is looked for later, ``kept`` is the third.
    """

    kept: str
    reason: Reason
    similarity: float


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


@dataclass(frozen=True)
class _Linked:
    links: dict[int, _Link]
    comparisons: int


def find_duplicates(texts: Iterable[tuple[str, str]], threshold: float, encoder: Encoder | None = None) -> Duplicates:
    """Mark every text that repeats an earlier one; of two alike the earlier is kept.

    Texts are compared in lower case, as words with single spaces: whether they are equal, then by letters, by words
    in common, and by meaning, each among those that the former left.  The result depends on the arguments alone.

    Args:
        texts: (ID, text) pairs; IDs are unique.
        threshold: similarity (0-100) from which two texts are near duplicates: 100 × (1 - Levenshtein distance /
            length of the longer text), or 100 × words in common / words of the longer text.
        encoder: compares meanings too, with cosine SAME_MEANING; it takes most of the time.

    Returns:
        The marks in the order of the texts.  Each names a text that is kept.
    """
    pairs = list(texts)
    words = [_WORD.findall(text.lower()) for _, text in pairs]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(word for text in words for word in text))}
    numbers = [[vocabulary[word] for word in text] for text in words]
    groups = _group(_sketch(numbers, vocabulary), next(rows for least, rows in ROWS if threshold >= least))
    letters = [" ".join(text) for text in words]
    links = _link_equal(letters)
    by_letters = _link_near(_others(pairs, links), groups, letters, Levenshtein.normalized_similarity, threshold)
    links |= by_letters.links
    # The longest common subsequence of two sorted sequences is what they have in common.
    ordered = [sorted(text) for text in numbers]
    by_words = _link_near(_others(pairs, links), groups, ordered, LCSseq.normalized_similarity, threshold)
    links |= by_words.links
    if encoder:
        rest = _others(pairs, links)
        links |= _link_meanings(rest, encoder.encode([pairs[index][1] for index in rest]))
    marks: dict[str, Duplicate] = {}
    for index, link in sorted(links.items()):
        first = pairs[link.earlier][0]  # if it is marked itself, its mark is there: it comes earlier
        kept = marks[first].kept if first in marks else first
        marks[pairs[index][0]] = Duplicate(kept, link.reason, link.similarity)
    return Duplicates(marks, by_letters.comparisons + by_words.comparisons)


def _others(texts: Sequence[object], links: dict[int, _Link]) -> list[int]:
    return [index for index in range(len(texts)) if index not in links]


def _link_equal(texts: Sequence[str]) -> dict[int, _Link]:
    first: dict[str, int] = {}
    links = {}
    for index, text in enumerate(texts):
        if (earlier := first.setdefault(text, index)) != index:
            links[index] = _Link(earlier, "exact duplicate", 100.0)
    return links


def _link_near(
    indices: Iterable[int],
    groups: list[list[int]],
    texts: Sequence[Sequence[Hashable]],
    scorer: Callable[..., float],
    threshold: float,
) -> _Linked:
    """Link a text to the most similar one, the earliest of several, of those not linked that share a group with it."""
    links: dict[int, _Link] = {}
    unlinked: dict[int, list[int]] = {}  # group → its texts
    comparisons = 0
    for index in indices:
        candidates = sorted({other for group in groups[index] for other in unlinked.get(group, ())})
        comparisons += len(candidates)
        found = process.extractOne(
            texts[index], [texts[other] for other in candidates], scorer=scorer, score_cutoff=threshold / 100
        )
        if found:
            links[index] = _Link(candidates[found[2]], "near duplicate", 100 * found[1])
            continue
        for group in groups[index]:
            unlinked.setdefault(group, []).append(index)
    return _Linked(links, comparisons)


def _link_meanings(indices: Sequence[int], vectors: NDArray[np.float32]) -> dict[int, _Link]:
    """Link a text to the nearest one of those not linked, from SAME_MEANING; ``vectors`` has a row per index."""
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
            if cosine >= SAME_MEANING:
                links[indices[row]] = _Link(indices[other], "same meaning", 100 * cosine)
            else:
                unlinked.append(row)
    return links


def _sketch(texts: Sequence[Sequence[int]], vocabulary: Iterable[str]) -> NDArray[np.uint32]:
    """Return the MinHash of each text's pairs of neighbouring words, its two ends included: (texts, PERMUTATIONS).

    Texts are numbers of words in the vocabulary.  A pair's hash h becomes a·h + b modulo 2^32 with odd a, as in
    datasketch: a permutation of all values.
    """
    rng = np.random.default_rng(1)
    odd = rng.integers(0, 2**31, PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    added = rng.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32)
    hashes = np.array([*(crc32(word.encode()) for word in vocabulary), 0], dtype=np.uint64)
    sketches = np.empty((len(texts), PERMUTATIONS), dtype=np.uint32)
    for start in range(0, len(texts), SKETCHED):
        block = texts[start : start + SKETCHED]
        words = hashes[[*(number for text in block for number in (-1, *text)), -1]]  # -1 stands between two texts
        pairs = (((words[:-1] * _ODD ^ words[1:]) * _ODD) >> _HALF).astype(np.uint32)
        begins = [0, *accumulate(len(text) + 1 for text in block)][:-1]
        for column, (a, b) in enumerate(zip(odd, added, strict=True)):
            sketches[start : start + len(block), column] = np.minimum.reduceat(pairs * a + b, begins)
    return sketches


def _group(sketches: NDArray[np.uint32], rows: int) -> list[list[int]]:
    """Return for each text the numbers of its groups: texts with the same band, of which there are two at least."""
    groups: list[list[int]] = [[] for _ in range(len(sketches))]
    first = 0
    for column in range(0, PERMUTATIONS - rows + 1, rows):
        bands = np.zeros(len(sketches), dtype=np.uint64)
        for values in sketches[:, column : column + rows].T:
            bands = (bands ^ values) * _ODD
        _, numbers, counts = np.unique(bands, return_inverse=True, return_counts=True)
        shared = np.flatnonzero(counts[numbers] > 1)
        for index, number in zip(shared.tolist(), numbers[shared].tolist(), strict=True):
            groups[index].append(first + number)
        first += len(counts)
    return groups
