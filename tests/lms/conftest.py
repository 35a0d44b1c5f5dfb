"""A double of Ollama's `POST /api/chat` on loopback: the checks, answers, and faults that a client can meet."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dspy
import pytest
from dspy.clients import execution

LONG = "the prompt is longer than the context length currently available to the model; shorten the prompt"
LEGACY = "the input length exceeds the context length"


class OllamaDouble:
    """Set ``faults`` for the next requests, ``mode`` for what happens to long prompts; read ``requests``."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.faults: deque[Any] = deque()
        self.mode = "native"  # or "rendered", "legacy", "ancient" (ignores `truncate`)
        self.thinking = ""
        self.reply: Callable[[dict[str, Any]], str] = lambda body: "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def chat(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The checks of a real server, in its order."""
        if body["model"] != "student":
            return 404, {"error": f"model '{body['model']}' not found"}
        for name in ("num_ctx", "num_predict", "seed"):
            if type(body["options"].get(name, 0)) is not int:
                return 500, {"error": f'option "{name}" must be of type integer'}
        context = body["options"].get("num_ctx", 4096)
        read = sum(-(-len(m["content"].encode()) // 4) + 4 for m in body["messages"])
        if read > context - 1:
            if self.mode != "ancient" and body.get("truncate", True) is False:
                return 400, {"error": LEGACY if self.mode == "legacy" else self._nested(read, context)}
            if self.mode == "native":
                return 400, {"error": self._nested(read, context)}
            if self.mode == "rendered" and body.get("shift", True) is False:
                return 400, {"error": LONG}
            read = context if self.mode in ("legacy", "ancient") else context - max((context - 4) // 2, 1)
        if not isinstance(body.get("format", "json"), dict) and body.get("format", "json") != "json":
            return 500, {"error": 'invalid format: "x"; expected "json" or a valid JSON Schema object'}
        text, budget = self.reply(body), body["options"].get("num_predict", 10 * context)
        written = -(-len(text) // 4)
        message = {"role": "assistant", "content": text[: 4 * budget]}
        if self.thinking and body.get("think", True):
            message["thinking"] = self.thinking
        return 200, {
            "model": body["model"], "created_at": "2026-01-02T03:04:05.678901234Z", "message": message, "done": True,
            "done_reason": "stop" if written <= budget else "length", "total_duration": 51000000,
            "prompt_eval_count": read, "eval_count": min(written, budget),
        }  # fmt: skip

    @staticmethod
    def _nested(read: int, context: int) -> str:
        text = f"request ({read} tokens) exceeds the available context size ({context} tokens), try increasing it"
        inner = {"code": 400, "message": text, "type": "exceed_context_size_error"}
        return json.dumps({"error": {**inner, "n_prompt_tokens": read, "n_ctx": context}})

    def _handler(double) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (`self` is the handler's)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                double.requests.append(body)
                fault = double.faults.popleft() if double.faults else None
                if self.path != "/api/chat":
                    return self.send(404, "404 page not found", "text/plain")
                if fault == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return None
                if fault == "hang":
                    double.released.wait()
                    self.close_connection = True
                    return None
                if isinstance(fault, tuple):  # status, text as it is
                    return self.send(*fault, "application/json" if fault[1].startswith("{") else "text/html")
                status, answer = double.chat(body)
                if fault == "abort":  # the repetition guard: 200, but neither done nor a reason
                    answer = {**answer, "done": False}
                    del answer["done_reason"]
                return self.send(status, json.dumps(answer, ensure_ascii=False), "application/json; charset=utf-8")

            def send(self, status: int, text: str, kind: str) -> None:
                for raw, go in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")) if "json" in kind else ():
                    text = text.replace(raw, go)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        return Handler


@pytest.fixture
def ollama() -> Iterator[OllamaDouble]:
    double = OllamaDouble()
    yield double
    double.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """DSPy's pauses between attempts, noted instead of slept."""
    noted: list[float] = []
    monkeypatch.setattr(execution.time, "sleep", noted.append)
    return noted


@pytest.fixture(params=[dspy.ChatAdapter, dspy.JSONAdapter])
def adapter(request: pytest.FixtureRequest) -> dspy.Adapter:
    """Both adapters, one after the other."""
    return request.param()
