"""One request on its way through the double."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.doubles.faults import Fault

if TYPE_CHECKING:
    from tests.doubles.ollama import OllamaDouble

POLL_SECONDS = 0.1  # how soon a wait notices that the client is gone


class ClientGone(Exception):
    """Nobody waits for the answer any more; a real server logs 499 and gives the place to the next."""


@dataclass(frozen=True)
class Recorded:
    """A request as it arrived: header names in lower case, the body parsed where it is JSON."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    time: float


@dataclass
class Call:
    """A request, the fault that it meets, and the double that answers it."""

    double: OllamaDouble
    recorded: Recorded
    raw: bytes
    connection: socket.socket
    fault: Fault | None = None
    arrived: int = field(default_factory=time.monotonic_ns)
    happened: bool = False

    def meets(self, *kinds: str) -> Fault | None:
        """Return the call's fault if it is of one of these kinds, and count it: the caller makes it happen."""
        if self.fault is None or self.fault.kind not in kinds:
            return None
        if not self.happened:
            self.happened = True
            self.double.book.note(self.fault.kind)
        return self.fault

    def pause(self, seconds: float) -> None:
        """Sleep, though not longer than the client waits and the double runs; raises ClientGone."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.double.closing.wait(min(left, POLL_SECONDS))
            self.check_client()

    def check_client(self) -> None:
        """Raise ClientGone if the client closed the connection, or the double is being closed."""
        if self.double.closing.is_set():
            raise ClientGone
        try:
            alive = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise ClientGone from error
        if not alive:
            raise ClientGone
