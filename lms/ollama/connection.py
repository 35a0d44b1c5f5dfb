"""HTTP to one Ollama server, with few connections that are used again.

One urllib3 pool serves all threads: taking a connection from it costs microseconds, where httpx looks through all of
them at each request.  No proxy is used, so that a proxy of the environment never stands before a local server.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from dspy import lm15
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationParseError, NewConnectionError, ReadTimeoutError

from lms.faults import UNREACHABLE

CONNECT_SECONDS = 10.0


class Connection:
    """Sends requests to a server; thread-safe.

    Args:
        base_url: such as http://127.0.0.1:11434; a path is kept as a prefix.
        key: sent as a bearer token, for a server behind a gateway.
        timeout: seconds to wait for an answer.
        most: connections that are kept.
    """

    def __init__(self, base_url: str, key: str | None = None, timeout: float = 600.0, most: int = 64):
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        parts = urllib3.util.parse_url(self.base_url)
        self._prefix = parts.path or ""
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        limits = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout)
        self._pool = urllib3.connection_from_url(self.base_url, maxsize=most, block=True, timeout=limits, retries=False)

    def close(self) -> None:
        """Close what connections are kept."""
        self._pool.close()

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str, float | None]:
        """Return status, text, and the seconds of a Retry-After.

        Raises:
            lm15.TransportError: no connection (code `unreachable`), or it was lost.
            lm15.TimeoutError: no answer in time.
        """
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.urlopen(
                method, self._prefix + path, body=data, headers=self.headers, redirect=False, assert_same_host=False
            )
            text = answer.data.decode("utf-8", "replace")
        except (NewConnectionError, ConnectTimeoutError, LocationParseError) as error:
            message = f"cannot reach Ollama at {self.base_url}; is `ollama serve` running?"
            raise lm15.TransportError(message, provider="ollama", provider_code=UNREACHABLE) from error
        except ReadTimeoutError as error:
            message = f"no answer in {self.timeout:g} s; raise timeout if the model is slow"
            raise lm15.TimeoutError(message, provider="ollama") from error
        except HTTPError as error:
            raise lm15.TransportError("the connection to Ollama was lost", provider="ollama") from error
        return answer.status, text, _seconds(answer.headers.get("Retry-After"))


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
