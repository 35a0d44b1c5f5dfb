from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.seeds import derive_seed, draw, rng_for

PARTS = st.lists(st.text("abc1", max_size=3), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(PARTS, PARTS)
def test_equal_parts_and_only_they_give_equal_seeds(one: list[str], other: list[str]) -> None:
    assert (derive_seed(*one) == derive_seed(*other)) == (one == other)
    assert 0 <= derive_seed(*one) < 2**31


def test_seeds_are_equal_in_another_process_with_another_hash_seed() -> None:
    code = "from corpus.seeds import derive_seed; print(derive_seed(7, 'deck', 'EU'))"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) == derive_seed(7, "deck", "EU")


def test_one_generator_does_not_disturb_another() -> None:
    alone = rng_for("a").random()
    other = rng_for("b")
    first = rng_for("a")
    other.random()
    assert first.random() == alone


@given(st.lists(st.text(max_size=3), unique=True, max_size=12), st.integers(0, 12), st.integers(0, 4))
def test_a_draw_keeps_the_order_and_what_a_smaller_one_drew(values: list[str], most: int, more: int) -> None:
    few, many = (draw(values, count, "what", lambda value: value) for count in (most, most + more))
    assert len(few) == min(most, len(values))
    assert set(few) <= set(many)
    assert many == [value for value in values if value in many]
    assert draw(values, None, "what", lambda value: value) == values


def test_a_draw_is_no_beginning_and_another_name_draws_otherwise() -> None:
    values = list(range(50))
    drawn = [draw(values, 10, name, lambda value: value) for name in ("EA", "EU")]
    assert drawn[0] != drawn[1]
    assert values[:10] not in drawn
