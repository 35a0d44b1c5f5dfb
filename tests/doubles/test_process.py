from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.raw import ask, say

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "tests.doubles.ollama", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, process.stdout.readline().strip()


def test_as_a_process_it_serves_until_it_is_killed_and_logs_chats(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    process, url = start("--port", "0", "--model", "a", "--model", "b:8b", "--parallel", "2", "--log", str(log))
    with process:
        names = {model["name"] for model in ask(url, "/api/tags").json()["models"]}
        assert names == {"a:latest", "b:8b"}
        bodies = [json.dumps(say(text, model="a")).encode() for text in ("one", "two")]
        for body in bodies:
            assert ask(url, "/api/chat", body).status == 200
        process.kill()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["sha256"] for line in lines] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert lines[0]["time"] <= lines[1]["time"]
    with pytest.raises(ConnectionError):
        ask(url, "/api/version")


def test_its_port_can_be_taken_again_at_once() -> None:
    process, url = start()
    with process:
        assert ask(url, "/api/chat", say(model="qwen3:8b")).status == 200
        process.kill()
    process, again = start("--port", url.rpartition(":")[2])
    with process:
        assert again == url
        assert ask(url, "/api/version").status == 200
        process.kill()
