"""A double of the Hugging Face Hub on the loopback, as far as a push needs it: no storage but this, no network."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "x" * 34


class Hub:
    """What the double holds, and how it is to answer."""

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.private: bool | None = None  # None: there is no such data set or model yet
        self.refusal = 0  # a status with which everything is refused
        self.said = ""
        self.prefix = "datasets/"  # of addresses; a model's has none

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        where = path.partition("?")[0].removeprefix("/api/")
        if self.refusal:
            return self.refusal, {"error": self.said}
        if where == "repos/create":
            return self._create(json.loads(body))
        if where == "validate-yaml":
            unknown = "license: nonsense" in json.loads(body)["content"]
            errors = [{"message": '"license" must be one of [apache-2.0, …]'}] if unknown else []
            return 400 if errors else 200, {"errors": errors, "warnings": []}
        if "/preupload/" in where:
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return 200, {"files": modes}
        if "/commit/" in where:
            self._commit([json.loads(line) for line in body.splitlines()])
            return 200, {
                "commitUrl": f"{self.url}/{self.prefix}acme/set/commit/0",
                "commitOid": "0" * 40,
                "hookOutput": "",
            }
        if "/tree/" in where:
            return 200, [{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in self.files]
        return 200, {"id": "acme/set", "private": bool(self.private), "sha": "0" * 40, "siblings": []}

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        self.prefix = "datasets/" if wanted["type"] == "dataset" else ""
        address = f"{self.url}/{self.prefix}{wanted['organization']}/{wanted['name']}"
        if self.private is not None:
            return 409, {"error": "You already created this dataset repo", "url": address}
        self.private = wanted["visibility"] == "private"
        return 200, {"url": address}

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["key"] == "deletedFile":
                del self.files[line["value"]["path"]]
            elif line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve a hub for the length of the block."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status, answer = hub.answer(self.command, self.path, body) if authorised else (401, {"error": "no"})
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the name that the server calls

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
