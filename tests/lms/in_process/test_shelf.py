from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from corpus.errors import ModelError
from lms.in_process.shelf import Shelf

SOON = 20.0  # seconds within which a thread must come to its end


class Fake:
    """A checkpoint that takes a while to load; `loads` has a path for each time."""

    loads: list[str] = []  # noqa: RUF012

    def __init__(self, path: str):
        self.loads.append(path)
        time.sleep(0.02)
        if path == "broken":
            raise ModelError("model 'broken' cannot be loaded")
        self.path = path


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("lms.in_process.checkpoint.Checkpoint", Fake)
    monkeypatch.setattr(Fake, "loads", [])
    return Fake.loads


def use(shelf: Shelf, path: str) -> None:
    with shelf.borrow(path):
        pass


def borrow_in_thread(shelf: Shelf, path: str) -> tuple[threading.Thread, threading.Event]:
    """A thread that borrows, and an event for when it has got it."""
    got = threading.Event()

    def run() -> None:
        with shelf.borrow(path):
            got.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, got


def test_the_least_recently_used_gives_way(loads: list[str]) -> None:
    shelf = Shelf(most=2)
    for path in ("a", "b", "a", "c"):
        use(shelf, path)
    assert shelf.loaded == ["a", "c"]
    use(shelf, "b")
    assert shelf.loaded == ["c", "b"]
    assert loads == ["a", "b", "c", "b"]


def test_an_unloaded_checkpoint_is_gone_from_memory(loads: list[str]) -> None:
    shelf = Shelf(most=1)
    with shelf.borrow("a") as checkpoint:
        first = weakref.ref(checkpoint)
    del checkpoint
    use(shelf, "b")
    assert first() is None
    with shelf.borrow("b") as checkpoint:
        second = weakref.ref(checkpoint)
    del checkpoint
    shelf.unload("b")
    assert second() is None
    assert shelf.loaded == []


def test_one_in_use_is_not_unloaded_and_who_needs_room_waits(loads: list[str]) -> None:
    shelf = Shelf(most=1)
    with shelf.borrow("a"), shelf.borrow("a"):
        thread, got = borrow_in_thread(shelf, "b")
        assert not got.wait(0.1)
        assert shelf.loaded == ["a"]
    assert got.wait(SOON)
    thread.join(SOON)
    assert shelf.loaded == ["b"]


def test_the_idle_one_gives_way_though_it_was_used_later(loads: list[str]) -> None:
    shelf = Shelf(most=2)
    with shelf.borrow("a"):
        use(shelf, "b")
        use(shelf, "c")
        assert shelf.loaded == ["a", "c"]


def test_unloading_waits_for_who_uses_it(loads: list[str]) -> None:
    shelf = Shelf()
    with shelf.borrow("a"):
        thread = threading.Thread(target=shelf.unload, args=("a",))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        assert shelf.loaded == ["a"]
    thread.join(SOON)
    assert shelf.loaded == []
    shelf.unload("never heard of")


def test_many_threads_load_it_once(loads: list[str]) -> None:
    shelf = Shelf()
    barrier = threading.Barrier(8)

    def borrow(_: int) -> int:
        barrier.wait()
        with shelf.borrow("a") as checkpoint:
            return id(checkpoint)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(borrow, range(8)))) == 1
    assert loads == ["a"]


def test_many_threads_with_more_checkpoints_than_room_all_come_to_their_end(loads: list[str]) -> None:
    shelf = Shelf(most=2)
    most = 0

    def borrow(n: int) -> None:
        nonlocal most
        with shelf.borrow("abcd"[n % 4]) as checkpoint:
            most = max(most, len(shelf.loaded))
            assert checkpoint.path == "abcd"[n % 4]

    with ThreadPoolExecutor(8) as pool:
        done, waiting = wait([pool.submit(borrow, n) for n in range(16)], timeout=SOON)
        assert not waiting
        assert all(future.exception() is None for future in done)
    assert most == 2


def test_one_that_cannot_be_loaded_takes_no_room(loads: list[str]) -> None:
    shelf = Shelf(most=1)
    for _ in range(2):
        with pytest.raises(ModelError, match="broken"):
            use(shelf, "broken")
    assert shelf.loaded == []
    use(shelf, "a")
    assert loads == ["broken", "broken", "a"]


def test_an_error_while_it_is_used_gives_it_back(loads: list[str]) -> None:
    shelf = Shelf(most=1)
    with pytest.raises(RuntimeError, match="mine"), shelf.borrow("a"):
        raise RuntimeError("mine")
    use(shelf, "b")
    assert shelf.loaded == ["b"]


def test_a_shelf_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 checkpoint, not 0"):
        Shelf(most=0)


def test_real_weights_are_freed(student: Path, architectures: dict[str, Path]) -> None:
    shelf = Shelf(most=1)
    with shelf.borrow(str(student)) as checkpoint:
        weights = weakref.ref(checkpoint.model.get_input_embeddings())
    del checkpoint
    use(shelf, str(architectures["qwen2"]))
    gc.collect()
    assert weights() is None
    assert shelf.loaded == [str(architectures["qwen2"])]
