"""HTTP to one Ollama server, with few connections that are used again.

The standard library's client, in a pool that all threads share: measured at 64 calls at once it takes half the CPU of
urllib3 and a fraction of httpx, whose shared pool looks through all connections at each request.  No proxy is used, so
that a proxy of the environment never stands before a local server.
"""

from __future__ import annotations

import json
import selectors
import ssl
import time
import weakref
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from dspy import lm15

from lms.faults import UNREACHABLE

CONNECT_SECONDS = 10.0
FRESH = 1.0  # seconds for which a connection is taken to be open still; after that it is looked at first


class Connection:
    """Sends requests to a server; thread-safe.

    Args:
        base_url: such as http://127.0.0.1:11434; a path is kept as a prefix.
        key: sent as a bearer token, for a server behind a gateway.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, base_url: str, key: str | None = None, timeout: float = 600.0):
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._parts = urlsplit(self.base_url)
        self._tls = ssl.create_default_context() if self._parts.scheme == "https" else None
        self._idle: deque[tuple[HTTPConnection, float]] = deque()  # with the time of their last answer
        weakref.finalize(self, _hang_up, self._idle)

    def close(self) -> None:
        """Close what connections are kept."""
        _hang_up(self._idle)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str, float | None]:
        """Return status, text, and the seconds of a Retry-After.

        Raises:
            lm15.TransportError: no connection (code `unreachable`), or it was lost.
            lm15.TimeoutError: no answer in time.
        """
        data = None if body is None else json.dumps(body).encode()
        connection = self._take()
        try:
            connection.request(method, self._parts.path + path, data, self.headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except TimeoutError as error:
            connection.close()
            message = f"no answer in {self.timeout:g} s; raise timeout if the model is slow"
            raise lm15.TimeoutError(message, provider="ollama") from error
        except (OSError, HTTPException) as error:
            connection.close()
            raise lm15.TransportError("the connection to Ollama was lost", provider="ollama") from error
        if answer.will_close:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))
        return answer.status, text, _seconds(answer.headers["Retry-After"])

    def _take(self) -> HTTPConnection:
        """Return an open connection: the one that was used last, or a new one."""
        while self._idle:
            try:
                connection, used = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if time.monotonic() - used < FRESH or not _is_readable(connection):
                return connection
            connection.close()  # by the server, or it speaks out of turn
        host, port = self._parts.hostname or "", self._parts.port
        seconds = min(CONNECT_SECONDS, self.timeout)
        connection = (
            HTTPSConnection(host, port, timeout=seconds, context=self._tls)
            if self._tls
            else HTTPConnection(host, port, timeout=seconds)
        )
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # the latter from a name that cannot be one
            message = f"cannot reach Ollama at {self.base_url}; is `ollama serve` running?"
            raise lm15.TransportError(message, provider="ollama", provider_code=UNREACHABLE) from error
        connection.sock.settimeout(self.timeout)
        return connection


def _hang_up(idle: deque[tuple[HTTPConnection, float]]) -> None:
    while idle:
        idle.pop()[0].close()


def _is_readable(connection: HTTPConnection) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _seconds(value: str | None) -> float | None:
    """Read a Retry-After header: seconds, or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
