"""What the calls of a run cost: nothing is lost by a kill, and no limit is passed by a call more."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
from collections import Counter
from pathlib import Path

import pytest
from dspy.lm15 import Usage
from pydantic import ValidationError

from corpus.errors import RunError
from lms import ledger as ledgers
from lms.ledger import Ledger, LimitReached
from lms.limits import LimitsConfig
from lms.spec import ModelSpec, Prices

FREE = ModelSpec(model="scripted/counsel")
PAID = ModelSpec(model="openai/gpt-x", prices=Prices(input=2, output=10))


def call(
    ledger: Ledger, role: str = "teacher", spec: ModelSpec = FREE, read: int = 0, written: int = 0, failed: str = ""
) -> None:
    ledger.begin()
    ledger.end(role, spec, 0.5, Usage(input_tokens=read, output_tokens=written), failed)


def test_it_adds_up_by_stage_and_role() -> None:
    ledger = Ledger("generate")
    call(ledger, "teacher", read=100, written=20)
    call(ledger, "teacher", read=50, written=10)
    call(ledger, "judge", read=7)
    assert {
        key: (each.calls, each.input_tokens, each.output_tokens, each.seconds) for key, each in ledger.spent.items()
    } == {
        ("generate", "teacher"): (2, 150, 30, 1.0),
        ("generate", "judge"): (1, 7, 0, 0.5),
    }
    total = ledger.total
    assert (total.calls, total.input_tokens, total.output_tokens, total.money) == (3, 157, 30, 0)


def test_calls_that_brought_no_answer_are_counted_by_reason() -> None:
    ledger = Ledger("generate")
    for failed in ("server busy", "answer cut", "server busy", ""):
        call(ledger, read=10, failed=failed)
    assert ledger.total.failed == Counter({"server busy": 2, "answer cut": 1})
    assert (ledger.total.calls, ledger.total.input_tokens) == (4, 40)  # what was read is paid


@pytest.mark.parametrize("usage", [None, Usage()])
def test_a_call_whose_tokens_nobody_counted_is_a_call(usage: Usage | None) -> None:
    ledger = Ledger("generate")
    ledger.begin()
    ledger.end("teacher", PAID, 0.1, usage)
    assert (ledger.total.calls, ledger.total.input_tokens, ledger.total.money) == (1, 0, 0)


def test_money_is_tokens_times_prices_per_million() -> None:
    ledger = Ledger("generate")
    call(ledger, spec=PAID, read=1_000_000, written=500_000)
    call(ledger, spec=FREE, read=1_000_000)
    assert math.isclose(ledger.total.money, 2 + 5)
    assert math.isclose(ledger.as_json()["generate"]["teacher"]["money"], 7)


def test_the_total_is_a_picture_of_the_moment() -> None:
    ledger = Ledger("generate")
    call(ledger, failed="server busy")
    before = ledger.total
    call(ledger, failed="server busy")
    assert (before.calls, before.failed) == (1, {"server busy": 1})


def test_as_json_holds_stages_roles_and_their_sum() -> None:
    ledger = Ledger("generate")
    call(ledger, "teacher", PAID, 3, 1, failed="server busy")
    call(ledger, "judge", FREE, 3, 1)
    spent = json.loads(json.dumps(ledger.as_json()))
    assert spent["generate"]["teacher"] == {
        "calls": 1, "input_tokens": 3, "output_tokens": 1, "seconds": 0.5, "money": 0.000016,
        "failed": {"server busy": 1},
    }  # fmt: skip
    assert spent["generate"]["judge"]["failed"] == {}
    assert spent["total"] == {
        "calls": 2, "input_tokens": 6, "output_tokens": 2, "seconds": 1.0, "money": 0.000016,
        "failed": {"server busy": 1},
    }  # fmt: skip
    assert list(spent) == ["generate", "total"]
    assert Ledger("exam").as_json() == {
        "total": {"calls": 0, "input_tokens": 0, "output_tokens": 0, "seconds": 0.0, "money": 0.0, "failed": {}}
    }


# Limits


def test_without_limits_nothing_stops() -> None:
    ledger = Ledger("generate")
    for _ in range(100):
        call(ledger, read=10**9)


def test_calls_are_exact_with_many_threads() -> None:
    ledger, begun, stopped = Ledger("generate", limits=LimitsConfig(calls=100)), [], []
    together = threading.Barrier(16)

    def work() -> None:
        together.wait()
        while True:
            try:
                ledger.begin()
            except LimitReached:
                stopped.append(True)
                return
            begun.append(True)
            ledger.end("teacher", FREE, 0.0, failed="server busy" if len(begun) % 3 else "")

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(stopped), ledger.total.calls) == (100, 16, 100)


def test_calls_under_way_count_towards_the_limit() -> None:
    ledger = Ledger("generate", limits=LimitsConfig(calls=2))
    ledger.begin()
    ledger.begin()
    with pytest.raises(LimitReached, match=r"limits\.calls = 2 is reached"):
        ledger.begin()
    assert ledger.total.calls == 0


@pytest.mark.parametrize(
    ("limits", "allowed", "said"),
    [
        (LimitsConfig(tokens=2000), 2, r"limits\.tokens = 2,000 is reached \(2,400 tokens\)"),
        (LimitsConfig(money=0.0065), 2, r"limits\.money = 0\.0065 is reached \(0\.008 spent\)"),
        (LimitsConfig(calls=3), 3, r"limits\.calls = 3 is reached"),
        (LimitsConfig(calls=3, tokens=2000, money=100), 2, r"limits\.tokens"),
    ],
)
def test_no_call_is_begun_once_a_limit_is_reached(limits: LimitsConfig, allowed: int, said: str) -> None:
    ledger = Ledger("generate", limits=limits)
    for _ in range(allowed):
        call(ledger, spec=PAID, read=1000, written=200)
    for _ in range(2):
        with pytest.raises(LimitReached, match=said):
            ledger.begin()
    assert ledger.total.calls == allowed


def test_minutes_are_those_of_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 50.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(ledgers, "time", clock)
    limits = LimitsConfig(minutes=1.5)
    with Ledger("generate", tmp_path / "calls.jsonl", limits) as ledger:
        clock.now += 89.9
        call(ledger)
        clock.now += 0.2
        with pytest.raises(LimitReached, match=r"limits\.minutes = 1\.5 is reached"):
            ledger.begin()
    with Ledger("generate", tmp_path / "calls.jsonl", limits) as ledger:
        call(ledger)


@pytest.mark.parametrize("limits", [{"calls": 0}, {"tokens": 0}, {"money": 0}, {"minutes": 0}, {"hours": 1}])
def test_a_limit_that_allows_nothing_or_has_no_such_name_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(limits))):
        LimitsConfig.model_validate(limits)


# The file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of two stages: three calls, one of them failed, and one paid."""
    path = tmp_path / "calls.jsonl"
    with Ledger("generate", path) as ledger:
        call(ledger, "teacher", PAID, 1000, 200)
        call(ledger, "judge", FREE, 10, 2, failed="answer cut")
    with Ledger("exam", path) as ledger:
        call(ledger, "student", FREE, 100, 20)
    return path


