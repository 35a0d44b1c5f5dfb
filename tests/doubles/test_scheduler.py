from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.doubles.faults import BUSY
from tests.doubles.ollama import Model, OllamaDouble
from tests.doubles.raw import Answer, ask, say

PATIENCE = 5.0


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.002)


class Gate:
    """A reply that waits to be let go, and notes who came in."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered: list[str] = []

    def __call__(self, body: dict[str, Any]) -> str:
        self.entered.append(body["messages"][-1]["content"])
        assert self.open.wait(PATIENCE)
        return "Paris"


@contextmanager
def crowd(double: OllamaDouble, texts: list[str]) -> Iterator[list[Future[Answer]]]:
    """Send chats one after the other, each when the one before is served or waits."""

    def settled(number: int) -> Callable[[], bool]:
        return lambda: double.scheduler.active + double.waiting == number

    with ThreadPoolExecutor(len(texts)) as pool:
        futures = []
        for number, text in enumerate(texts, 1):
            futures.append(pool.submit(ask, double.url, "/api/chat", say(text)))
            until(settled(number))
        yield futures


@pytest.mark.parametrize("places", [1, 3])
def test_a_warm_model_serves_so_many_at_a_time_and_the_rest_in_order(places: int) -> None:
    gate = Gate()
    with OllamaDouble("student", num_parallel=places, max_queue=1) as double:
        ask(double.url, "/api/chat", say())
        double.reply = gate
        texts = [str(number) for number in range(8)]
        with crowd(double, texts) as futures:
            until(lambda: double.waiting == len(texts) - places)
            assert sorted(gate.entered) == texts[:places]
            gate.open.set()
        assert {future.result().status for future in futures} == {200}
        assert double.peak_active == places
        assert double.loads == 1
        assert double.waiting == 0
        if places == 1:
            assert gate.entered == texts


def test_loads_are_serial_and_their_queue_is_limited() -> None:
    names = [f"m{number}" for number in range(6)]
    with OllamaDouble(*names, load_seconds=0.15, max_queue=2) as double, ThreadPoolExecutor(6) as pool:
        began = time.monotonic()
        answers = list(pool.map(lambda name: ask(double.url, "/api/chat", say(model=name)), names))
        seconds = time.monotonic() - began
        refused = [answer for answer in answers if answer.status == 503]
        assert len(refused) == 3  # one load in service, two wait
        assert {answer.error for answer in refused} == {BUSY}
        assert "again.  maximum" in BUSY
        assert double.loads == 3
        assert seconds >= 3 * 0.15


def test_one_load_serves_all_who_wait_for_it() -> None:
    with OllamaDouble("student", load_seconds=0.1, num_parallel=4) as double, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda text: ask(double.url, "/api/chat", say(text)), "abcd"))
        assert {answer.status for answer in answers} == {200}
        assert double.loads == 1
        assert all(answer.json()["load_duration"] > 0 for answer in answers)


@pytest.mark.parametrize(
    ("first", "second", "loads"),
    [
        ({}, {}, 1),
        ({}, {"options": {"temperature": 1, "seed": 4, "num_predict": 5}}, 1),
        ({}, {"options": {"num_ctx": 4096}}, 1),
        ({}, {"options": {"num_ctx": 8192}}, 2),
        ({"options": {"num_ctx": 8192}}, {}, 2),
        ({"options": {"num_ctx": 8192}}, {"options": {"num_ctx": 8192}}, 1),
        ({}, {"options": {"num_batch": 64}}, 2),
        ({}, {"shift": False}, 2),
        ({"shift": False}, {"shift": False, "truncate": False}, 1),
    ],
)
def test_other_settings_reload_a_model(
    double: OllamaDouble, first: dict[str, Any], second: dict[str, Any], loads: int
) -> None:
    for more in (first, second, second):
        assert ask(double.url, "/api/chat", say(**more)).status == 200
    assert double.loads == loads


def test_a_context_that_nobody_asked_for_does_not_reload(double: OllamaDouble) -> None:
    ask(double.url, "/api/chat", say())
    double.default_ctx = 2048  # as when the server lowered it
    ask(double.url, "/api/chat", say())
    assert double.loads == 1
    assert ask(double.url, "/api/ps").json()["models"][0]["context_length"] == 4096


def test_names_that_share_weights_evict_each_other(double: OllamaDouble) -> None:
    ask(double.url, "/api/create", {"model": "wide", "from": "student", "parameters": {"num_ctx": 8192}})
    for name in ("student", "wide", "student", "wide"):
        ask(double.url, "/api/chat", say(model=name))
    assert double.loads == 4
    assert len(ask(double.url, "/api/ps").json()["models"]) == 1


def test_no_more_than_three_models_stay(double: OllamaDouble) -> None:
    for name in ("a", "b", "c", "student"):
        double.models.add(Model(name))
        ask(double.url, "/api/chat", say(model=name))
    running = {model["name"] for model in ask(double.url, "/api/ps").json()["models"]}
    assert running == {"b:latest", "c:latest", "student:latest"}


def test_a_runner_in_use_is_not_evicted() -> None:
    gate = Gate()
    with OllamaDouble("student", reply=gate) as double, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, double.url, "/api/chat", say("first"))
        until(lambda: gate.entered == ["first"])
        second = pool.submit(ask, double.url, "/api/chat", say("second", options={"num_ctx": 8192}))
        time.sleep(0.05)
        assert double.loads == 1
        gate.open.set()
        assert (first.result().status, second.result().status, double.loads) == (200, 200, 2)


def test_a_model_goes_when_its_time_is_up(double: OllamaDouble) -> None:
    ask(double.url, "/api/chat", say(keep_alive=0.3))
    assert len(ask(double.url, "/api/ps").json()["models"]) == 1
    time.sleep(0.31)
    assert ask(double.url, "/api/ps").json()["models"] == []
    ask(double.url, "/api/chat", say(keep_alive=0))
    assert ask(double.url, "/api/ps").json()["models"] == []
    assert double.loads == 2


def test_the_last_request_says_how_long_a_model_stays(double: OllamaDouble) -> None:
    for keep_alive in (-1, "7m"):
        ask(double.url, "/api/chat", say(keep_alive=keep_alive))
    (runner,) = double.scheduler.loaded()
    assert runner.keep_seconds == 420


def hang_up(double: OllamaDouble, text: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", int(double.url.rpartition(":")[2]))
    connection.request("POST", "/api/chat", json.dumps(say(text)).encode())
    return connection


def test_a_client_that_hangs_up_gives_its_turn_to_the_next() -> None:
    gate = Gate()
    with OllamaDouble("student", reply=gate) as double, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, double.url, "/api/chat", say("first"))
        until(lambda: gate.entered == ["first"])
        impatient = hang_up(double, "impatient")
        until(lambda: double.waiting == 1)
        third = pool.submit(ask, double.url, "/api/chat", say("third"))
        until(lambda: double.waiting == 2)
        impatient.close()
        until(lambda: double.waiting == 1)
        gate.open.set()
        assert (first.result().status, third.result().status) == (200, 200)
        assert gate.entered == ["first", "third"]


def test_a_client_that_hangs_up_while_it_is_served_frees_its_place() -> None:
    with OllamaDouble("student", latency=30) as double:
        impatient = hang_up(double, "impatient")
        until(lambda: double.scheduler.active == 1)
        impatient.close()
        until(lambda: double.scheduler.active == 0)
        double.latency = 0
        assert ask(double.url, "/api/chat", say()).status == 200


def test_queue_time_is_what_the_durations_leave_over() -> None:
    with OllamaDouble("student") as double:
        ask(double.url, "/api/chat", say())
        double.latency = 0.3
        with crowd(double, ["a", "b"]) as futures:
            pass
        parts = ("load_duration", "prompt_eval_duration", "eval_duration")
        answers = [future.result().json() for future in futures]
        first, second = ((each["total_duration"] - sum(each[part] for part in parts)) / 1e9 for each in answers)
        assert first < 0.15 < second


def test_latency_is_paid_once_per_chat_and_place() -> None:
    with OllamaDouble("student", latency=0.2, num_parallel=2) as double, ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        list(pool.map(lambda text: ask(double.url, "/api/chat", say(text)), "abcd"))
        assert 0.4 <= time.monotonic() - began < 0.75
        assert double.peak_active == 2


def test_closing_ends_what_waits() -> None:
    before = threading.active_count()
    with OllamaDouble("student", latency=60) as double, ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(ask, double.url, "/api/chat", say()) for _ in range(3)]
        until(lambda: double.waiting == 2)
        double.close()
        assert all(isinstance(future.exception(), ConnectionError) for future in futures)
    assert threading.active_count() == before
