from __future__ import annotations

import dspy
import pytest

from optimizers.attempt import Attempt
from optimizers.cases import ItemCase
from optimizers.meter import count_said
from optimizers.scoring import score
from programs.converter import ItemConverter
from tests.optimizers.handmade import compiled_items, demo
from tests.optimizers.searching import Bench, bench


@pytest.mark.parametrize("threads", [1, 4])
def test_what_is_read_and_written_is_counted(searching: Bench, item_cases: list[ItemCase], threads: int) -> None:
    engine = searching.spoil("converter")
    with count_said(besides="judge") as said:
        score(Attempt(ItemConverter(), searching.watch), item_cases[:4], searching.metric, threads)
    spent = searching.models.ledger.total
    assert said.calls == len(engine.requests) == 4
    assert said.read >= sum(len(message.text or "") for request in engine.requests for message in request.messages)
    assert said.read // 4 == pytest.approx(spent.input_tokens, rel=0.02)
    assert said.written // 4 == pytest.approx(spent.output_tokens, rel=0.02)


def test_demonstrations_cost_more(searching: Bench, item_cases: list[ItemCase]) -> None:
    read = []
    for program in (ItemConverter(), compiled_items(ItemConverter().write_application.signature.instructions, demo())):
        with count_said(besides="judge") as said:
            score(Attempt(program, searching.watch), item_cases[:4], searching.metric, 1)
        read.append(said.read)
    assert read[1] > read[0] + 300


def test_one_role_is_left_out(tmp_path: object, item_cases: list[ItemCase]) -> None:
    with bench(tmp_path, judge=True) as judged, count_said(besides="judge") as said:  # type: ignore[arg-type]
        score(Attempt(ItemConverter(), judged.watch), item_cases[:4], judged.metric, 1)
    assert judged.calls["judge"] > 0
    assert said.calls == judged.calls["converter"]


def test_only_what_is_said_in_the_context_is_counted(searching: Bench, item_cases: list[ItemCase]) -> None:
    attempt = Attempt(ItemConverter(), searching.watch)
    with count_said(besides="judge") as said:
        attempt(case=item_cases[0])
    attempt(case=item_cases[0])
    assert said.calls == 1


def test_meters_within_each_other_count_both(searching: Bench, item_cases: list[ItemCase]) -> None:
    attempt = Attempt(ItemConverter(), searching.watch)
    with count_said(besides="judge") as outer:
        attempt(case=item_cases[0])
        with count_said(besides="judge") as inner:
            attempt(case=item_cases[0])
    assert (outer.calls, inner.calls) == (2, 1)


def test_a_call_that_fails_writes_nothing(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter", lambda number: True)
    with count_said(besides="judge") as said, dspy.context(trace=[]):
        Attempt(ItemConverter(), searching.watch)(case=item_cases[0])
    assert (said.calls, said.written) == (1, 0)
    assert said.read > 0
