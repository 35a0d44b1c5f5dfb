"""The door of the review page: only who knows the token gets in, and the browser asks nobody else for anything.

The token is the first part of every path, so it covers the page, its files, and its websocket alike; a cookie would
be sent to every other server on this machine too.
"""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# NiceGUI compiles its templates in the page, which needs inline scripts and eval; what counts is that nothing can be
# loaded from, or sent to, another place.
_POLICY = (
    "default-src 'self' data: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' ws://{host}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)


class Guard:
    """Wraps an ASGI application; anything without token, or under another host name, is a bare 403.

    The host name is checked against DNS rebinding: a foreign page whose name suddenly means 127.0.0.1 sends its own
    name as Host.  NiceGUI ties a websocket to a page that was served by that page's random ID, which only who has
    read the page knows.
    """

    def __init__(self, app: ASGIApp, token: str, port: int):
        self.app = app
        self._token = token.encode("ascii")
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer 403."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        first = scope["path"].split("/", 2)[1:2]
        known = hmac.compare_digest("".join(first).encode("utf-8", "replace"), self._token)
        if not known or host not in self._hosts:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})  # before it was accepted: the server answers 403
            else:
                await PlainTextResponse("403\n", status_code=403)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY.format(host=host)
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self.app({**scope, "root_path": f"/{self._token.decode()}"}, receive, send_with_headers)
