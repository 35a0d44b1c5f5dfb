"""The tally: what generation has brought, counted from the latest row of each session while more rows come in."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.config import CurateConfig
from corpus.records import Plan
from runs.journal import Journal
from runs.tally import Tally

MakeRow = Callable[..., dict[str, Any]]
LEAK = " Somebody felt angry and sad."
READERS, WRITERS, ROUNDS = 2, 3, 80


@pytest.fixture
def tally() -> Tally:
    return Tally(CurateConfig())


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def cells(plan: Plan, task: str = "") -> Counter[str]:
    return Counter(moment.cell for moment in plan.moments if task in ("", moment.task))


def failed(plan: Plan, reason: str) -> dict[str, Any]:
    return {"id": plan.id, "ok": False, "reason": reason, "calls": 5, "retries": 4, "complaints": {reason: 4}}


def test_an_empty_tally_counts_nothing(tally: Tally) -> None:
    assert (tally.calls, tally.complaints, tally.failures, tally.sound()) == (0, Counter(), Counter(), Counter())
    assert tally.is_empty
    assert tally.summary()["sessions"] == tally.summary()["drafts"] == 0


def test_a_session_is_held_before_it_is_converted(
    tally: Tally, plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow
) -> None:
    plan, other = plans[:2]
    tally.add_session(session_row(plan))
    assert (tally.held(plan.id), tally.converted(plan.id), tally.is_empty) == (True, False, False)
    tally.add_drafts(drafts_row(plan))
    assert (tally.held(plan.id), tally.converted(plan.id)) == (True, True)
    tally.add_session(failed(other, "client: too long"))
    assert (tally.held(other.id), tally.converted(other.id)) == (False, False)


def test_sound_drafts_are_counted_by_category_of_all_or_of_named_sessions(
    tally: Tally, plans: list[Plan], drafts_row: MakeRow
) -> None:
    for plan in plans[:3]:
        tally.add_drafts(drafts_row(plan))
    assert tally.sound() == sum((cells(plan) for plan in plans[:3]), Counter())
    assert tally.sound([plans[1].id, "s0-none"]) == cells(plans[1])
    assert tally.sound([]) == Counter()


def test_a_draft_that_names_an_emotion_is_not_sound_where_understanding_is_asked(
    tally: Tally, plans: list[Plan], drafts_row: MakeRow
) -> None:
    tally.add_drafts(drafts_row(plans[0], LEAK))
    assert cells(plans[0], "EU")
    assert tally.sound() == cells(plans[0], "EA")
    assert tally.summary()["drafts"] == len(plans[0].moments)


def test_soundness_is_judged_by_the_rules_of_the_recipe(plans: list[Plan], drafts_row: MakeRow) -> None:
    strict = Tally(CurateConfig(eu_words=(60, 120)))
    strict.add_drafts(drafts_row(plans[0]))
    assert strict.sound() == cells(plans[0], "EA")


def test_the_latest_row_of_a_session_counts_alone(
    tally: Tally, plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow
) -> None:
    plan = plans[0]
    tally.add_session(failed(plan, "client: too long"))
    assert tally.failures == {"client: too long": 1}
    tally.add_session(session_row(plan))
    tally.add_drafts(drafts_row(plan, LEAK, calls=90, failures={f"{plan.id}-m9": "converter: label changed"}))
    tally.add_drafts(drafts_row(plan))
    assert tally.held(plan.id)
    assert not tally.failures
    assert tally.sound() == cells(plan)
    assert tally.calls == 3 + 7
    assert tally.complaints == {"client: too long": 2, "converter: unreadable answer": 1}


def test_failures_of_sessions_and_of_items_are_counted_by_reason(
    tally: Tally, plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow
) -> None:
    tally.add_session(failed(plans[0], "client: too long"))
    tally.add_session(failed(plans[1], "client: too long"))
    tally.add_session(session_row(plans[2]))
    tally.add_drafts(drafts_row(plans[2], failures={"m0": "converter: label changed", "m1": "moment not told"}))
    assert tally.failures == {"client: too long": 2, "converter: label changed": 1, "moment not told": 1}
    summary = tally.summary()
    assert summary["failed_sessions"] == {"client: too long": 2}
    assert summary["unwritten"] == {"converter: label changed": 1, "moment not told": 1}
    assert summary["sessions"] == 1


def test_the_summary_adds_up_what_was_held_and_converted(
    tally: Tally, plans: list[Plan], concise_plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow
) -> None:
    held = [*plans[:2], concise_plans[2]]
    for plan in held:
        tally.add_session(session_row(plan))
    tally.add_drafts(drafts_row(plans[0]))
    summary = tally.summary()
    assert summary["methods"] == {"mads": 2, "concise": 1}
    assert (summary["sessions"], summary["turns"]) == (3, 6)
    assert summary["moments"] == sum(len(plan.moments) for plan in held)
    assert summary["drafts"] == sum(summary["sound"].values()) == len(plans[0].moments)
    assert list(summary["sound"]) == sorted(summary["sound"])
    assert summary["calls"] == tally.calls == 3 * 3 + 7
    assert summary["retries"] == 3 + 2
    assert summary["complaints"] == tally.complaints == {"client: too long": 4, "converter: unreadable answer": 1}


def test_reading_the_journals_counts_as_adding_their_rows_did(
    tally: Tally, plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow, tmp_path: Path
) -> None:
    with Journal(tmp_path / "sessions.jsonl") as sessions, Journal(tmp_path / "drafts.jsonl") as drafts:
        for row in (failed(plans[0], "x"), session_row(plans[1]), session_row(plans[0]), failed(plans[2], "y")):
            sessions.append(row)
            tally.add_session(row)
        for row in (drafts_row(plans[1], LEAK), drafts_row(plans[0]), drafts_row(plans[1])):
            drafts.append(row)
            tally.add_drafts(row)
    again = Tally(CurateConfig())
    again.read(Journal(tmp_path / "sessions.jsonl"), Journal(tmp_path / "drafts.jsonl"))
    assert again.summary() == tally.summary()
    assert again.failures == {"y": 1}
    assert [again.converted(plan.id) for plan in plans[:3]] == [True, True, False]


def test_readers_see_counts_grow_while_writers_add(
    tally: Tally, plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow, busy_threads: None
) -> None:
    plan = plans[0].model_copy(update={"moments": plans[0].moments[:1]})
    held, lost, drafts = session_row(plan), failed(plan, "z"), drafts_row(plan, failures={"m1": "moment not told"})
    errors: list[BaseException] = []
    done = threading.Event()

    def write(writer: int) -> None:
        for number in range(ROUNDS):
            tally.add_session({**held, "id": f"{writer}-{number}"})
            tally.add_session({**lost, "id": f"{writer}-{number}-lost"})
            tally.add_drafts({**drafts, "id": f"{writer}-{number}"})

    def read() -> None:
        seen = (0, 0, 0)
        try:
            while not done.is_set():
                now = tally.sound().total(), tally.calls, tally.failures.total()
                assert all(new >= old for old, new in zip(seen, now, strict=True))
                seen = now
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not errors
    assert tally.sound() == {plan.moments[0].cell: WRITERS * ROUNDS}
    assert tally.failures == {"z": WRITERS * ROUNDS, "moment not told": WRITERS * ROUNDS}
