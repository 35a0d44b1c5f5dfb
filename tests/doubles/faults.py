"""Faults: which request meets which, and how often each was really met."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any

KINDS = (
    "delay", "slow_load", "load_fail", "busy", "status", "reset", "reset_mid", "eof_mid", "abort_no_done", "error_mid",
    "content", "thinking_only", "format_ignored", "overflow", "gone", "early_200", "slow_chunks",
)  # fmt: skip

INFERENCE = ("/api/chat", "/api/generate", "/v1/chat/completions")
STREAMED = (*INFERENCE, "/api/pull", "/api/create")
BUSY = "server busy, please try again.  maximum pending requests exceeded"  # two spaces, as a real server has it
RUNNER_CRASH = (
    "llama-server chat error: map[code:500 message:The model produced output that does not match the expected "
    "peg-native format type:server_error]"
)
LOAD_FAILURE = "llama-server process has terminated: exit status 1: error loading model: unable to allocate CPU buffer"

_ANYWHERE = {"delay", "status", "reset", "reset_mid", "eof_mid"}
_OF_STREAMS = {"error_mid"}


@dataclass
class Fault:
    """What goes wrong, for the requests whose path matches ``path`` (a pattern as of `fnmatch`).

    The first fault that matches a request and can happen to it is used up by it: ``times`` requests meet the fault
    after ``skip`` were let pass.

    | kind | what the client sees | uses |
    |---|---|---|
    | delay | nothing for ``seconds``, then the answer | seconds |
    | slow_load, load_fail | the runner is found dead and loaded anew: slowly, or 500 | seconds; text |
    | busy | 503, the queue is full | |
    | status | any status and body, as proxies and captive portals send | status, body, headers |
    | reset | the connection is reset before an answer | |
    | reset_mid, eof_mid | reset, or ended without a word, after so many chunks; without streaming half a body | after |
    | abort_no_done | the answer ends early without `done`; without streaming 200 and `done: false` | after |
    | error_mid | `{"error": …}` after so many chunks; without streaming 500 | after, text |
    | content | another text; where ``after`` is given the reason is `length`, as if cut there | text, after |
    | thinking_only | all budget spent on thinking: no content, reason `length` | text |
    | format_ignored | prose although a `format` was given | text |
    | overflow | the prompt counts as too long | |
    | gone | the model was deleted in the meantime: 404 | |
    | early_200 | a blob's upload is answered, and the connection closed, before its body was read | |
    | slow_chunks | ``seconds`` between tokens | seconds |
    """

    kind: str
    path: str = "*"
    times: int = 1
    skip: int = 0
    after: int | None = None
    status: int = 500
    body: bytes | dict[str, Any] | str = b""
    seconds: float = 0.0
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")

    @property
    def chunks(self) -> int:
        """How many chunks get through."""
        return 1 if self.after is None else self.after

    def can_happen(self, path: str, body: dict[str, Any] | None) -> bool:
        """Tell whether this kind of fault makes sense for a request."""
        if self.kind in _ANYWHERE:
            return True
        if self.kind == "early_200":
            return path.startswith("/api/blobs/")
        if self.kind == "format_ignored":
            return path in INFERENCE and any((body or {}).get(name) for name in ("format", "response_format"))
        return path in (STREAMED if self.kind in _OF_STREAMS else INFERENCE)


@dataclass
class Spread:
    """Faults that a share of the requests on one path meets, drawn by a seeded generator."""

    share: float
    faults: Sequence[Fault]
    path: str
    rng: random.Random

    def draw(self, path: str) -> Fault | None:
        """Draw for one request."""
        if not fnmatch(path, self.path) or self.rng.random() >= self.share:
            return None
        return replace(self.rng.choice(self.faults))


class FaultBook:
    """The faults to come, and a count of those that came."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.spreads: list[Spread] = []
        self.injected = Counter[str]()
        self._lock = threading.Lock()

    def take(self, path: str, body: dict[str, Any] | None) -> Fault | None:
        """Return the fault that a request meets, if any, and use it up."""
        with self._lock:
            for fault in list(self.faults):
                if not fnmatch(path, fault.path) or not fault.can_happen(path, body):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
            drawn = [spread.draw(path) for spread in self.spreads]
            return next((each for each in drawn if each and each.can_happen(path, body)), None)

    def note(self, kind: str) -> None:
        """Count a fault that really happened."""
        with self._lock:
            self.injected[kind] += 1
