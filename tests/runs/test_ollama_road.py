"""Generation through the Ollama engine over real HTTP: the scripted teacher answers behind a loopback server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dspy.lm15 import Config, Message, Request
from rich.console import Console

from lms.scripted.engine import ScriptedEngine
from runs.folder import read_run
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from runs.stages.generate import read_drafts

BUSY_EVERY = 9  # every ninth request is refused, as a proxy in front of a busy server does


class Handler(BaseHTTPRequestHandler):
    """`POST /api/chat`, answered by the scripted teacher."""

    teacher = ScriptedEngine(mistakes={})
    bodies: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        if len(self.bodies) % BUSY_EVERY == 0:
            self.answer(503, {"error": "server busy, please try again.  maximum pending requests exceeded"})
            return
        messages = [Message.user(m["content"]) for m in body["messages"] if m["role"] == "user"]
        request = Request(model=body["model"], messages=tuple(messages), config=Config(seed=body["options"]["seed"]))
        text = self.teacher.complete(request).message.text
        self.answer(
            200,
            {"model": body["model"], "message": {"role": "assistant", "content": text}, "done": True,
             "done_reason": "stop", "prompt_eval_count": 900, "eval_count": 80},
        )  # fmt: skip

    def answer(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.bodies = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as double:
        thread = threading.Thread(target=double.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{double.server_address[1]}"
        double.shutdown()
        thread.join()


def test_one_changed_line_makes_ollama_the_teacher(
    server: str, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # DSPy's back-off after a 503
    teacher = f"lms.teacher={{model: 'ollama_chat/qwen3:8b', base_url: '{server}', num_ctx: 16384}}"
    recipe = load_recipe(tiny_recipe, [teacher, "plan.sessions=4"])
    run_stages(recipe, tmp_path / "out", Console(file=StringIO()), ("generate", "curate"))
    run = read_run(tmp_path / "out")
    generated = run.require("generate")
    assert generated["sessions"] == 4
    assert generated["failed_sessions"] == {}
    assert {draft.teacher for draft in read_drafts(run)} == {"ollama_chat/qwen3:8b"}
    assert run.require("curate")["kept"] > 15
    assert all(body["options"]["num_ctx"] == 16384 for body in Handler.bodies)
    assert all(body["truncate"] is False and body["shift"] is False for body in Handler.bodies)
    assert generated["calls"] == len(Handler.bodies) - len(Handler.bodies) // BUSY_EVERY
