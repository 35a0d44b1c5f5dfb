"""Seeing from a server's count of tokens that it threw a part of the prompt away."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.ollama.cut_prompts import PromptMeter

CONTEXTS = st.integers(512, 131_072)
BYTES = st.floats(3.0, 5.5)  # of text per token, from German or JSON to plain English or Chinese
TEMPLATE = st.integers(0, 60)  # tokens that the chat template adds, which are in the count and not in the text
ENGLISH, CHINESE = 4.4, 4.5
TEACHING = st.lists(st.tuples(st.floats(0, 1), BYTES, TEMPLATE), max_size=4)


def taught(num_ctx: int, prompts: list[tuple[float, float, int]]) -> PromptMeter:
    """A meter that has seen short prompts: share of the context in bytes, bytes per token, tokens of the template."""
    meter = PromptMeter(num_ctx)
    for share, density, template in prompts:
        size = int(share * (num_ctx - 1))
        assert not meter.was_cut(size, round(size / density) + template)
    return meter


@settings(max_examples=300, deadline=None)
@given(num_ctx=CONTEXTS, before=TEACHING, density=BYTES, template=TEMPLATE, share=st.floats(0, 1))
def test_no_prompt_that_fits_is_taken_for_a_cut_one(
    num_ctx: int, before: list[tuple[float, float, int]], density: float, template: int, share: float
) -> None:
    read = max(template + 1, round(share * (num_ctx - 2)))
    size = int((read - template) * density)
    assert not taught(num_ctx, before).was_cut(size, read)


def test_a_greeting_does_not_teach_that_all_text_is_dense() -> None:
    """Of a few words the chat template is most: 18 bytes, 30 tokens."""
    meter = PromptMeter(8192)
    assert not meter.was_cut(18, 30)
    assert not meter.was_cut(int(6000 * ENGLISH), 6000)


@pytest.mark.parametrize("size", [18, 5000, 30_000])
def test_a_count_that_is_missing_says_nothing(size: int) -> None:
    """Some releases leave it out when the prompt is in their memory."""
    meter = PromptMeter(4096)
    assert not meter.was_cut(size, 0)
    assert not meter.was_cut(int(3000 * ENGLISH), 3000)


def up_to_0_24(num_ctx: int, tokens: int) -> int:
    """Keep 4, and the last of the rest."""
    return num_ctx


def of_0_30_0(num_ctx: int, tokens: int) -> int:
    return num_ctx - 1


def from_0_30_9(num_ctx: int, tokens: int) -> int:
    """Keep 4, cut the middle."""
    return num_ctx - max((num_ctx - 4) // 2, 1)


def from_0_30_9_with_bos(num_ctx: int, tokens: int) -> int:
    return num_ctx - max((num_ctx - 5) // 2, 1)


def drop_old_messages(num_ctx: int, tokens: int) -> int:
    """What is left of a prompt whose demonstrations were dropped."""
    return min(num_ctx - 2, round(0.7 * tokens))


CUTS = [up_to_0_24, of_0_30_0, from_0_30_9, from_0_30_9_with_bos, drop_old_messages]
Cut = Callable[[int, int], int]


@settings(max_examples=100, deadline=None)
@given(
    num_ctx=CONTEXTS,
    cut=st.sampled_from(CUTS),
    density=st.sampled_from([ENGLISH, CHINESE]),
    first=st.floats(0.05, 1),
    template=st.integers(0, 20),
    excess=st.floats(0, 3),
)
def test_each_way_to_cut_is_seen_once_a_short_prompt_has_shown_how_dense_the_text_is(
    num_ctx: int, cut: Cut, density: float, first: float, template: int, excess: float
) -> None:
    meter = taught(num_ctx, [(first, density, template)])
    least = num_ctx / 0.7 if cut is drop_old_messages else num_ctx
    tokens = round(least * (1 + excess)) + 1
    assert meter.was_cut(int(tokens * density), cut(num_ctx, tokens))


@settings(max_examples=100, deadline=None)
@given(num_ctx=CONTEXTS, cut=st.sampled_from(CUTS), density=st.sampled_from([3.0, ENGLISH, CHINESE]))
def test_long_prompts_are_seen_to_be_cut_though_no_short_one_came_before(
    num_ctx: int, cut: Cut, density: float
) -> None:
    tokens = 4 * num_ctx
    assert PromptMeter(num_ctx).was_cut(int(tokens * density), cut(num_ctx, tokens))


@pytest.mark.parametrize("num_ctx", [512, 4096, 131_072])
@pytest.mark.parametrize("cut", [up_to_0_24, of_0_30_0])
def test_a_count_at_the_edge_needs_no_density(num_ctx: int, cut: Cut) -> None:
    assert PromptMeter(num_ctx).was_cut(int((num_ctx + 1) * ENGLISH), cut(num_ctx, num_ctx + 1))


def test_a_prompt_of_exactly_half_the_context_is_not_taken_for_one_that_was_halved() -> None:
    for num_ctx in range(512, 1100):
        for read in (from_0_30_9(num_ctx, 0), from_0_30_9_with_bos(num_ctx, 0)):
            assert not taught(num_ctx, [(0.5, ENGLISH, 5)]).was_cut(int(read * ENGLISH), read)


def test_a_sparser_text_lowers_what_is_expected_and_a_denser_one_does_not_raise_it_again() -> None:
    meter = taught(8192, [(0.9, 4.4, 0), (0.9, 6.5, 0), (0.9, 4.4, 0)])
    assert not meter.was_cut(int(7000 * 6.5), 7000)
    assert meter.was_cut(int(12_000 * 6.5), 7000)


def test_short_prompts_are_never_cut() -> None:
    meter = PromptMeter(4096)
    assert not meter.was_cut(4095, 4095)
    assert not meter.was_cut(0, 3)
    assert not meter.was_cut(1, 1)


def test_many_threads_may_teach_it() -> None:
    meter = PromptMeter(8192)

    def teach(number: int) -> None:
        for size in range(2000 + number, 8000, 16):
            assert not meter.was_cut(size, round(size / ENGLISH))

    threads = [threading.Thread(target=teach, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not meter.was_cut(int(8000 * ENGLISH), 8000)
    assert meter.was_cut(int(12_000 * ENGLISH), 8000)
