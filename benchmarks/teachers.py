"""The bars of teachers.  Run with `make bench-teachers` (about six minutes).

Generates with the scripted teacher behind the faithful double of tests/doubles, with and without faults; shows it
prompts that are too long; and measures the Ollama engine against a quick server (benchmarks/mock_ollama.py), which is
also killed in mid-run, as is the client.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console

from benchmarks.dialogues import CALLS, CONCURRENCY, DIALOGUES, talk
from benchmarks.mock_ollama import TEXT
from benchmarks.table import ROOT, Row, least, most, publish
from lms.build import build_lm
from lms.ledger import Ledger
from lms.spec import ModelSpec
from runs.folder import read_run
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from signatures.chat_adapter import ChatAdapter
from tests.doubles.faults import Fault
from tests.doubles.models import Mode, Model
from tests.doubles.ollama import OllamaDouble
from tests.doubles.scripted import scripted_reply

SESSIONS, SHARE = 60, 0.3
AWAY = 60  # seconds
FAULTS = (
    Fault("delay", seconds=0.05),
    Fault("slow_load", seconds=0.05),
    Fault("slow_chunks", seconds=0.001),
    Fault("load_fail"),
    Fault("busy"),
    Fault("status", status=429, body={"error": "slow down"}, headers={"Retry-After": "0.1"}),
    Fault("status", status=502, body=b"<html>Bad gateway</html>"),
    Fault("status", status=200, body=b"<html>Log in</html>"),
    Fault("reset"),
    Fault("reset_mid"),
    Fault("eof_mid"),
    Fault("abort_no_done"),
    Fault("error_mid"),
    Fault("content", text=""),
    Fault("content", text='{"a": "b'),
    Fault("content", text="Half of it", after=1),
    Fault("thinking_only", text="Hmm."),
)
MODES: tuple[tuple[Mode, str], ...] = (
    ("legacy", "0.24.0"), ("early_30", "0.30.5"), ("rendered", "0.33.0"), ("native", "0.33.0"),
)  # fmt: skip
CPU_CALLS = 1200


def main() -> int:
    """Measure every bar; return 1 when one is missed."""
    rows = [*_faults(), *_long_prompts(), *_dialogues(), *_kills(), _cpu()]
    return 0 if publish("teachers", rows, os.cpu_count() or 0) else 1


@dataclass(frozen=True)
class _Generated:
    """A generate stage: calls that the server saw, the stage's record, and the IDs in the sessions journal."""

    calls: int
    record: dict[str, Any]
    sessions: list[str]


def _faults() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        clean, faulty = _generate(Path(folder) / "clean", 0), _generate(Path(folder) / "faulty", SHARE)
    doubled = len(faulty.sessions) - len(set(faulty.sessions))
    failed = sum(faulty.record["failed_sessions"].values())
    yield least(f"{SHARE:.0%} of calls faulty: sessions complete", faulty.record["sessions"], "sessions", SESSIONS)
    yield most("sessions failed or doubled", doubled + failed, "sessions", 0)
    yield most("items that no answer could be had for", sum(faulty.record["unwritten"].values()), "items", 0)
    yield most("calls, against those of a clean run", faulty.calls / clean.calls, "times", 1.6)


def _generate(out: Path, share: float) -> _Generated:
    model = Model("qwen3:8b", capabilities=("completion", "thinking"))
    with OllamaDouble(model, num_parallel=16, reply=scripted_reply({})) as double:
        if share:
            double.spread_faults(share, FAULTS, seed=1)
        overrides = [f"plan.sessions={SESSIONS}", "generate.concurrency=16", f"lms.teacher.base_url={double.url}"]
        recipe = load_recipe(ROOT / "recipes" / "ollama.yaml", overrides)
        run_stages(recipe, out, Console(file=StringIO()), ("generate",))
        run = read_run(out)
        journal = run.journal_path("sessions").read_text(encoding="utf-8")
        ids = [json.loads(line)["id"] for line in journal.splitlines()]
        return _Generated(len(double.chats()), run.require("generate"), ids)


def _long_prompts() -> Iterator[Row]:
    """Each behaviour of the notes, with a server that heeds `truncate: false` and with one that cuts all the same."""
    told = 0
    for mode, version in MODES:
        named = []
        for heeds in (True, False):
            with OllamaDouble(Model("m", mode=mode), version=version, honours_truncate=heeds) as double:
                lm = build_lm(ModelSpec(model="ollama_chat/m", base_url=double.url, num_ctx=1024, max_tokens=64))
                try:
                    lm("The kettle was still warm. " * 400)
                except dspy.ContextWindowExceededError as error:
                    named.append("num_ctx" in str(error))
        told += named == [True, True]
    yield least("long prompts: server behaviours that end in an error naming num_ctx", told, "of 4", 4)


