"""Exact and near duplicates among scenarios: candidates by MinHash LSH, confirmed by token-set similarity."""

from __future__ import annotations

import re
from collections.abc import Iterable

from datasketch import MinHash, MinHashLSH
from rapidfuzz import fuzz, process

PERMUTATIONS = 64
BANDS = (21, 3)  # bands × rows: a pair with half its words in common (Jaccard 0.5) is compared in 94 of 100 cases
_WORD = re.compile(r"\w+")


def find_duplicates(texts: Iterable[tuple[str, str]], threshold: float) -> dict[str, tuple[str, str]]:
    """Mark every text that repeats an earlier one.

    Args:
        texts: (ID, text) pairs; of two alike the first is kept.
        threshold: rapidfuzz token-set ratio (0-100) from which two texts are near duplicates.

    Returns:
        ID of each duplicate → (ID that is kept, "exact duplicate" or "near duplicate").
    """
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
    kept: dict[str, str] = {}
    by_text: dict[str, str] = {}
    marks: dict[str, tuple[str, str]] = {}
    for key, text in texts:
        words = _WORD.findall(text.lower())
        normal = " ".join(words)
        if normal in by_text:
            marks[key] = (by_text[normal], "exact duplicate")
            continue
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch([word.encode() for word in set(words)])
        candidates = {other: kept[other] for other in sorted(lsh.query(sketch))}
        alike = process.extract_iter(normal, candidates, scorer=fuzz.token_set_ratio, score_cutoff=threshold)
        if first := next(alike, None):
            marks[key] = (first[2], "near duplicate")
            continue
        lsh.insert(key, sketch)
        kept[key], by_text[normal] = normal, key
    return marks
