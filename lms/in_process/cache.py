"""Keys and values of what a model has read: grown in place, and read once where prompts begin alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

LEAST_SHARED = 16  # tokens: a shorter common start is not worth a pass of its own


class RoomyLayer(DynamicLayer):
    """As its parent, with room for what will come: a further token is written beside the others, which stay in place.

    The parent copies all keys and values for every token, which was up to 44% of an answer's time on a CPU.

    Args:
        room: tokens a row is expected to hold; more are taken, at the price of a copy.
    """

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, room: int):
        super().__init__()
        self.room = room
        self._held: tuple[torch.Tensor, torch.Tensor] | None = None  # `keys` and `values` are the beginnings of these

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep the keys and values of further tokens, and return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        past = self.get_seq_length()
        length = past + key_states.shape[-2]
        if not past:  # as it came: what is read in one pass need not be copied
            self.keys, self.values = key_states, value_states
            return self.keys, self.values
        held = self._held
        if held is None or length > held[0].shape[-2]:
            self.room = max(self.room, length)
            held = self._held = self._make_room(self.keys, key_states), self._make_room(self.values, value_states)
        for whole, states in zip(held, (key_states, value_states), strict=True):
            whole[..., past:length, :] = states
        self.keys, self.values = (whole[..., :length, :] for whole in held)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows, in this order; a row may be named several times.  What is held by others stays as it is."""
        if self.get_seq_length() > 0:
            length = self.get_seq_length()
            held = self._held = self._select(self.keys, indices), self._select(self.values, indices)
            self.keys, self.values = (whole[..., :length, :] for whole in held)

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last tokens of every row; their number is given as a negative one."""
        super().crop(tokens_to_remove)
        self._held = None

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._held = None

    def _select(self, states: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        length = states.shape[-2]
        held = states.new_empty(len(indices), states.shape[1], max(self.room, length), states.shape[-1])
        torch.index_select(states, 0, indices, out=held[..., :length, :])
        return held

    def _make_room(self, kept: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        held = like.new_empty(*like.shape[:-2], self.room, like.shape[-1])
        held[..., : kept.shape[-2], :] = kept
        return held


def new_cache(model: Any, room: int) -> Cache | None:
    """Return an empty cache for ``room`` tokens a row; None for a model whose layers keep anything but attention's."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    if not all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers):
        return None
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def takes_gaps(cache: Cache | None, columns: int) -> bool:
    """Whether padding may stand between the tokens of a row of so many columns, hidden by the mask alone.

    A sliding window counts columns, so it must not begin to slide.
    """
    return cache is not None and all(
        type(layer) is RoomyLayer or (isinstance(layer, DynamicSlidingWindowLayer) and layer.sliding_window > columns)
        for layer in cache.layers
    )


def common_start(sequences: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens are the same in all."""
    length = 0
    for column in zip(*sequences, strict=False):
        if len(set(column)) > 1:
            break
        length += 1
    return length
