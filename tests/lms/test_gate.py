"""The gate before a server: how many calls it lets through, and what it does while the server is gone.

One file, because all of it rests on the few helpers at its head.
"""

from __future__ import annotations

import heapq
import random
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from dspy import lm15

from lms import gate as gates
from lms.faults import UNREACHABLE
from lms.gate import ROUND, Gate, GivenUp, Outcome, Place, Stopped

LONG = 20.0  # seconds after which a test that waits for a thread has failed


class Clock:
    """`time` for the gate: stands still until it is moved; counts how often it was read."""

    def __init__(self) -> None:
        self.now, self.reads = 1000.0, 0

    def monotonic(self) -> float:
        self.reads += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(gates, "time", clock)
    return clock


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "FIRST_PROBE", 0.01)
    monkeypatch.setattr(gates, "LAST_PROBE", 0.02)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def gate(told: list[str]) -> Iterator[Gate]:
    """A gate for four calls, which is stopped at the end, so that no thread stays behind."""
    gate = Gate("ollama_chat/m", 4, 100.0, told.append)
    yield gate
    gate.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "this never came"
        time.sleep(0.001)


class Call(threading.Thread):
    """A call that stays under way until it is let go with an outcome."""

    def __init__(self, gate: Gate):
        super().__init__(daemon=True)
        self.gate, self.under_way, self.over = gate, threading.Event(), threading.Event()
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            with self.gate.place() as place:
                self.under_way.set()
                self.over.wait(LONG)
                place.outcome = self.outcome
        except lm15.LM15Error as error:
            self.error = error

    def end(self, outcome: Outcome | None) -> None:
        assert self.under_way.wait(LONG), "the call was never let through"
        self.outcome = outcome
        self.over.set()
        self.join(LONG)


def call(gate: Gate, outcome: Outcome | None, pause: float = 0.0) -> None:
    with gate.place() as place:
        place.outcome, place.pause = outcome, pause


def watch(clock: Clock) -> None:
    """Let those who wait look again a few times."""
    before = clock.reads
    until(lambda: clock.reads > before + 10)


def under_way(calls: list[Call]) -> list[Call]:
    return [each for each in calls if each.under_way.is_set() and not each.over.is_set()]


def finish(calls: list[Call]) -> None:
    """Let all calls end well, in the order in which they are let through."""
    while not all(each.over.is_set() for each in calls):
        until(lambda: bool(under_way(calls)))
        under_way(calls)[0].end("answered")


# How many are let through


@pytest.mark.parametrize("most", [1, 3])
def test_never_more_than_the_limit_are_under_way(most: int) -> None:
    gate, lock = Gate("m", most, 1, print), threading.Lock()
    now, seen, done = 0, [], []

    def work() -> None:
        nonlocal now
        for _ in range(20):
            with gate.place() as place:
                with lock:
                    now += 1
                    seen.append(now)
                time.sleep(0.0002)
                with lock:
                    now -= 1
                place.outcome = "answered"
        done.append(True)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(done) == 12
    assert max(seen) == most
    assert gate.under_way == 0


def test_whoever_waits_is_let_through_as_soon_as_a_place_is_free(gate: Gate) -> None:
    calls = [Call(gate) for _ in range(7)]
    until(lambda: len(under_way(calls)) == 4)
    for left in (6, 5, 4, 3, 2, 1, 0):
        under_way(calls)[0].end("answered")
        until(lambda left=left: len(under_way(calls)) == min(left, 4))


@pytest.mark.parametrize(("rejected", "limit"), [(0, 64), (6, 64), (12, 64), (24, 32), (64, 32)])
def test_a_round_with_much_more_than_a_fifth_turned_away_halves_the_limit(rejected: int, limit: int) -> None:
    gate = Gate("m", 64, 1, print)
    outcomes: list[Outcome] = ["busy"] * rejected + ["answered"] * (64 - rejected)
    random.Random(1).shuffle(outcomes)
    for outcome in outcomes:
        call(gate, outcome)
    assert gate.limit == limit


def test_a_flood_that_is_turned_away_halves_once() -> None:
    gate = Gate("m", 64, 1, print)
    with ExitStack() as flood:
        for _ in range(64):
            flood.enter_context(gate.place()).outcome = "busy"
    assert gate.limit == 32
    with ExitStack() as flood:
        for _ in range(32):
            flood.enter_context(gate.place()).outcome = "busy"
    assert gate.limit == 16


def test_what_began_before_the_change_does_not_count() -> None:
    gate = Gate("m", 64, 1, print)
    early = ExitStack()
    for _ in range(40):
        early.enter_context(gate.place()).outcome = "busy"
    for _ in range(64):
        call(gate, "busy")
    assert gate.limit == 32
    early.close()
    assert gate.limit == 32
    for _ in range(31):
        call(gate, "answered")
    assert gate.limit == 32
    call(gate, "answered")
    assert gate.limit == 33