def test_a_ledger_that_is_opened_again_goes_on(path: Path) -> None:
    with Ledger("exam", path) as ledger:
        assert set(ledger.spent) == {("generate", "teacher"), ("generate", "judge"), ("exam", "student")}
        call(ledger, "student", FREE, 1)
        assert (ledger.total.calls, ledger.total.input_tokens) == (4, 1111)
        assert math.isclose(ledger.total.money, 0.004)
        assert ledger.total.failed == {"answer cut": 1}
        live = ledger.as_json()
    with Ledger("later", path) as ledger:
        assert ledger.as_json() == live


@pytest.mark.parametrize("limits", [LimitsConfig(calls=3), LimitsConfig(tokens=1332), LimitsConfig(money=0.004)])
def test_what_was_spent_before_counts_towards_the_limits(path: Path, limits: LimitsConfig) -> None:
    with Ledger("exam", path, limits) as ledger, pytest.raises(LimitReached):
        ledger.begin()
    higher = LimitsConfig.model_validate(
        {name: 2 * value for name, value in limits.model_dump(exclude_none=True).items()}
    )
    with Ledger("exam", path, higher) as ledger:
        ledger.begin()


@pytest.mark.parametrize("cut", [1, 20, 90])
def test_a_torn_last_line_costs_one_call(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    with Ledger("exam", path) as ledger:
        assert ledger.total.calls == 2
        call(ledger)
    with Ledger("exam", path) as ledger:
        assert ledger.total.calls == 3


@pytest.mark.parametrize(
    "bad",
    [
        "not json",
        "[1, 2]",
        "null",
        "{}",
        '{"stage": "x", "role": "y", "model": "z", "seconds": 1, "input_tokens": "many", "output_tokens": 1}',
        '{"stage": ["x"], "role": "y", "model": "z", "seconds": 1, "input_tokens": 1, "output_tokens": 1}',
        "\x00" * 30,
    ],
)
def test_a_line_in_the_middle_that_is_no_call_is_named(path: Path, bad: str) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], bad, *lines[1:]]) + "\n")
    with (
        pytest.raises(RunError, match=r"calls\.jsonl, line 2: not a call; remove the line") as caught,
        Ledger("x", path),
    ):
        pass
    assert len(str(caught.value).splitlines()) == 1


def test_each_call_is_in_the_file_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "calls.jsonl"
    with Ledger("generate", path) as ledger:
        call(ledger, "teacher", PAID, 10, 2, failed="answer cut")
        call(ledger, "judge", FREE, 1, 2)
        paid, free = (json.loads(line) for line in path.read_text().splitlines())
    assert (paid["stage"], paid["role"], paid["model"], paid["failed"]) == (
        "generate", "teacher", "openai/gpt-x", "answer cut",
    )  # fmt: skip
    assert math.isclose(paid["money"], 0.00004)
    assert not {"failed", "money"} & set(free)


def test_a_full_disk_is_told_and_the_call_still_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Ledger("generate", path) as ledger:
        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(RunError, match=r"calls\.jsonl: the disk is full"):
            call(ledger)
        assert ledger.total.calls == 4
