from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from lms.in_process.cache import RoomyLayer, common_start, new_cache, takes_gaps

PLAN = st.lists(st.one_of(st.integers(1, 5), st.just("select"), st.just("crop"), st.just("fork")), max_size=8)


@given(PLAN, st.integers(1, 12), st.integers(0, 2**16))
def test_it_holds_what_its_parent_holds(plan: list[int | str], room: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    roomy: DynamicLayer = RoomyLayer(room)
    plain = DynamicLayer()
    forks = []
    for step in [2, *plan]:
        if step == "select":
            rows = torch.randint(plain.keys.shape[0], (3,), generator=draw)
            roomy.batch_select_indices(rows)
            plain.batch_select_indices(rows)
        elif step == "crop":
            roomy.crop(-1)
            plain.crop(-1)
        elif step == "fork":  # as a cache is copied before its rows are selected
            fork = copy.copy(roomy)
            fork.batch_select_indices(torch.arange(plain.keys.shape[0]))
            forks.append((fork, plain.keys.clone()))
        else:
            rows = plain.keys.shape[0] if plain.is_initialized else 2
            keys, values = (torch.rand(rows, 1, step, 3, generator=draw) for _ in range(2))
            mine, theirs = roomy.update(keys, values), plain.update(keys, values)
            assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
        assert torch.equal(roomy.keys, plain.keys)
        assert torch.equal(roomy.values, plain.values)
        assert roomy.get_seq_length() == plain.get_seq_length()
    for fork, keys in forks:
        assert torch.equal(fork.keys, keys), "what was copied does not change with the original"


def test_a_further_token_moves_nothing() -> None:
    layer = RoomyLayer(8)
    layer.update(torch.rand(1, 1, 3, 2), torch.rand(1, 1, 3, 2))
    layer.update(torch.rand(1, 1, 1, 2), torch.rand(1, 1, 1, 2))
    place = layer.keys.data_ptr()
    layer.update(torch.rand(1, 1, 4, 2), torch.rand(1, 1, 4, 2))
    assert layer.keys.data_ptr() == place
    layer.update(torch.rand(1, 1, 1, 2), torch.rand(1, 1, 1, 2))
    assert layer.get_seq_length() == 9, "more than there is room for is taken too"


def test_it_can_be_used_again_after_a_reset() -> None:
    layer = RoomyLayer(4)
    layer.update(torch.rand(2, 1, 3, 2), torch.rand(2, 1, 3, 2))
    layer.reset()
    keys = torch.rand(1, 1, 2, 2)
    assert torch.equal(layer.update(keys, keys)[0], keys)


def test_rows_take_gaps_unless_a_window_slides_or_the_state_is_another(model_of: Callable[[str], Any]) -> None:
    assert takes_gaps(new_cache(model_of("llama"), 8), 10_000)
    assert [takes_gaps(new_cache(model_of("sliding"), 8), columns) for columns in (8, 9)] == [True, False]
    for name in ("hybrid", "recurrent"):
        assert new_cache(model_of(name), 8) is None
    assert not takes_gaps(None, 1)


@pytest.mark.parametrize(
    ("sequences", "length"), [([[1, 2, 3], [1, 2]], 2), ([[1], [2]], 0), ([[1, 2]], 2), ([[], [1]], 0)]
)
def test_the_common_start(sequences: list[list[int]], length: int) -> None:
    assert common_start(sequences) == length
