"""HTTP/1.1 with keep-alive: reading requests, finding who answers them, and sending answers whole or broken."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.doubles import blobs, embeddings, library, native, openai_layer
from tests.doubles.call import Call, ClientGone, Recorded
from tests.doubles.create import create
from tests.doubles.faults import BUSY, Fault
from tests.doubles.pull import pull
from tests.doubles.wire import Page, Refusal, Stream, dump, page, text_page

if TYPE_CHECKING:
    from tests.doubles.ollama import Server

Route = Callable[[Call], "Page | Stream"]


def home(call: Call) -> Page:
    """`GET /`: how clients see whether a server runs."""
    return text_page("Ollama is running")


ROUTES: dict[str, dict[str, Route]] = {
    "/": {"GET": home, "HEAD": home},
    "/api/version": {"GET": library.version, "HEAD": library.version},
    "/api/tags": {"GET": library.tags, "HEAD": library.tags},
    "/api/ps": {"GET": library.ps},
    "/api/show": {"POST": library.show},
    "/api/delete": {"DELETE": library.delete},
    "/api/copy": {"POST": library.copy},
    "/api/chat": {"POST": native.chat},
    "/api/generate": {"POST": native.generate},
    "/api/embed": {"POST": embeddings.embed},
    "/api/pull": {"POST": pull},
    "/api/create": {"POST": create},
    f"{blobs.PATH}*": {"HEAD": blobs.find, "POST": blobs.upload},
    "/v1/models": {"GET": openai_layer.models},
    "/v1/models/*": {"GET": openai_layer.model},
    "/v1/chat/completions": {"POST": openai_layer.chat},
    "/v1/embeddings": {"POST": embeddings.embed_as_openai},
}


def find_route(method: str, path: str) -> Route:
    """Return who answers; raises Refusal (404 or 405), which is sent as plain text."""
    methods = ROUTES.get(path) or next((ROUTES[p] for p in ROUTES if p.endswith("/*") and path.startswith(p[:-1])), {})
    if not methods:
        raise Refusal(404, "404 page not found")
    if method not in methods:
        raise Refusal(405, "405 method not allowed")
    return methods[method]


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client may go at any time
            super().handle()

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""

    def _serve(self) -> None:
        try:
            self._answer()
        except ClientGone:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        call = self._read_call(path)
        if call.meets("reset"):
            return self._reset()
        if fault := call.meets("delay"):
            call.pause(fault.seconds)
        if fault := call.meets("status"):
            return self._send(_any_page(fault), call)
        try:
            answer = self._find_answer(call, path)
        except Refusal as refusal:
            is_openai = path.startswith("/v1/")
            answer = openai_layer.envelope(refusal) if is_openai else page({"error": refusal.text}, refusal.status)
        if isinstance(answer, Page):
            return self._send(answer, call)
        try:
            self._send_stream(answer, call)
        finally:
            answer.close()
        return None

    def _read_call(self, path: str) -> Call:
        double = self.server.double
        is_blob = path.startswith(blobs.PATH)
        fault = double.book.take(path, None) if is_blob else None
        unread = fault is not None and fault.kind == "early_200"
        raw = b"" if unread else self._read_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = None if is_blob else _peek(raw)
        recorded = Recorded(self.command, path, headers, body, time.time())
        double.record(recorded, raw)
        if not is_blob:
            fault = double.book.take(path, body)
        self.close_connection = self.close_connection or unread
        return Call(double, recorded, raw, self.connection, fault)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _find_answer(self, call: Call, path: str) -> Page | Stream:
        double = call.double
        if not _is_local(call.recorded.headers.get("host", "")):
            return Page(403, "", b"")
        if double.key and call.recorded.headers.get("authorization") != f"Bearer {double.key}":
            raise Refusal(401, "unauthorized")
        if call.meets("busy"):
            raise Refusal(503, BUSY)
        try:
            route = find_route(call.recorded.method, path)
        except Refusal as refusal:
            return text_page(refusal.text, refusal.status)
        return route(call)

    def _send(self, answer: Page, call: Call) -> None:
        head = {"Content-Type": answer.kind} if answer.kind else {}
        head |= {"Content-Length": str(len(answer.data)), **answer.headers}
        data = b"" if self.command == "HEAD" else answer.data
        broken = call.meets("reset_mid", "eof_mid")
        self._write(self._head(answer.status, head) + (data[: len(data) // 2] if broken else data))
        if broken:
            self._break_off(broken)

    def _send_stream(self, answer: Stream, call: Call) -> None:
        broken = call.meets("reset_mid", "eof_mid")
        self._write(self._head(200, {"Content-Type": answer.kind, "Transfer-Encoding": "chunked"}))
        for line in _all_but_last(answer.lines, broken.chunks) if broken else answer.lines:
            self._write(b"%x\r\n%s\r\n" % (len(line), line))
        if broken and broken.kind == "reset_mid":
            return self._reset()
        self._write(b"0\r\n\r\n")
        return None

    def _head(self, status: int, headers: dict[str, str]) -> bytes:
        reason, _ = self.responses.get(status, ("", ""))  # proxies use numbers of their own
        lines = [f"{name}: {value}" for name, value in (headers | {"Date": self.date_time_string()}).items()]
        return "\r\n".join([f"HTTP/1.1 {status} {reason}", *lines, "", ""]).encode("latin-1")

    def _write(self, data: bytes) -> None:
        try:
            self.wfile.write(data)
        except ConnectionError as error:
            raise ClientGone from error

    def _break_off(self, fault: Fault) -> None:
        if fault.kind == "reset_mid":
            self._reset()
        self.close_connection = True

    def _reset(self) -> None:
        """Close so that the client's system reports a reset, as when a server is killed."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()


def _peek(raw: bytes) -> dict[str, Any] | None:
    """What a body says, for the record and for faults; whether it is in order is for the route to say."""
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _all_but_last(lines: Iterator[bytes], number: int) -> Iterator[bytes]:
    """At most so many lines, and never the last one."""
    for count, (line, _) in enumerate(pairwise(lines)):
        if count >= number:
            return
        yield line


def _any_page(fault: Fault) -> Page:
    """The answer of whatever stands between client and server: JSON as it is given, else a web page."""
    data = dump(fault.body) if isinstance(fault.body, dict) else fault.body
    data = data.encode() if isinstance(data, str) else data
    kind = "application/json; charset=utf-8" if data[:1] in (b"{", b"[") else "text/html; charset=utf-8"
    given = {name.title(): value for name, value in fault.headers.items()}
    return Page(fault.status, given.pop("Content-Type", kind), data, given)


def _is_local(host: str) -> bool:
    """Tell whether a `Host` header is one that a server bound to loopback accepts (against DNS rebinding)."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").lower()
    if name in ("", "localhost", socket.gethostname().lower()) or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_unspecified