def test_it_comes_back_one_by_one_and_never_beyond_the_most() -> None:
    gate = Gate("m", 20, 1, print)
    for _ in range(20):
        call(gate, "busy")
    limits = [gate.limit]
    for _ in range(400):
        call(gate, "answered")
        if gate.limit != limits[-1]:
            limits.append(gate.limit)
    assert limits == [*range(10, 21)]


def test_one_call_at_a_time_is_the_least() -> None:
    gate = Gate("m", 2, 1, print)
    for _ in range(10 * ROUND):
        call(gate, "busy")
    assert gate.limit == 1
    call(gate, "answered")


def test_a_limit_that_rises_lets_one_more_through() -> None:
    gate = Gate("m", 2, 1, print)
    for _ in range(ROUND):
        call(gate, "busy")
    assert gate.limit == 1
    calls = [Call(gate) for _ in range(ROUND + 3)]
    for _ in range(ROUND):
        until(lambda: len(under_way(calls)) == 1)
        under_way(calls)[0].end("answered")
    assert gate.limit == 2
    until(lambda: len(under_way(calls)) == 2)
    finish(calls)


Server = Callable[[random.Random, int], tuple[bool, float]]  # calls at work → taken?, seconds until it says so


def simulate(clock: Clock, server: Server, most: int, calls: int, seed: int) -> list[float]:
    """Let ``most`` callers ask again and again, as `ResilientEngine` does; return the limit after each call."""
    rng, gate = random.Random(seed), Gate("m", most, 900, print)
    ready, events = deque(range(most)), list[tuple[float, int, int, ExitStack | None, Place | None, bool]]()
    failures, limits = dict.fromkeys(range(most), 0), list[float]()
    number = at_work = answered = 0
    while answered < calls:
        while ready and gate.under_way < int(gate.limit):
            caller, stack = ready.popleft(), ExitStack()
            place = stack.enter_context(gate.place())
            taken, seconds = server(rng, at_work)
            at_work += taken
            number += 1
            heapq.heappush(events, (clock.now + seconds, number, caller, stack, place, taken))
        clock.now, _, caller, stack, place, taken = heapq.heappop(events)
        if stack is None or place is None:  # a caller wakes
            ready.append(caller)
            continue
        at_work -= taken
        place.outcome = "answered" if taken else "busy"
        stack.close()
        limits.append(gate.limit)
        if taken:
            answered, failures[caller] = answered + 1, 0
            ready.append(caller)
        else:
            failures[caller] += 1
            number += 1
            pause = rng.uniform(0.5, 1) * min(0.1 * 2 ** failures[caller], 20)
            heapq.heappush(events, (clock.now + pause, number, caller, None, None, False))
    assert not (len(events) + len(ready)) - most
    return limits


@pytest.mark.parametrize("most", [4, 16, 64])
def test_one_call_in_ten_turned_away_at_random_leaves_the_limit_near_the_most(clock: Clock, most: int) -> None:
    for seed in range(2):
        limits = simulate(clock, lambda rng, n: (rng.random() > 0.1, rng.uniform(0.5, 1.5)), most, 5000, seed)
        assert statistics.mean(limits) > 0.9 * most


