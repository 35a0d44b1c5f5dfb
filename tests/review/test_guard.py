"""The door: token and host decide, for HTTP and websocket alike, before the application hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from review.guard import Guard

TOKEN, PORT = "s3cret", 4711


def ask(path: str, kind: str = "http", host: str | None = f"127.0.0.1:{PORT}") -> tuple[list[Scope], list[Any]]:
    """Return what reached the application, and what was sent back."""
    reached: list[Scope] = []
    sent: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        raise AssertionError("nothing is read from a request that is refused")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"type": kind, "path": path, "headers": headers, "method": "GET", "root_path": ""}
    asyncio.run(Guard(app, TOKEN, PORT)(scope, receive, send))
    return reached, sent


@pytest.mark.parametrize("host", ["127.0.0.1:4711", "localhost:4711"])
@pytest.mark.parametrize("path", ["/s3cret/", "/s3cret", "/s3cret/_nicegui/x.js"])
def test_who_knows_the_token_gets_in(path: str, host: str) -> None:
    (scope,), (start,) = ask(path, host=host)
    assert (scope["path"], scope["root_path"]) == (path, "/s3cret")
    headers = dict(start["headers"])
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"referrer-policy"] == b"no-referrer"


@pytest.mark.parametrize(
    "path", ["/", "", "/s3cre", "/s3crets/", "/S3CRET/", "/_nicegui/x.js", "//s3cret/", "/é/", "/x/s3cret/"]
)
def test_without_the_token_it_is_a_bare_403(path: str) -> None:
    reached, (start, body) = ask(path)
    assert not reached
    assert (start["status"], body["body"]) == (403, b"403\n")


@pytest.mark.parametrize("host", [None, "", "evil.example:4711", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:4711.evil"])
def test_under_another_host_name_the_token_does_not_help(host: str | None) -> None:
    reached, (start, _) = ask("/s3cret/", host=host)
    assert not reached
    assert start["status"] == 403


def test_a_websocket_is_closed_before_it_is_accepted() -> None:
    assert ask("/_nicegui_ws/socket.io/", "websocket") == ([], [{"type": "websocket.close"}])
    reached, _ = ask("/s3cret/_nicegui_ws/socket.io/", "websocket")
    assert len(reached) == 1
