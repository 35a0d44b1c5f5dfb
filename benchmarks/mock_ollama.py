"""A quick stand-in for Ollama, to measure clients against: `python -m benchmarks.mock_ollama --latency 0.05`.

It answers every chat after a fixed time with the same text, on one asyncio loop, so that what is measured is the
client; tests/doubles has the faithful double.  Prints its port; `GET /log` tells what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

TEXT = "[[ ## answer ## ]]\nShe stopped humming when the envelope came.\n\n[[ ## completed ## ]]"
MODEL = "student:latest"
SHOW = {
    "details": {"family": "llama"}, "model_info": {"llama.context_length": 131072}, "capabilities": ["completion"],
    "template": "", "modelfile": "", "parameters": "",
}  # fmt: skip
TAGS = {"models": [{"name": MODEL, "model": MODEL, "digest": "0" * 64, "size": 1, "details": {}}]}
CHAT = {
    "model": "student", "message": {"role": "assistant", "content": TEXT}, "done": True, "done_reason": "stop",
    "prompt_eval_count": 300, "eval_count": 20,
}  # fmt: skip
STATUS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass
class Seen:
    """What the server saw: bodies by hash, when the first chat came, when the last was answered."""

    bodies: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    first: float = 0.0
    last: float = 0.0


class Connection(asyncio.Protocol):
    """One client's requests, one after another."""

    def __init__(self, latency: float, faulty: float, seen: Seen, rng: random.Random):
        self.latency, self.faulty, self.seen, self.rng = latency, faulty, seen, rng
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.loop = transport, asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            _, found, rest = head.partition(b"content-length:")
            length = int(rest.partition(b"\r\n")[0]) if found else 0
            if len(self.buffer) < end + 4 + length:
                return
            path, body = head.split(b" ", 2)[1], self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            self.take(path.decode(), body)

    def take(self, path: str, body: bytes) -> None:
        if path != "/api/chat":
            answers = {"/api/version": {"version": "0.33.0"}, "/api/tags": TAGS, "/api/show": SHOW}
            answers["/log"] = {**vars(self.seen), "bodies": dict(self.seen.bodies)}
            return self.answer(200 if path in answers else 404, answers.get(path, {"error": "not found"}))
        now = self.loop.time()
        self.seen.first = self.seen.first or now
        self.seen.bodies[hashlib.sha256(body).hexdigest()] += 1
        if self.rng.random() < self.faulty:
            self.loop.call_later(self.latency, self.answer, self.rng.choice((429, 500)), {"error": "not now"})
        else:
            self.loop.call_later(self.latency, self.reply)

    def reply(self) -> None:
        self.seen.answered += 1
        self.seen.last = self.loop.time()
        self.answer(200, CHAT)

    def answer(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        lines = (
            f"HTTP/1.1 {status} {STATUS[status]}",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode() + data)


async def serve(port: int, latency: float, faulty: float) -> None:
    """Serve on loopback until the process is ended."""
    make = partial(Connection, latency, faulty, Seen(), random.Random(0))
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--faulty", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.latency, options.faulty))
