"""The loaded checkpoints: so many at once, and the least recently used gives way."""

from __future__ import annotations

import gc
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lms.in_process.checkpoint import Checkpoint


class Shelf:
    """Holds at most ``most`` checkpoints, for all threads; one in use is never unloaded.

    A thread that has borrowed a checkpoint must give it back before it borrows another: two that waited for each
    other's would wait for ever.
    """

    def __init__(self, most: int = 2):
        if most < 1:
            raise ValueError(f"a shelf holds at least 1 checkpoint, not {most}")
        self.most = most
        self._changed = threading.Condition()
        self._checkpoints: OrderedDict[str, Checkpoint] = OrderedDict()  # least recently used first
        self._loading: set[str] = set()
        self._users: Counter[str] = Counter()

    @property
    def loaded(self) -> list[str]:
        """The paths of the loaded checkpoints, least recently used first."""
        with self._changed:
            return list(self._checkpoints)

    @contextmanager
    def borrow(self, path: str) -> Iterator[Checkpoint]:
        """Give a checkpoint for as long as the context lasts; load it before if need be, once for all who wait.

        Keep no reference to it afterwards, or its memory stays taken when it is unloaded.

        Raises:
            ModelError: it cannot be loaded.
        """
        checkpoint = self._take(path)
        try:
            yield checkpoint
        finally:
            with self._changed:
                self._users[path] -= 1
                self._checkpoints.move_to_end(path)
                self._changed.notify_all()

    def unload(self, path: str) -> None:
        """Unload a checkpoint, once nobody uses it; one that is not loaded is none of our business."""
        with self._changed:
            self._changed.wait_for(lambda: not self._users[path] and path not in self._loading)
            gone = self._checkpoints.pop(path, None) is not None
            self._changed.notify_all()
        if gone:
            free_memory()

    def _take(self, path: str) -> Checkpoint:
        with self._changed:
            while True:
                if path in self._checkpoints:
                    self._users[path] += 1
                    self._checkpoints.move_to_end(path)
                    return self._checkpoints[path]
                if path not in self._loading and (gone := self._make_room()) is not None:
                    self._loading.add(path)
                    break
                self._changed.wait()
        checkpoint = None
        try:
            if gone:
                free_memory()
            checkpoint = _load(path)
        finally:
            with self._changed:
                self._loading.discard(path)
                if checkpoint is not None:
                    self._checkpoints[path] = checkpoint
                    self._users[path] += 1
                self._changed.notify_all()
        return checkpoint

    def _make_room(self) -> list[str] | None:
        """Return the paths that gave way for one more; None where there is no room as long as all are in use."""
        gone = []
        while len(self._checkpoints) + len(self._loading) >= self.most:
            idle = next((path for path in self._checkpoints if not self._users[path]), None)
            if idle is None:
                return None
            del self._checkpoints[idle]
            gone.append(idle)
        return gone


def free_memory() -> None:
    """Give the memory of what is no longer referenced back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(path: str) -> Checkpoint:
    from lms.in_process.checkpoint import Checkpoint

    return Checkpoint(path)
