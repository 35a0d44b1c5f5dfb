from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import dspy
import dspy.evaluate.evaluate
import dspy.predict.parallel
import pytest
from dspy.utils.parallelizer import ParallelExecutor

from corpus.errors import LimitError, RunError
from optimizers.quiet import dspy_at_work
from optimizers.watch import Halted


class Echo(dspy.Module):
    def forward(self, number: int) -> dspy.Prediction:
        sys.stdout.write(f"at {number}\n")
        return dspy.Prediction(number=number)


def evaluate(metric: Any, count: int, threads: int) -> Any:
    devset = [dspy.Example(number=number).with_inputs("number") for number in range(count)]
    return dspy.Evaluate(devset=devset, metric=metric, num_threads=threads, max_errors=1)(Echo())


def right(example: Any, made: Any, trace: Any = None) -> float:
    return float(example.number == made.number)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_printed_goes_into_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str], threads: int) -> None:
    out, err = sys.stdout, sys.stderr
    log = tmp_path / "optimizer.log"
    log.write_text("before\n")
    with dspy_at_work(log):
        assert evaluate(right, 4, threads).score == 100
        sys.stderr.write("a word\n")
    assert (sys.stdout, sys.stderr) == (out, err)
    assert capfd.readouterr() == ("", "")
    lines = log.read_text().splitlines()
    assert lines[0] == "before"
    assert {"at 0", "at 1", "at 2", "at 3", "a word"} <= set(lines)


def test_a_slow_call_is_waited_for_and_not_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As DSPy does after 120 s; here after 10 ms."""
    starts: list[int] = []

    def slow(example: Any, made: Any, trace: Any = None) -> float:
        starts.append(example.number)
        time.sleep(1.2 if example.number == 1 else 0)  # the pool looks once a second
        return 1.0

    monkeypatch.setattr(
        ParallelExecutor.__init__, "__defaults__", (*ParallelExecutor.__init__.__defaults__[:-2], 0.01, 3)
    )
    with dspy_at_work(tmp_path / "log"):
        evaluate(slow, 2, 2)
    assert sorted(starts) == [0, 1]
    assert dspy.evaluate.evaluate.ParallelExecutor is ParallelExecutor  # here it would be sent again


@pytest.mark.parametrize("error", [Halted(LimitError("spent")), ValueError("bug"), KeyboardInterrupt()])
def test_all_is_as_before_after_an_error(tmp_path: Path, error: BaseException) -> None:
    out = sys.stdout

    def fail() -> None:
        assert dspy.evaluate.evaluate.ParallelExecutor is not ParallelExecutor
        raise error

    with pytest.raises(type(error)), dspy_at_work(tmp_path / "log"):
        fail()
    assert sys.stdout is out
    assert dspy.evaluate.evaluate.ParallelExecutor is ParallelExecutor
    assert dspy.predict.parallel.ParallelExecutor is ParallelExecutor


@pytest.mark.parametrize("threads", [1, 4])
def test_when_a_compilation_is_halted_nothing_is_left_under_way(tmp_path: Path, threads: int) -> None:
    begun, ended, both = [], [], threading.Barrier(min(threads, 2))

    def halting(example: Any, made: Any, trace: Any = None) -> float:
        begun.append(example.number)
        if example.number == 0:
            both.wait(5)
            raise Halted(LimitError("spent"))
        if example.number == 1:
            both.wait(5)
        time.sleep(0.1)
        ended.append(example.number)
        return 1.0

    with pytest.raises(Halted, match="spent"), dspy_at_work(tmp_path / "log"):
        evaluate(halting, 40, threads)
    assert len(begun) == len(ended) + 1 < 3 * threads
    time.sleep(0.15)
    assert len(begun) == len(ended) + 1


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"none/log: cannot be written \(No such file"),
        dspy_at_work(tmp_path / "none/log"),
    ):
        pass
