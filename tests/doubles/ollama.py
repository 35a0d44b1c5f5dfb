"""A double of an Ollama server on loopback: what real ones answer, and every fault that a client can meet.

In a test::

    with OllamaDouble("student", reply=lambda body: "Paris") as double:
        double.faults.append(Fault("busy", path="/api/chat"))
        ...  # a client at double.url
        assert double.injected["busy"] == 1

As a process, for tests that kill it: ``python -m tests.doubles.ollama --port 0 --scripted``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

from tests.doubles.call import Recorded
from tests.doubles.faults import Fault, FaultBook, Spread
from tests.doubles.generation import Reply
from tests.doubles.handler import Handler
from tests.doubles.models import Mode, Model, Models, mode_of
from tests.doubles.overflow import Messages, quarter_of_bytes
from tests.doubles.overflow import count_prompt as count_texts
from tests.doubles.scheduler import Scheduler

__all__ = ["Fault", "Mode", "Model", "OllamaDouble", "Recorded", "Reply"]

Replier: TypeAlias = Callable[[dict[str, Any]], Reply | str]


class Server(ThreadingHTTPServer):
    """One thread per connection; all of them end when the server is closed."""

    request_queue_size = 256
    daemon_threads = False

    def __init__(self, double: OllamaDouble, port: int):
        self.double = double
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection before its thread starts, so that none is forgotten when the server is closed."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Hang up on one client."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep what went wrong in the double or a test's `reply`, for `close` to raise; clients may go as they like."""
        error = sys.exception()
        if error and not isinstance(error, ConnectionError):
            self.double.crashes.append(error)

    def end(self) -> None:
        """Stop listening, hang up on every client, and wait for the threads."""
        self.shutdown()
        self.socket.close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # hung up already
                continue
        self.server_close()


class OllamaDouble:
    """A server with its state and its faults; see the module docstring.

    Args:
        models: the models that it has; a name stands for a model as servers of this version treat it.
        version: what `/api/version` says; otherwise behaviour goes by each model's ``mode``.
        default_ctx: context size where neither request nor model sets one.
        num_parallel: how many requests a loaded model serves at a time.
        max_queue: how many may wait for a load before others are refused.
        load_seconds: how long a load takes.
        chunk_seconds: how long a chunk takes.
        latency: how long an answer takes besides, while its place is held.
        reply: what the model says; it gets the native body, less the messages that did not fit.
        count: the tokens of a text.
        count_prompt: the tokens of a whole prompt; by default those of its texts, and a few per message.
        port: 0 for a free one.
        log: a file to which a JSON line is appended for each chat.
        honours_truncate: False for a server that ignores `truncate` and `shift` (before 0.12.6, or behind a proxy).
    """

    def __init__(
        self,
        *models: Model | str,
        version: str = "0.33.0",
        default_ctx: int = 4096,
        num_parallel: int = 1,
        max_queue: int = 512,
        load_seconds: float = 0.0,
        chunk_seconds: float = 0.0,
        latency: float = 0.0,
        reply: Replier = lambda body: "Paris",
        count: Callable[[str], int] = quarter_of_bytes,
        count_prompt: Callable[[Messages], int] | None = None,
        port: int = 0,
        honours_truncate: bool = True,
        log: Path | None = None,
    ):
        self.version, self.default_ctx, self.honours_truncate = version, default_ctx, honours_truncate
        self.chunk_seconds, self.latency = chunk_seconds, latency
        self.reply, self.count = reply, count
        self.count_prompt = count_prompt or partial(count_texts, count=count)
        self.key = ""
        self.models = Models(Model(m, mode=mode_of(version)) if isinstance(m, str) else m for m in models)
        self.pullable: set[str] = set()
        self.blobs: dict[str, bytes] = {}
        self.layers: set[str] = set()
        self.pulled: list[str] = []
        self.requests: list[Recorded] = []
        self.book = FaultBook()
        self.scheduler = Scheduler(num_parallel, max_queue, load_seconds)
        self.closing = threading.Event()
        self.crashes: list[BaseException] = []
        self.log = log
        self._lock = threading.Lock()
        self._server = Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="ollama-double")
        self._thread.start()

    def __enter__(self) -> OllamaDouble:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up and end all threads; raises what went wrong in one of them."""
        self.closing.set()
        self._server.end()
        self._thread.join()
        if self.crashes:
            raise self.crashes[0]

    @property
    def faults(self) -> list[Fault]:
        """The faults to come; append to it."""
        return self.book.faults

    @faults.setter
    def faults(self, faults: Sequence[Fault]) -> None:
        self.book.faults[:] = faults

    @property
    def injected(self) -> Counter[str]:
        """How often each kind of fault really happened."""
        return self.book.injected

    @property
    def loads(self) -> int:
        """How often a model was loaded."""
        return self.scheduler.loads

    @property
    def peak_active(self) -> int:
        """How many requests were being answered at the same time, at most."""
        return self.scheduler.peak_active

    @property
    def waiting(self) -> int:
        """How many requests wait now."""
        return self.scheduler.waiting

    def spread_faults(self, share: float, faults: Sequence[Fault], seed: int, path: str = "/api/chat") -> None:
        """Let a share of the requests on a path meet one of these faults each, drawn with a seed."""
        self.book.spreads.append(Spread(share, tuple(faults), path, random.Random(seed)))

    def chats(self) -> list[dict[str, Any]]:
        """The bodies of `POST /api/chat`."""
        return [
            request.body
            for request in list(self.requests)
            if (request.method, request.path) == ("POST", "/api/chat") and request.body is not None
        ]

    def record(self, request: Recorded, raw: bytes) -> None:
        """Note a request that arrived; chats also in the log, if there is one."""
        with self._lock:
            self.requests.append(request)
            if self.log and request.path == "/api/chat":
                line = json.dumps({"time": request.time, "sha256": hashlib.sha256(raw).hexdigest()})
                with self.log.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


def main(arguments: Sequence[str]) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", action="append", help="may be given more than once; qwen3:8b by default")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--scripted", action="store_true", help="answer as the scripted teacher does")
    parser.add_argument("--log", type=Path, help="append one JSON line per chat")
    options = parser.parse_args(arguments)
    settings: dict[str, Any] = {"latency": options.latency, "num_parallel": options.parallel, "log": options.log}
    if options.scripted:  # before the port is open: clients of a server that was killed are waiting for it
        from tests.doubles.scripted import scripted_reply

        settings["reply"] = scripted_reply()
    double = OllamaDouble(*(options.model or ["qwen3:8b"]), port=options.port, **settings)
    print(double.url, flush=True)  # noqa: T201
    with double, suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
