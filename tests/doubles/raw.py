"""A client without manners: every byte of an answer, and nothing made of it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, and the body."""

    status: int
    headers: dict[str, str]
    data: bytes

    def json(self) -> Any:
        return json.loads(self.data)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.data.splitlines()]

    def events(self) -> list[Any]:
        """The events of a `text/event-stream`; the last may be the text `[DONE]`."""
        texts = [part.removeprefix("data: ") for part in self.data.decode().split("\n\n") if part]
        return [text if text == "[DONE]" else json.loads(text) for text in texts]

    @property
    def error(self) -> Any:
        return self.json()["error"]


def ask(url: str, path: str, body: Any = None, method: str = "", **headers: str) -> Answer:
    """Send one request; a body other than bytes is sent as JSON, and makes it a POST."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, data, headers)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def say(text: str = "Capital of France?", model: str = "student", **more: Any) -> dict[str, Any]:
    """The body of a chat without streaming."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": False} | more