@pytest.mark.parametrize("seconds", [0.05, 3.0])
def test_a_server_that_takes_eight_ends_with_about_eight(clock: Clock, seconds: float) -> None:
    def server(rng: random.Random, at_work: int) -> tuple[bool, float]:
        return (True, seconds * rng.uniform(0.5, 1.5)) if at_work < 8 else (False, 0.005)

    limits = simulate(clock, server, 64, 2000, seed=1)
    settled = limits[len(limits) // 4 :]
    assert min(settled) >= 4
    assert max(settled) <= 12
    assert statistics.mean(settled) > 6
    assert len(limits) < 2 * 2000  # calls that were turned away cost little


def test_a_server_that_recovers_is_asked_more_again(clock: Clock) -> None:
    room = [8]
    count = 0

    def server(rng: random.Random, at_work: int) -> tuple[bool, float]:
        nonlocal count
        count += 1
        room[0] = 8 if count < 2000 else 64
        return (True, rng.uniform(0.5, 1.5)) if at_work < room[0] else (False, 0.005)

    assert simulate(clock, server, 64, 6000, seed=2)[-1] == 64


# When a server asks to be left alone


def test_a_pause_holds_all_back(clock: Clock, gate: Gate) -> None:
    call(gate, "busy", pause=0.05)
    calls = [Call(gate) for _ in range(6)]
    watch(clock)
    assert not under_way(calls)
    clock.now += 0.04
    watch(clock)
    assert not under_way(calls)
    clock.now += 0.02
    until(lambda: len(under_way(calls)) == 4)
    finish(calls)


def test_a_shorter_pause_does_not_shorten_a_longer_one(clock: Clock, gate: Gate) -> None:
    with ExitStack() as stack:
        for pause in (0.0, 0.01, 0.05):  # they end the other way round
            place = stack.enter_context(gate.place())
            place.outcome, place.pause = "busy", pause
    waiting = Call(gate)
    clock.now += 0.04
    watch(clock)
    assert not waiting.under_way.is_set()
    clock.now += 0.02
    waiting.end("answered")


@pytest.mark.parametrize("pause", [101.0, 1e12, float("inf")])
def test_a_pause_longer_than_patience_does_not_hold_up_those_who_would_wait_in_vain(gate: Gate, pause: float) -> None:
    call(gate, "busy", pause=pause)
    Call(gate).end("answered")


# When the server is gone


def lose(gate: Gate) -> None:
    call(gate, "answered")
    call(gate, "gone")
    assert gate.is_gone


def test_a_server_that_was_never_reached_is_not_waited_for(gate: Gate, told: list[str]) -> None:
    for _ in range(3):
        call(gate, "gone")
    assert not gate.is_gone
    assert not told
    Call(gate).end("answered")


@pytest.mark.parametrize("outcome", ["final", None])
def test_an_error_of_our_own_is_no_sign_of_the_server(gate: Gate, outcome: Outcome | None) -> None:
    call(gate, outcome)
    call(gate, "gone")
    assert not gate.is_gone


@pytest.mark.usefixtures("quick_probes")
def test_one_call_at_a_time_looks_whether_it_is_there_again(gate: Gate, told: list[str]) -> None:
    lose(gate)
    calls = [Call(gate) for _ in range(8)]
    for _ in range(3):
        until(lambda: len(under_way(calls)) == 1)
        time.sleep(0.05)
        assert len(under_way(calls)) == 1
        under_way(calls)[0].end("gone")
        assert gate.is_gone
    until(lambda: len(under_way(calls)) == 1)
    assert len(told) == 1
    under_way(calls)[0].end("answered")
    assert not gate.is_gone
    until(lambda: len(under_way(calls)) == 4)
    finish(calls)
    assert len(told) == 2
    assert "ollama_chat/m is gone; waiting for it, 0:01:40 at the most" in told[0]
    assert "ollama_chat/m answers again after" in told[1]


@pytest.mark.usefixtures("quick_probes")
@pytest.mark.parametrize("outcome", ["gone", "passing", None])
def test_calls_from_before_do_not_count_as_the_probe(gate: Gate, outcome: Outcome | None, told: list[str]) -> None:
    call(gate, "answered")
    early = [Call(gate) for _ in range(3)]
    until(lambda: len(under_way(early)) == 3)
    call(gate, "gone")
    calls = [Call(gate) for _ in range(4)]
    until(lambda: len(under_way(calls)) == 1)
    for each in early:
        each.end(outcome)
    time.sleep(0.05)
    assert len(under_way(calls)) == 1
    finish(calls)
    assert len(told) == 2


def test_many_calls_that_are_lost_at_once_do_not_put_off_the_first_look(clock: Clock, gate: Gate) -> None:
    call(gate, "answered")
    with ExitStack() as lost:
        for _ in range(4):
            lost.enter_context(gate.place()).outcome = "gone"
    clock.now += gates.FIRST_PROBE
    Call(gate).end("answered")


def test_looks_become_rarer_but_not_too_rare(clock: Clock, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "FIRST_PROBE", 0.01)
    monkeypatch.setattr(gates, "LAST_PROBE", 0.04)
    lose(gate)
    for gap in (0.01, 0.02, 0.04, 0.04):
        probe = Call(gate)
        clock.now += 0.9 * gap
        watch(clock)
        assert not probe.under_way.is_set()
        clock.now += 0.2 * gap
        probe.end("gone")


@pytest.mark.usefixtures("quick_probes")
def test_when_patience_ends_all_who_wait_give_up(clock: Clock, gate: Gate) -> None:
    lose(gate)
    clock.now += 1
    calls = [Call(gate) for _ in range(8)]
    until(lambda: len(under_way(calls)) == 1)
    (probe,) = under_way(calls)
    clock.now += 98.9
    watch(clock)
    assert not any(each.error for each in calls)
    clock.now += 0.2
    waiting = [each for each in calls if each is not probe]
    for each in waiting:  # though the probe hangs
        each.join(LONG)
        assert isinstance(each.error, GivenUp)
        assert each.error.provider_code == UNREACHABLE
        assert "the server has been gone for 0:01:40, longer than patience" in str(each.error)
    probe.end("gone")
    late = Call(gate)
    late.join(LONG)
    assert isinstance(late.error, GivenUp)


def test_a_server_that_came_back_after_all_is_seen(clock: Clock, gate: Gate, told: list[str]) -> None:
    """A model that is kept for long, as in a notebook, must not stay unusable."""
    lose(gate)
    clock.now += 5000
    Call(gate).end("answered")
    assert not gate.is_gone
    assert "answers again after 1:23:20" in told[-1]


def test_without_patience_a_lost_server_is_given_up_at_once(clock: Clock) -> None:
    gate = Gate("m", 4, 0, lambda line: None)
    lose(gate)
    late = Call(gate)
    late.join(LONG)
    assert isinstance(late.error, GivenUp)


@pytest.mark.usefixtures("quick_probes")
def test_a_probe_that_meets_a_fault_that_passes_leaves_the_next_to_another(gate: Gate, told: list[str]) -> None:
    lose(gate)
    outcomes: tuple[Outcome | None, ...] = ("passing", None)
    for outcome in outcomes:
        Call(gate).end(outcome)
        assert gate.is_gone
    Call(gate).end("busy")  # who has much to do is there
    assert not gate.is_gone
    assert len(told) == 2


def test_when_it_is_back_nobody_sleeps_on(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "FIRST_PROBE", 0.01)
    monkeypatch.setattr(gates, "LAST_PROBE", 3 * LONG)
    lose(gate)
    calls = [Call(gate) for _ in range(5)]
    until(lambda: len(under_way(calls)) == 1)
    time.sleep(0.02)  # the others wait for what comes of it
    under_way(calls)[0].end("answered")
    until(lambda: len(under_way(calls)) == 4)
    finish(calls)


def test_a_server_may_go_and_come_again_and_again(clock: Clock, gate: Gate, told: list[str]) -> None:
    for _ in range(3):
        lose(gate)
        clock.now += 1
        Call(gate).end("answered")
    assert [("gone" in line, "again" in line) for line in told] == [(True, False), (False, True)] * 3


# When the run stops, and when something breaks


def test_stopping_wakes_all_who_wait_and_sleep(gate: Gate) -> None:
    calls = [Call(gate) for _ in range(9)]
    until(lambda: len(under_way(calls)) == 4)
    slept: list[Exception] = []

    def sleep() -> None:
        try:
            gate.rest(3600)
        except Stopped as error:
            slept.append(error)

    sleeper = threading.Thread(target=sleep, daemon=True)
    sleeper.start()
    at_work = under_way(calls)
    gate.stop()
    sleeper.join(LONG)
    assert slept
    for each in calls:
        if each not in at_work:
            each.join(LONG)
            assert isinstance(each.error, Stopped)
    for each in at_work:  # these end by themselves
        each.end("answered")
        assert each.error is None
    with pytest.raises(Stopped), gate.place():
        pass
    with pytest.raises(Stopped):
        gate.rest(0)
    assert gate.under_way == 0


@pytest.mark.parametrize("held_back", ["pause", "gone"])
def test_stopping_wakes_those_whom_the_server_keeps_waiting(gate: Gate, held_back: str) -> None:
    call(gate, "answered")
    call(gate, "gone" if held_back == "gone" else "busy", pause=90)
    if held_back == "gone":
        probe = Call(gate)
        assert probe.under_way.wait(LONG)
    calls = [Call(gate) for _ in range(5)]
    gate.stop()
    for each in calls:
        each.join(LONG)
        assert isinstance(each.error, Stopped)
    if held_back == "gone":
        probe.end("gone")


def test_rest_without_a_stop_ends_by_itself(gate: Gate) -> None:
    gate.rest(0.001)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_an_exception_of_another_kind_frees_the_place(gate: Gate, error: BaseException) -> None:
    for _ in range(20):
        with pytest.raises(type(error)), gate.place():
            raise error
    assert gate.under_way == 0
    Call(gate).end("answered")


@pytest.mark.usefixtures("quick_probes")
def test_a_probe_that_breaks_lets_another_look(gate: Gate) -> None:
    lose(gate)
    with pytest.raises(ValueError, match="a bug"), gate.place():
        raise ValueError("a bug")
    Call(gate).end("answered")
    assert not gate.is_gone


@pytest.mark.usefixtures("quick_probes")
def test_nobody_is_forgotten_whatever_the_server_does() -> None:
    """Threads against a server that is away, busy, broken, and back at random: all calls end, none hangs."""
    gate, done = Gate("m", 6, 1000, lambda line: None), []
    outcomes: list[Outcome | None] = ["answered"] * 6 + ["busy", "busy", "gone", "passing", "final", None]

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(30):
            with gate.place() as place:
                if rng.random() < 0.1:
                    time.sleep(0.001)
                place.outcome = rng.choice(outcomes)
                place.pause = 0.002 if place.outcome == "busy" and rng.random() < 0.3 else 0.0
        done.append(seed)

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(done) == 16
    assert gate.under_way == 0
