"""Texts as vectors, to compare what they mean: a sentence-transformers model, and nearest neighbours among its vectors.

The library, and torch with it, is imported when a model is loaded, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpus.errors import ModelError, RecipeError
from corpus.text import MAX_REASON

BATCH = 64  # texts encoded at once
BLOCK = 2**24  # similarities held at once, 64 MB
_ADVICE = "give the folder of a sentence-transformers model with safetensors weights, or its id on the Hub"


class Encoder:
    """A sentence-transformers model from a local folder or a hub id.

    Code that comes with a model is never run, and weights of the transformer are read from safetensors files only.

    Raises:
        RecipeError: the extra `embeddings` is not installed.
        ModelError: the model cannot be loaded.
    """

    def __init__(self, name: str):
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise RecipeError(
                'curate.embeddings: needs the extra `embeddings`; install it with `pip install -e ".[embeddings]"`'
            ) from error
        from safetensors import SafetensorError
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.name = name
        try:
            self._model = SentenceTransformer(
                name, trust_remote_code=False, model_kwargs={"use_safetensors": True, "trust_remote_code": False}
            )
        # What the libraries raise for folders and ids that are missing, cut off, of another kind, or not to be had.
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:MAX_REASON]
            raise ModelError(
                f"curate.embeddings: model {name!r} cannot be loaded: {reason.rstrip('.')}; {_ADVICE}"
            ) from error

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row of unit length per text, (texts, dimensions), in order; a long text is cut by the model."""
        if not texts:
            return np.zeros((0, self._model.get_embedding_dimension()), dtype=np.float32)
        rows = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(rows, dtype=np.float32)


class Nearest(NamedTuple):
    """The nearest rows of a base for each query, the nearest first: both arrays are (queries, k)."""

    indices: NDArray[np.int64]
    similarities: NDArray[np.float32]


def nearest(queries: NDArray[np.float32], base: NDArray[np.float32], k: int) -> Nearest:
    """Find the ``k`` rows of ``base`` with the highest cosine for each query, or all rows where there are fewer.

    Args:
        queries: (queries, dimensions), rows of unit length.
        base: (rows, dimensions), rows of unit length.
        k: neighbours per query, from 1.
    """
    k = min(k, len(base))
    indices = np.zeros((len(queries), k), dtype=np.int64)
    similarities = np.zeros((len(queries), k), dtype=np.float32)
    step = max(1, BLOCK // max(1, len(base)))
    for start in range(0, len(queries) if k else 0, step):
        block = queries[start : start + step] @ base.T
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(block, best, axis=1)
        order = np.lexsort((best, -found), axis=1)  # of equal ones the first row comes first
        indices[start : start + step] = np.take_along_axis(best, order, axis=1)
        similarities[start : start + step] = np.take_along_axis(found, order, axis=1)
    return Nearest(indices, similarities)
