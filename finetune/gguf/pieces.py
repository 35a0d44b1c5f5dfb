"""Scores of SentencePiece-like tokens, recovered from the order of their merges.

llama.cpp's "llama" tokenizer knows no merges: it joins any two neighbours whose union is a token, best score first.
That gives the tokens of the merges only if every such pair has a merge and the merges stand token after token, as in
tokenizers converted from SentencePiece; both are checked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from corpus.errors import ShippingError


def score_pieces(tokens: Sequence[str], merges: Sequence[tuple[str, ...]], added: set[int], model: Path) -> list[float]:
    """Return one score per token: minus the rank of its merges; raises ShippingError where scores cannot say it."""
    made = [left + right for left, right in merges]
    order = [token for place, token in enumerate(made) if not place or token != made[place - 1]]
    rank = {token: place for place, token in enumerate(order)}
    plain = {token for number, token in enumerate(tokens) if number not in added}
    if len(rank) < len(order) or not _all_pairs(plain, set(merges)):
        raise ShippingError(
            f"{model}: the merges of this tokenizer do not come from SentencePiece, and llama.cpp would join other"
            " tokens; use llama.cpp's convert_hf_to_gguf.py"
        )
    return [-float(rank[token]) if token in rank else -1e6 for token in tokens]


def _all_pairs(plain: Collection[str], merges: Collection[tuple[str, ...]]) -> bool:
    """Say whether every token that is the union of two others has a merge for each such pair."""
    return all(
        (token[:cut], token[cut:]) in merges
        for token in plain
        if not (token.startswith("<0x") and len(token) == 6)
        for cut in range(1, len(token))
        if token[:cut] in plain and token[cut:] in plain
    )