def _dialogues() -> Iterator[Row]:
    name = f"{DIALOGUES} dialogues × {CALLS} calls, {CONCURRENCY} at once"
    for latency, faulty, limit in ((0.2, 0.0, 1.10), (0.05, 0.0, 2.0), (0.2, 0.1, 1.6)):
        with _server(latency, faulty) as port, tempfile.TemporaryDirectory() as folder:
            done = json.loads(_client(port, folder).communicate()[0])["dialogues"]
            seen = _log(port)
        ratio = (seen["last"] - seen["first"]) / (DIALOGUES / CONCURRENCY * CALLS * latency)
        what = f"{latency * 1000:.0f} ms a call" + (f", {faulty:.0%} answered 429 or 500" if faulty else "")
        yield most(f"{name}, {what}: time, against the ideal", ratio, "times", limit)
        if faulty:
            lost = DIALOGUES * CALLS - seen["answered"] + DIALOGUES - done
            yield most("calls and dialogues lost to the 429 and 500", lost, "", 0)


def _kills() -> Iterator[Row]:
    half = DIALOGUES * CALLS // 2
    with _server(0.05) as port, tempfile.TemporaryDirectory() as folder:
        client = _client(port, folder)
        _wait_for_half(port, half)
        client.kill()
        client.communicate()
        done = json.loads(_client(port, folder).communicate()[0])["dialogues"]
        repeated = _repeated(_log(port))
    yield most("client killed (−9) at half, run again: calls repeated", repeated, "calls", CONCURRENCY)
    yield least("client killed (−9) at half: dialogues finished", done, "dialogues", DIALOGUES)
    with tempfile.TemporaryDirectory() as folder:
        with _server(0.05) as port:
            client = _client(port, folder)
            _wait_for_half(port, half)
            before = _log(port)
        time.sleep(AWAY)
        with _server(0.05, port=port):
            done = json.loads(client.communicate()[0])["dialogues"]
            after = _log(port)
    twice = _repeated({"bodies": Counter(before["bodies"]) + Counter(after["bodies"])})
    yield least(f"server killed for {AWAY} s: dialogues finished", done, "dialogues", DIALOGUES)
    yield most(f"server killed for {AWAY} s: calls repeated", twice, "calls", CONCURRENCY)


def _cpu() -> Row:
    """CPU of this process per call: the engine as generation uses it, less DSPy with an engine that does nothing."""

    class Nothing:
        def complete(self, request: Request) -> Response:
            message = Message.assistant([TextPart(TEXT)])
            return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())

    def cpu_of(lm: dspy.LM) -> float:
        with dspy.context(lm=lm, adapter=ChatAdapter(use_json_adapter_fallback=False)):
            talk(0)  # the first calls load what later ones share
            started = time.process_time()
            for number in range(1, 1 + CPU_CALLS // CALLS):
                talk(number)
            return 1000 * (time.process_time() - started) / CPU_CALLS

    with _server(0.0) as port, tempfile.TemporaryDirectory() as folder:
        spec = ModelSpec(model="ollama_chat/student", base_url=f"http://127.0.0.1:{port}")
        with Ledger("bench", Path(folder) / "calls.jsonl") as ledger:
            with_engine = cpu_of(build_lm(spec, ledger=ledger))
    alone = cpu_of(dspy.LM("nothing/x", engine=Nothing(), cache=False))
    return most(f"CPU per Ollama call beyond DSPy's own {alone:.2f} ms", with_engine - alone, "ms", 1.5)


@contextmanager
def _server(latency: float, faulty: float = 0.0, port: int = 0) -> Iterator[int]:
    """Start the quick server in a process of its own, kill it (−9) in the end; yields its port."""
    command = [sys.executable, "-m", "benchmarks.mock_ollama", "--latency", str(latency), "--faulty", str(faulty)]
    process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def _client(port: int, folder: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.dialogues", f"http://127.0.0.1:{port}", folder]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _log(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/log") as answer:
        return dict(json.load(answer))


def _wait_for_half(port: int, half: int) -> None:
    while _log(port)["answered"] < half:
        time.sleep(0.05)


def _repeated(seen: dict[str, Any]) -> int:
    return sum(count - 1 for count in seen["bodies"].values())


if __name__ == "__main__":
    sys.exit(main())
