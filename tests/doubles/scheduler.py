"""Loading models, the queue for that, and the places of a loaded one.

Clients should know two things.  A request for a loaded model is never refused: it waits its turn without limit, so
time-outs must allow for everyone in front.  And a request with another context size reloads the model.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.doubles.call import POLL_SECONDS, Call, ClientGone
from tests.doubles.faults import BUSY, LOAD_FAILURE
from tests.doubles.models import Model
from tests.doubles.wire import Refusal

MAX_LOADED = 3
LOAD_TIME_OPTIONS = ("num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread")
_EVICTION_SECONDS = 0.005  # between looks at whether a runner that has to go is idle


class Places:
    """So many places, handed out first come, first served, to as many as wait."""

    def __init__(self, number: int):
        self._free, self._queue, self._lock = number, deque[threading.Event](), threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    def take(self, check: Callable[[], None]) -> None:
        """Wait for a place; ``check`` raises when the client has gone, and the place goes to the next."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._queue.append(turn)
        try:
            while not turn.wait(POLL_SECONDS):
                check()
        except ClientGone:
            with self._lock:
                if turn in self._queue:
                    self._queue.remove(turn)
                    raise
            self.give_back()
            raise

    def give_back(self) -> None:
        """Hand the place to whoever has waited longest."""
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._free += 1


@dataclass(frozen=True)
class Launch:
    """What a runner is started with; a request that needs other values reloads the model."""

    ctx: int
    automatic: bool  # nobody asked for this context size
    settings: tuple[Any, ...]

    def serves(self, wanted: Launch) -> bool:
        """Tell whether a runner started so can serve a request."""
        same_ctx = self.ctx == wanted.ctx or (self.automatic and wanted.automatic)
        return same_ctx and self.settings == wanted.settings


@dataclass(eq=False)
class Runner:
    """A loaded model."""

    model: Model
    launch: Launch
    places: Places
    keep_seconds: float
    users: int = 0
    expires: float = math.inf
    stale: bool = False


class Scheduler:
    """Who is loaded, who waits, and counters of both."""

    def __init__(self, num_parallel: int, max_queue: int, load_seconds: float):
        self.num_parallel, self.max_queue, self.load_seconds = num_parallel, max_queue, load_seconds
        self.loads = self.active = self.peak_active = 0
        self._runners: dict[str, Runner] = {}  # by blob
        self._pending = 0
        self._loading = Places(1)
        self._lock = threading.RLock()

    @property
    def waiting(self) -> int:
        """How many requests wait for a load or for a place."""
        with self._lock:
            return self._loading.waiting + sum(runner.places.waiting for runner in self._runners.values())

    @contextmanager
    def runner(self, call: Call, model: Model, launch: Launch, keep_seconds: float) -> Iterator[Runner]:
        """Provide a runner, loading the model if need be, and keep it loaded for so long after its last request.

        Raises:
            Refusal: 503 when too many wait for a load, 500 when the load fails.
            ClientGone: the client did not wait.
        """
        runner = self._acquire(call, model, launch, keep_seconds)
        try:
            yield runner
        finally:
            with self._lock:
                runner.users -= 1
                runner.expires = time.monotonic() + runner.keep_seconds
                self._forget_expired()

    @contextmanager
    def place(self, call: Call, runner: Runner) -> Iterator[None]:
        """Wait for one of a runner's places and hold it."""
        runner.places.take(call.check_client)
        with self._lock:
            self.active += 1
            self.peak_active = max(self.peak_active, self.active)
        try:
            yield
        finally:
            with self._lock:
                self.active -= 1
            runner.places.give_back()

    def unload(self, model: Model) -> None:
        """Let a runner go once it is idle."""
        with self._lock:
            if runner := self._runners.get(model.blob):
                runner.keep_seconds, runner.expires = 0.0, time.monotonic()
                self._forget_expired()

    def mark_stale(self, model: Model) -> None:
        """The model was made anew, or its runner died: the next request loads it again."""
        with self._lock:
            if runner := self._runners.get(model.blob):
                runner.stale = True

    def loaded(self) -> list[Runner]:
        """The loaded runners, those that stay longest first."""
        with self._lock:
            self._forget_expired()
            return sorted(self._runners.values(), key=lambda runner: runner.expires, reverse=True)

    def _acquire(self, call: Call, model: Model, launch: Launch, keep_seconds: float) -> Runner:
        with self._lock:
            self._forget_expired()
            if call.meets("slow_load", "load_fail"):
                self.mark_stale(model)
            if runner := self._ready(model, launch):
                return self._use(runner, keep_seconds)
            if self._pending > self.max_queue:  # one load in service and max_queue behind it
                raise Refusal(503, BUSY)
            self._pending += 1
        try:
            self._loading.take(call.check_client)
            try:
                return self._load(call, model, launch, keep_seconds)
            finally:
                self._loading.give_back()
        finally:
            with self._lock:
                self._pending -= 1

    def _load(self, call: Call, model: Model, launch: Launch, keep_seconds: float) -> Runner:
        while True:
            with self._lock:
                if runner := self._ready_for(call, model, launch):
                    return self._use(runner, keep_seconds)
                victim = self._in_the_way(model)
                if victim is None:
                    break
                if not victim.users:
                    del self._runners[victim.model.blob]
                    continue
            call.pause(_EVICTION_SECONDS)
        slow = call.meets("slow_load")
        call.pause(self.load_seconds + (slow.seconds if slow else 0.0))
        if failed := call.meets("load_fail"):
            raise Refusal(500, failed.text or LOAD_FAILURE)
        with self._lock:
            self.loads += 1
            runner = Runner(model, launch, Places(self.num_parallel), keep_seconds)
            self._runners[model.blob] = runner
            return self._use(runner, keep_seconds)

    def _ready(self, model: Model, launch: Launch) -> Runner | None:
        runner = self._runners.get(model.blob)
        return runner if runner and not runner.stale and runner.launch.serves(launch) else None

    def _ready_for(self, call: Call, model: Model, launch: Launch) -> Runner | None:
        """The runner that another request loaded meanwhile; a call whose own load is to go wrong loads all the same."""
        return None if call.meets("slow_load", "load_fail") else self._ready(model, launch)

    def _use(self, runner: Runner, keep_seconds: float) -> Runner:
        runner.users += 1
        runner.keep_seconds, runner.expires = keep_seconds, time.monotonic() + keep_seconds
        return runner

    def _in_the_way(self, model: Model) -> Runner | None:
        if model.blob in self._runners:
            return self._runners[model.blob]
        if len(self._runners) < MAX_LOADED:
            return None
        return min(self._runners.values(), key=lambda runner: (runner.users > 0, runner.expires))

    def _forget_expired(self) -> None:
        now = time.monotonic()
        for blob, runner in list(self._runners.items()):
            if not runner.users and runner.expires <= now:
                del self._runners[blob]
