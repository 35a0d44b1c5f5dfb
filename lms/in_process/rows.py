"""Texts side by side, a row of tokens each: what all begin with is read once, and what was read is kept."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache

from lms.in_process.cache import LEAST_SHARED, common_start, new_cache, takes_gaps

PADDING = 0  # any token will do, the mask hides it
AT_ONCE = 4096  # tokens of a pass: they keep a machine busy, and more take memory and leave the processor's cache
Tokens = Sequence[int]


class Rows:
    """A batch of texts of unlike length, whose common start, if it is long, has been read into the cache.

    The rest of each stands at the right, so that all end in the same column: start, padding, rest.

    Args:
        model: a causal language model.
        texts: at least one, each of at least one token.
        room: the columns that will follow the longest.

    Attributes:
        ids, mask: shape (rows, columns); the mask is 0 at padding and at what a row no longer says.
        cache: holds what was read, at first the ``shared`` columns; None where a model has a cache of its own kind.
        takes_gaps: see `lms.in_process.cache.takes_gaps`.
    """

    def __init__(self, model: Any, texts: Sequence[Tokens], room: int):
        width = max(map(len, texts))
        self.model = model
        self.cache = new_cache(model, width + room)
        self.takes_gaps = takes_gaps(self.cache, width + room)
        start = min(common_start(texts), min(map(len, texts)) - 1)
        self.shared = start if self.takes_gaps and len(texts) > 1 and start >= LEAST_SHARED else 0
        self.ids = self._tensor([texts[0][: self.shared]] * len(texts))
        self.mask = torch.ones_like(self.ids)
        self._append([text[self.shared :] for text in texts])
        if self.shared:
            model(self.ids[:1, : self.shared], past_key_values=self._kept, use_cache=True, logits_to_keep=1)
            self._kept.batch_select_indices(self._tensor([0] * len(texts)))

    def read(self) -> torch.Tensor:
        """Read what is not in the cache, and return the logits of what may come next, shape (rows, vocabulary)."""
        start = self._kept.get_seq_length()
        output = self.model(
            self.ids[:, start:],
            attention_mask=self.mask,
            position_ids=self._positions()[:, start:],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def turn_to(self, texts: Sequence[Tokens]) -> None:
        """Let every row say another text; what it has in common with the one before, less the last token, is kept.

        Only where rows take gaps, as what a row no longer says is hidden and not removed.
        """
        rests = []
        for row, text in enumerate(texts):
            places = self.mask[row].nonzero()[:, 0]
            kept = common_start([self.ids[row, places].tolist(), text[:-1]])
            self.mask[row, places[kept:]] = 0
            rests.append(text[kept:])
        self._append(rests)

    def keep(self, places: Sequence[int]) -> None:
        """Keep these rows alone, in this order."""
        chosen = self._tensor(places)
        self.ids, self.mask = self.ids[chosen], self.mask[chosen]
        self._kept.batch_select_indices(chosen)

    def try_on(self, places: Sequence[int], endings: Sequence[Tokens]) -> torch.Tensor:
        """Return the logits after each token of some endings of rows, shape (endings, tokens, vocabulary).

        The rows stay as they are.

        Args:
            places: of each ending, the row that it continues; endings: of at least one token.
        """
        width = max(map(len, endings))
        # Padding at the right is seen by nothing that counts.
        ids = self._tensor([[*ending, *[PADDING] * (width - len(ending))] for ending in endings])
        chosen = self._tensor(places)
        mask = self.mask[chosen]
        output = self.model(
            ids,
            attention_mask=torch.cat([mask, torch.ones_like(ids)], dim=1),
            position_ids=mask.sum(1, keepdim=True) + torch.arange(width, device=ids.device),
            past_key_values=self._copy(chosen),
            use_cache=True,
        )
        logits: torch.Tensor = output.logits
        return logits

    def _append(self, rests: Sequence[Tokens]) -> None:
        width = max(map(len, rests))
        ids = self._tensor([[*[PADDING] * (width - len(rest)), *rest] for rest in rests])
        mask = self._tensor([[0] * (width - len(rest)) + [1] * len(rest) for rest in rests])
        self.ids, self.mask = torch.cat([self.ids, ids], dim=1), torch.cat([self.mask, mask], dim=1)

    def _positions(self) -> torch.Tensor:
        return (self.mask.cumsum(1) - 1).clamp(min=0)

    @property
    def _kept(self) -> Cache:
        assert self.cache is not None, "without a cache of our kind nothing is kept"
        return self.cache

    def _copy(self, chosen: torch.Tensor) -> Cache:
        """Return a cache of some rows.  To select makes new tensors, so the layers may be copied as they are."""
        cache = copy.copy(self._kept)
        cache.layers = [copy.copy(layer) for layer in cache.layers]
        cache.batch_select_indices(chosen)
        return cache

    def _tensor(self, values: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self.model.device)
