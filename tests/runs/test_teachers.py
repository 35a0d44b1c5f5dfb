"""Generation with teachers over real HTTP: the scripted teacher answers behind doubles, and everything goes wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import dspy
import pytest
from rich.console import Console

from corpus.errors import LimitError, RunError, TeacherError
from lms.build import Models
from lms.spec import ModelSpec
from runs.folder import Run, read_run
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from runs.written import read_drafts
from tests.doubles.ollama import Fault, Model, OllamaDouble
from tests.doubles.scripted import scripted_reply

ROOT = Path(__file__).resolve().parents[2]
OLLAMA = ROOT / "recipes" / "ollama.yaml"
THINKS = Model("qwen3:8b", capabilities=("completion", "thinking"))
SMALL = ("plan.sessions=4", "plan.method=concise", "generate.concurrency=4")
KEY = "sk-not-a-real-key-4711"


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(THINKS, num_parallel=16, reply=scripted_reply({})) as double:
        yield double


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.resilient.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("lms.gate.FIRST_PROBE", 0.05)


def generate(out: Path, *overrides: str, recipe: Path = OLLAMA, curate: bool = False) -> tuple[Run, str]:
    """Run the stage; returns the run and what was printed."""
    console = Console(file=StringIO(), width=400)
    try:
        loaded = load_recipe(recipe, [*overrides, "exam.emobench=null", "verify.votes=1"])
        run_stages(loaded, out, console, ("generate", "verify", "curate") if curate else ("generate",))
    finally:
        assert isinstance(console.file, StringIO)
        printed = console.file.getvalue()
    return read_run(out), printed


def rows(run: Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.journal_path(name).read_text(encoding="utf-8").splitlines()]


def items(run: Run) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in run.items_path.read_text(encoding="utf-8").splitlines()]
    for item in found:
        del item["teacher"]
    return found


def spending(run: Run) -> dict[str, Any]:
    manifest = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))
    return dict(manifest["spending"])


@pytest.mark.parametrize("structured", ["none", "schema"])
def test_the_items_are_the_same_over_http_as_in_process(structured: str, double: OllamaDouble, tmp_path: Path) -> None:
    settings = ("plan.sessions=6", "plan.method={mads: 0.5, concise: 0.5}", "generate.concurrency=6")
    over_http, _ = generate(
        tmp_path / "http", *settings, f"lms.teacher.base_url={double.url}", f"lms.teacher.structured={structured}",
        curate=True,
    )  # fmt: skip
    in_process, _ = generate(
        tmp_path / "process", *settings, "lms.teacher={model: scripted/counsel, mistakes: {}}", curate=True
    )
    assert len(items(over_http)) > 20
    assert items(over_http) == items(in_process)
    assert {draft.teacher for draft in read_drafts(over_http)} == {"ollama_chat/qwen3:8b"}
    for body in double.chats():
        assert body["truncate"] is body["shift"] is False
        assert (body["options"]["num_ctx"], body["think"], "format" in body) == (8192, False, structured == "schema")
    assert double.scheduler.loads == 1, "one set of options for all calls: the model is loaded once"
    spent = spending(over_http)
    written = sum(role["calls"] for role in spent["generate"].values())
    assert written == over_http.require("generate")["calls"]
    assert len(double.chats()) == spent["total"]["calls"] == written + spent["verify"]["judge"]["calls"]
    assert {
        key: value[:8] for key, value in json.loads((over_http.path / "manifest.json").read_text())["weights"].items()
    }


EVERY_FAULT = (
    # fault, how often, what the ledger calls it, what the asker calls it
    (Fault("delay", seconds=0.02), 3, "", ""),
    (Fault("slow_load", seconds=0.02), 2, "", ""),
    (Fault("slow_chunks", seconds=0.001), 2, "", ""),
    (Fault("load_fail"), 3, "server error", ""),
    (Fault("busy"), 4, "server busy", ""),
    (Fault("status", status=429, body={"error": "slow down"}, headers={"Retry-After": "0.02"}), 3, "server busy", ""),
    (Fault("status", status=502, body=b"<html>Bad gateway</html>"), 3, "server error", ""),
    (Fault("status", status=200, body=b"<html>Log in to the guest network</html>"), 2, "connection lost", ""),
    (Fault("reset"), 4, "connection lost", ""),
    (Fault("reset_mid"), 3, "connection lost", ""),
    (Fault("eof_mid"), 3, "connection lost", ""),
    (Fault("abort_no_done"), 4, "answer broke off", ""),
    (Fault("error_mid"), 3, "answer broke off", ""),
    (Fault("content", text=""), 2, "", "unreadable answer"),
    (Fault("content", text='{"message": "half'), 2, "", "unreadable answer"),
    (Fault("content", text="Sure! Here is what you asked for."), 2, "", "unreadable answer"),
    (Fault("content", text="[[ ## message ## ]]\nHalf of it", after=1), 3, "answer cut", "answer cut"),
    (Fault("thinking_only", text="Hmm."), 3, "answer cut", "answer cut"),
    (Fault("format_ignored"), 2, "", "unreadable answer"),
)


def test_every_fault_of_a_server_is_survived_and_counted(double: OllamaDouble, tmp_path: Path) -> None:
    skip, apart = 30, 5  # calls let pass before the first fault, and between two, so that no ask meets two
    for fault, times, _, _ in EVERY_FAULT:
        for _ in range(times):
            double.faults.append(Fault(**{**vars(fault), "path": "/api/chat", "skip": skip, "times": 1}))
            skip += apart
    run, printed = generate(
        tmp_path / "out", "plan.sessions=60", "plan.method=concise", "generate.concurrency=1",
        "lms.teacher.structured=schema", f"lms.teacher.base_url={double.url}",
    )  # fmt: skip
    injected = Counter(fault.kind for fault, times, _, _ in EVERY_FAULT for _ in range(times))
    assert double.injected == injected, "not every fault was met"
    lost = Counter(reason for _, times, reason, _ in EVERY_FAULT for _ in range(times) if reason)
    asked = Counter(reason for _, times, _, reason in EVERY_FAULT for _ in range(times) if reason)
    summary, spent = run.require("generate"), spending(run)["total"]
    assert spent["failed"] == lost
    told: Counter[str] = Counter()
    for complaint, count in summary["complaints"].items():
        told[complaint.partition(": ")[2]] += count
    assert told == asked
    assert (summary["sessions"], summary["failed_sessions"], summary["unwritten"]) == (60, {}, {})
    ids = [row["id"] for row in rows(run, "sessions")]
    assert len(ids) == len(set(ids)) == 60
    # An answer that was cut counts twice: as a call that brought no answer, and as an ask that was repeated.
    repeated = lost.total() - lost["answer cut"]
    assert spent["calls"] == len(double.chats()) == summary["calls"] + repeated
    assert f"({lost.total()} lost)" in printed


def test_a_prompt_that_does_not_fit_stops_a_run_that_has_finished_nothing(double: OllamaDouble, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"does not fit into 1024 tokens; raise num_ctx of ollama_chat/qwen3:8b"):
        generate(
            tmp_path / "out", *SMALL, f"lms.teacher.base_url={double.url}", "lms.teacher.num_ctx=1024",
            "lms.teacher.max_tokens=512",
        )  # fmt: skip
    run, _ = generate(tmp_path / "out", *SMALL, f"lms.teacher.base_url={double.url}")
    assert run.require("generate")["sessions"] == 4, "num_ctx may be raised under a run"


def test_one_poisoned_item_of_a_run_that_works_is_a_counted_row(double: OllamaDouble, tmp_path: Path) -> None:
    double.faults.append(Fault("overflow", path="/api/chat", skip=30))
    run, _ = generate(
        tmp_path / "out", "plan.sessions=9", "plan.method=concise", "generate.concurrency=1",
        f"lms.teacher.base_url={double.url}",
    )  # fmt: skip
    summary = run.require("generate")
    assert Counter(summary["failed_sessions"]) + Counter(summary["unwritten"]) != {}
    assert set(summary["failed_sessions"]) | set(summary["unwritten"]) == {"teacher: prompt too long"}
    assert summary["sessions"] >= 8


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("qwen3:9b", r"the server does not have qwen3:9b \(the nearest that it has is qwen3:8b\); run `ollama pull"),
        ("embedder", "does not write text"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_there_stops_the_run_before_anything_is_asked(
    model: str, message: str, double: OllamaDouble, tmp_path: Path
) -> None:
    double.models.add(Model("embedder", capabilities=("embedding",)))
    with pytest.raises(TeacherError, match=message):
        generate(
            tmp_path / "out", *SMALL, f"lms.teacher.base_url={double.url}", f"lms.teacher.model=ollama_chat/{model}"
        )
    assert double.chats() == []


def test_a_model_that_goes_away_stops_the_run_at_once_and_nothing_is_lost(double: OllamaDouble, tmp_path: Path) -> None:
    double.faults.append(Fault("gone", path="/api/chat", skip=25))
    with pytest.raises(TeacherError, match="run `ollama pull qwen3:8b`"):
        generate(tmp_path / "out", "plan.sessions=12", *SMALL[1:], f"lms.teacher.base_url={double.url}")
    assert len(double.chats()) < 25 + 12
    double.models.add(THINKS)
    run, _ = generate(tmp_path / "out", "plan.sessions=12", *SMALL[1:], f"lms.teacher.base_url={double.url}")
    assert run.require("generate")["sessions"] == 12
    bodies = Counter(json.dumps(body, sort_keys=True) for body in double.chats())
    failed = sum(1 for line in run.calls_path.read_text().splitlines() if "failed" in json.loads(line))
    assert bodies.total() - len(bodies) <= failed <= 4, "only what failed was asked again"


def test_a_wrong_key_stops_the_run_in_one_line_that_does_not_hold_it(
    double: OllamaDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.key = "another"
    monkeypatch.setenv("MY_KEY", KEY)
    address = (f"lms.teacher.base_url={double.url}", "lms.teacher.api_key_env=MY_KEY")
    with pytest.raises(TeacherError, match="the server refuses the key") as caught:
        generate(tmp_path / "a", *SMALL, *address)
    assert KEY not in str(caught.value)
    with pytest.raises(TeacherError) as caught:
        generate(
            tmp_path / "b", *SMALL, "lms.teacher={model: hosted_vllm/qwen3:8b, api_key_env: MY_KEY, "
            f"base_url: '{double.url}/v1'}}"
        )  # fmt: skip
    assert str(caught.value).startswith("teacher [hosted_vllm/qwen3:8b] ")
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("prefix", ["hosted_vllm", "sglang", "llama_server", "lm_studio", "openai"])
def test_a_server_that_speaks_openais_protocol_is_a_teacher_too(
    prefix: str, double: OllamaDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.key = KEY
    monkeypatch.setenv("MY_KEY", KEY)
    run, _ = generate(
        tmp_path / "out", *SMALL, f"lms.teacher={{model: '{prefix}/qwen3:8b', base_url: '{double.url}/v1', "
        "api_key_env: MY_KEY, prices: {input: 1, output: 3}}",
    )  # fmt: skip
    spent = spending(run)["total"]
    assert run.require("generate")["sessions"] == 4
    sent = [request for request in double.requests if request.path == "/v1/chat/completions"]
    assert len(sent) == spent["calls"] > 0
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in sent)
    assert all(request.body["max_tokens" if prefix != "openai" else "max_completion_tokens"] for request in sent)
    assert spent["money"] == pytest.approx((spent["input_tokens"] + 3 * spent["output_tokens"]) / 1e6)


def test_fields_of_a_servers_own_reach_it(double: OllamaDouble, tmp_path: Path) -> None:
    generate(
        tmp_path / "a", *SMALL, f"lms.teacher.base_url={double.url}", "lms.teacher.extra={min_p: 0.05}",
        "lms.teacher.top_k=20",
    )  # fmt: skip
    generate(
        tmp_path / "b", *SMALL, "lms.teacher={model: hosted_vllm/qwen3:8b, structured: json, "
        f"base_url: '{double.url}/v1', extra: {{chat_template_kwargs: {{enable_thinking: false}}}}}}",
    )  # fmt: skip
    options = double.chats()[0]["options"]
    assert (options["min_p"], options["top_k"]) == (0.05, 20)
    sent = next(request.body for request in double.requests if request.path == "/v1/chat/completions")
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["response_format"] == {"type": "json_object"}


def test_half_an_answer_of_an_openai_server_is_no_answer(double: OllamaDouble, tmp_path: Path) -> None:
    double.faults.append(Fault("content", path="/v1/*", text="Half of it", after=1, skip=5))
    run, _ = generate(
        tmp_path / "out", *SMALL, f"lms.teacher={{model: 'hosted_vllm/qwen3:8b', base_url: '{double.url}/v1'}}"
    )
    assert spending(run)["total"]["failed"] == {"answer cut": 1}
    assert sum(run.require("generate")["complaints"].values()) == 1


def test_nothing_secret_and_no_address_lands_in_a_run_folder(
    double: OllamaDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.key = KEY
    monkeypatch.setenv("MY_KEY", KEY)
    double.faults += [Fault("reset", path="/api/chat", skip=20 * n, times=2) for n in range(3)]
    double.faults.append(Fault("busy", path="/api/chat", skip=5))
    run, printed = generate(
        tmp_path / "out", "plan.sessions=12", *SMALL[1:], "lms.teacher.retries=0", "lms.teacher.api_key_env=MY_KEY",
        f"lms.teacher.base_url={double.url}", "generate.concurrency=2", curate=True,
    )  # fmt: skip
    assert run.require("generate")["failed_sessions"], "nothing failed: the test shows less than it should"
    address = double.url.removeprefix("http://")
    for path in run.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert KEY.encode() not in content, path
            assert address.encode() not in content, path
            assert b"Bearer" not in content, path
    assert KEY not in printed
    program = dspy.Predict("question -> answer")
    spec = ModelSpec(model="ollama_chat/qwen3:8b", base_url=double.url, api_key_env="MY_KEY")
    with Models({"teacher": spec}) as models:
        program.save(tmp_path / "program.json")
        program.lm = models.lms["teacher"]
        with pytest.raises(TypeError, match="save the program without this LM"):
            program.save(tmp_path / "bound.json")
    assert address not in (tmp_path / "program.json").read_text()


def test_a_program_saved_with_one_teacher_runs_with_another(double: OllamaDouble, tmp_path: Path) -> None:
    from programs.converter import ItemConverter
    from runs.written import read_sessions

    run, _ = generate(tmp_path / "a", *SMALL, "lms.teacher={model: scripted/counsel, mistakes: {}}")
    convert = ItemConverter()
    convert.write_application.signature = convert.write_application.signature.with_instructions("Write an item.")
    convert.save(tmp_path / "program.json")
    again = ItemConverter()
    again.load(tmp_path / "program.json")
    spec = ModelSpec(model="ollama_chat/qwen3:8b", base_url=double.url)
    with Models({"teacher": spec}) as models, dspy.context(lm=models.lms["teacher"], roles=models.lms):
        written = again(session=next(read_sessions(run)))
    assert len(written.drafts) == len(double.chats()) > 0
    assert any("Write an item." in body["messages"][0]["content"] for body in double.chats())


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("limits.calls=15", r"stopped: limits.calls = 15 is reached"),
        ("limits.tokens=20000", r"limits.tokens = 20,000 is reached"),
        ("limits.money=0.02", r"limits.money = 0.02 is reached"),
    ],
)
def test_a_limit_stops_a_run_which_then_goes_on(limit: str, message: str, double: OllamaDouble, tmp_path: Path) -> None:
    settings = (*SMALL, f"lms.teacher.base_url={double.url}", "lms.teacher.prices={input: 1, output: 1}")
    with pytest.raises(LimitError, match=f"{message}.*raise the limit and run the same command"):
        generate(tmp_path / "out", *settings, limit)
    stopped = len(double.chats())
    assert stopped == 15 or "calls" not in limit
    assert spending(Run(tmp_path / "out", load_recipe(OLLAMA)))["total"]["calls"] == stopped
    with pytest.raises(LimitError):
        generate(tmp_path / "out", *settings, limit)
    assert len(double.chats()) == stopped, "what was spent before counts"
    run, _ = generate(tmp_path / "out", *settings)
    bodies = Counter(json.dumps(body, sort_keys=True) for body in double.chats())
    assert max(bodies.values()) == 1, "an answer that was paid for is not asked for again"
    assert spending(run)["total"]["calls"] == len(double.chats())


def test_answers_are_shared_by_runs_only_by_choice(double: OllamaDouble, tmp_path: Path) -> None:
    settings = (*SMALL, f"lms.teacher.base_url={double.url}")
    generate(tmp_path / "a", *settings, f"generate.cache={tmp_path / 'shared'}")
    calls = len(double.chats())
    generate(tmp_path / "b", *settings, f"generate.cache={tmp_path / 'shared'}")
    assert len(double.chats()) == calls
    generate(tmp_path / "c", *settings)
    assert len(double.chats()) == 2 * calls
    generate(tmp_path / "d", *settings, "generate.cache=null")
    assert len(double.chats()) == 3 * calls
    assert not (tmp_path / "d" / "answers.jsonl").exists()
    with OllamaDouble(THINKS, num_parallel=8, reply=scripted_reply({})) as other:
        generate(tmp_path / "e", *SMALL, f"lms.teacher.base_url={other.url}", f"generate.cache={tmp_path / 'shared'}")
        assert len(other.chats()) == calls, "another server's answers were taken for this one's"
    double.models.add(Model("qwen3:8b", capabilities=THINKS.capabilities, digest="f" * 64))
    generate(tmp_path / "f", *settings, f"generate.cache={tmp_path / 'shared'}")
    assert len(double.chats()) == 4 * calls, "a model of the same name with other weights"


Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start_double() -> Iterator[Start]:
    """Start the double as a process, at a port if one is given: (process, address)."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "tests.doubles.ollama", "--scripted", "--parallel", "16", *options]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def hashes(log: Path) -> list[str]:
    return [json.loads(line)["sha256"] for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def test_a_server_that_is_killed_and_comes_back_is_waited_for(start_double: Start, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    server, url = start_double("--latency", "0.03", "--log", str(log))
    out = tmp_path / "out"
    settings = ["plan.sessions=8", "plan.method=concise", "generate.concurrency=4", f"lms.teacher.base_url={url}"]
    command = [sys.executable, "-m", "cli", "generate", str(OLLAMA), "--out", str(out)]
    client = subprocess.Popen(
        command + [part for setting in settings for part in ("--set", setting)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_for(lambda: len(hashes(log)) >= 20)
    server.kill()
    server.wait()
    time.sleep(1.5)
    start_double("--latency", "0.03", "--log", str(log), "--port", url.rpartition(":")[2])
    printed, _ = client.communicate(timeout=120)
    assert client.returncode == 0, printed
    said = " ".join(printed.split())
    assert "ollama_chat/qwen3:8b is gone; waiting for it, 0:15:00 at the most" in said
    assert "ollama_chat/qwen3:8b answers again after" in said
    seen = Counter(hashes(log))
    assert seen.total() - len(seen) <= 4, "only what was under way is asked again"
    summary = read_run(out).require("generate")
    assert (summary["sessions"], summary["failed_sessions"], summary["unwritten"]) == (8, {}, {})


def test_a_run_killed_halfway_repeats_only_the_calls_that_were_under_way(start_double: Start, tmp_path: Path) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "out"
    _, url = start_double("--latency", "0.02", "--log", str(log))
    settings = ["plan.sessions=8", "plan.method=concise", "generate.concurrency=4", f"lms.teacher.base_url={url}"]
    command = [sys.executable, "-m", "cli", "generate", str(OLLAMA), "--out", str(out)]
    command += [part for setting in settings for part in ("--set", setting)]
    client = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(hashes(log)) >= 30)
    client.send_signal(signal.SIGKILL)
    client.wait()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=120)
    seen = Counter(hashes(log))
    assert seen.total() - len(seen) <= 4
    run = read_run(out)
    assert run.require("generate")["sessions"] == 8
    assert len(run.calls_path.read_text().splitlines()) >= len(seen)


def test_a_server_that_never_was_there_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"cannot reach Ollama at http://127.0.0.1:9; is `ollama serve` running\?"):
        generate(tmp_path / "a", *SMALL, "lms.teacher.base_url=http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(TeacherError, match=r"cannot reach the server .*check base_url"):
        generate(
            tmp_path / "b", *SMALL, "generate.concurrency=1",
            "lms.teacher={model: hosted_vllm/m, base_url: 'http://127.0.0.1:9/v1'}", "plan.sessions=9",
        )  # fmt: skip
    assert time.monotonic() - started < 20


def test_a_few_sessions_that_no_server_answered_lead_to_the_doctor(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none of 2 sessions .* teacher: server gone; `emoreason doctor` looks at"):
        generate(
            tmp_path / "out", "plan.sessions=2", "lms.teacher={model: hosted_vllm/m, base_url: 'http://127.0.0.1:9/v1'}"
        )


def test_a_full_disk_stops_the_run_in_one_line_and_nothing_is_lost(
    double: OllamaDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = os.write, []

    def write_while_there_is_room(file: int, data: bytes) -> int:
        if data.startswith(b'{"key"') and len(written) == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        if data.startswith(b'{"key"'):
            written.append(data)
        return write(file, data)

    with monkeypatch.context() as full:
        full.setattr("corpus.line_file.os.write", write_while_there_is_room)
        with pytest.raises(RunError, match=r"answers.jsonl: the disk is full; nothing finished is lost"):
            generate(tmp_path / "out", *SMALL, f"lms.teacher.base_url={double.url}")
    run, _ = generate(tmp_path / "out", *SMALL, f"lms.teacher.base_url={double.url}")
    assert run.require("generate")["sessions"] == 4
