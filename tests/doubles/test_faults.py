from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.doubles.faults import BUSY, KINDS, LOAD_FAILURE, RUNNER_CRASH
from tests.doubles.ollama import Fault, Model, OllamaDouble, Reply
from tests.doubles.raw import Answer, ask, say

STREAM = {"stream": True}


def chat(double: OllamaDouble, **more: Any) -> Answer:
    return ask(double.url, "/api/chat", say(**more))


def test_an_unknown_kind_is_a_mistake_of_the_test() -> None:
    with pytest.raises(ValueError, match="no fault is called 'rest'"):
        Fault("rest")


def test_faults_are_used_up_in_their_order(double: OllamaDouble) -> None:
    double.faults = [
        Fault("status", path="/api/version", status=418),
        Fault("status", status=501, skip=1, times=2),
        Fault("status", path="/api/chat", status=502),
    ]
    assert [chat(double).status for _ in range(4)] == [502, 501, 501, 200]
    assert ask(double.url, "/api/version").status == 418
    assert double.faults == []
    assert double.injected == Counter(status=4)


def test_a_fault_waits_for_a_request_that_it_can_happen_to(double: OllamaDouble) -> None:
    double.faults = [Fault("early_200"), Fault("format_ignored"), Fault("content", text="x"), Fault("busy")]
    assert ask(double.url, "/api/tags").status == 200
    assert chat(double).json()["message"]["content"] == "x"
    assert chat(double).status == 503
    assert [fault.kind for fault in double.faults] == ["early_200", "format_ignored"]


def test_a_fault_that_could_not_happen_is_not_counted(double: OllamaDouble) -> None:
    double.faults = [Fault("content", text="x")]
    assert chat(double, model="zz").status == 404
    assert double.injected == Counter()


def test_delay(double: OllamaDouble) -> None:
    double.faults = [Fault("delay", seconds=0.15)]
    began = time.monotonic()
    assert chat(double).json()["message"]["content"] == "Paris"
    assert time.monotonic() - began >= 0.15


def test_a_dead_runner_is_loaded_anew(double: OllamaDouble) -> None:
    assert chat(double).status == 200
    double.faults = [Fault("slow_load", seconds=0.1), Fault("load_fail"), Fault("load_fail", text="out of memory")]
    assert chat(double).json()["load_duration"] >= 10**8
    assert double.loads == 2
    for text in (LOAD_FAILURE, "out of memory"):
        answer = chat(double)
        assert (answer.status, answer.error) == (500, text)
    assert chat(double).status == 200
    assert double.loads == 3
    assert double.injected == Counter(slow_load=1, load_fail=2)


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_busy(double: OllamaDouble, path: str) -> None:
    double.faults = [Fault("busy")]
    answer = ask(double.url, path, say())
    assert answer.status == 503
    assert (answer.error if path == "/api/chat" else answer.error["message"]) == BUSY


@pytest.mark.parametrize(
    ("fault", "kind", "data"),
    [
        (Fault("status", status=502, body="<html>Bad Gateway</html>"), "text/html", b"<html>Bad Gateway</html>"),
        (Fault("status", status=200, body=b"<html>Log in</html>"), "text/html", b"<html>Log in</html>"),
        (Fault("status", status=401, body={"error": "<no>"}), "application/json", b'{"error":"\\u003cno\\u003e"}'),
        (Fault("status", status=500), "text/html", b""),
        (Fault("status", status=520, body="origin unreachable"), "text/html", b"origin unreachable"),
        (Fault("status", status=200, body="ok", headers={"content-type": "text/plain"}), "text/plain", b"ok"),
    ],
)
def test_status(double: OllamaDouble, fault: Fault, kind: str, data: bytes) -> None:
    double.faults = [fault]
    answer = chat(double)
    assert (answer.status, answer.data) == (fault.status, data)
    assert answer.headers["content-type"].startswith(kind)


def test_status_may_ask_for_patience(double: OllamaDouble) -> None:
    double.faults = [Fault("status", status=429, headers={"Retry-After": "2"})]
    assert chat(double).headers["retry-after"] == "2"


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/api/tags"])
def test_reset(double: OllamaDouble, path: str) -> None:
    double.faults = [Fault("reset")]
    with pytest.raises(ConnectionResetError):
        ask(double.url, path, None if path == "/api/tags" else say())
    assert double.injected == Counter(reset=1)


def read_some(double: OllamaDouble, path: str, stream: bool) -> tuple[bytes, type[Exception] | None]:
    """Read byte by byte until the end or an error."""
    connection = http.client.HTTPConnection("127.0.0.1", int(double.url.rpartition(":")[2]), timeout=5)
    connection.request("POST", path, json.dumps(say(stream=stream)).encode())
    response, data = connection.getresponse(), b""
    assert response.status == 200
    try:
        while byte := response.read(1):
            data += byte
    except (ConnectionResetError, http.client.IncompleteRead) as error:
        return data, type(error)
    finally:
        connection.close()
        response.close()
    expected = int(response.headers.get("Content-Length", len(data)))
    return data, None if len(data) == expected else http.client.IncompleteRead


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
@pytest.mark.parametrize(
    ("kind", "streamed", "whole"),
    [("reset_mid", ConnectionResetError, ConnectionResetError), ("eof_mid", None, http.client.IncompleteRead)],
)
def test_answers_that_break_off(double: OllamaDouble, path: str, kind: str, streamed: Any, whole: Any) -> None:
    double.reply = lambda body: "Par is"
    double.faults = [Fault(kind, after=1), Fault(kind, after=0), Fault(kind, after=99), Fault(kind)]
    data, ending = read_some(double, path, stream=True)
    assert (data.count(b"content"), ending) == (1, streamed)
    assert b"done_reason" not in data
    assert read_some(double, path, stream=True) == (b"", streamed)
    data, ending = read_some(double, path, stream=True)
    assert ending == streamed
    assert b"done_reason" not in data
    assert b"[DONE]" not in data
    data, ending = read_some(double, path, stream=False)
    assert ending == whole
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)
    assert double.injected == {kind: 4}


@pytest.mark.parametrize(("after", "content"), [(0, ""), (1, "Pari"), (99, "Paris")])
def test_abort_no_done(double: OllamaDouble, after: int, content: str) -> None:
    double.faults = [Fault("abort_no_done", after=after, times=2)]
    lines = chat(double, stream=True).lines()
    assert "".join(line["message"]["content"] for line in lines) == content
    assert not any(line["done"] for line in lines)
    answer = chat(double)
    assert answer.status == 200
    assert answer.json()["message"]["content"] == content
    assert answer.json()["done"] is False
    assert not {"done_reason", "eval_count", "prompt_eval_count"} & set(answer.json())


def test_error_mid(double: OllamaDouble) -> None:
    double.faults = [Fault("error_mid"), Fault("error_mid", text="CUDA error"), Fault("error_mid", after=0)]
    streamed = chat(double, stream=True)
    assert streamed.status == 200
    first, last = streamed.lines()
    assert (first["message"]["content"], last) == ("Pari", {"error": RUNNER_CRASH})
    answer = chat(double)
    assert (answer.status, answer.error) == (500, "CUDA error")
    assert chat(double, stream=True).status == 500  # nothing was sent yet
    assert double.scheduler.active == 0


@pytest.mark.parametrize("text", ["", '{"a": "b', "Sure! Here you are: {}", "one\u0085two"])
@pytest.mark.parametrize(("after", "reason"), [(None, "stop"), (1, "length")])
def test_content(double: OllamaDouble, text: str, after: int | None, reason: str) -> None:
    double.faults = [Fault("content", text=text, after=after)]
    answer = chat(double).json()
    assert (answer["message"]["content"], answer["done_reason"]) == (text, reason)


def test_thinking_only(double: OllamaDouble) -> None:
    double.models.add(Model("thinker", capabilities=("completion", "thinking")))
    double.reply = lambda body: Reply("Paris", thinking="Let me see.")
    double.faults = [Fault("thinking_only", times=2), Fault("thinking_only", text="Hm.")]
    for model in ("thinker", "student"):
        answer = chat(double, model=model, options={"num_predict": 64}).json()
        assert answer["message"] == {"role": "assistant", "content": "", "thinking": "Let me see."}
        assert (answer["done_reason"], answer["eval_count"]) == ("length", 64)
    assert chat(double).json()["message"]["thinking"] == "Hm."


def test_format_ignored(double: OllamaDouble) -> None:
    double.reply = lambda body: "{}"
    double.faults = [Fault("format_ignored"), Fault("format_ignored", text="Gladly.")]
    assert chat(double).json()["message"]["content"] == "{}"
    with pytest.raises(json.JSONDecodeError):
        json.loads(chat(double, format={"type": "object"}).json()["message"]["content"])
    body = say(response_format={"type": "json_object"})
    assert ask(double.url, "/v1/chat/completions", body).json()["choices"][0]["message"]["content"] == "Gladly."


def test_gone(double: OllamaDouble) -> None:
    double.faults = [Fault("gone")]
    assert ask(double.url, "/api/show", {"model": "student"}).status == 200
    answer = chat(double)
    assert (answer.status, answer.error) == (404, "model 'student' not found")
    assert ask(double.url, "/api/show", {"model": "student"}).status == 404


@pytest.mark.parametrize("stream", [True, False])
def test_slow_chunks(double: OllamaDouble, stream: bool) -> None:
    double.reply = lambda body: "x" * 12
    double.faults = [Fault("slow_chunks", seconds=0.1)]
    began = time.monotonic()
    chat(double, stream=stream)
    assert time.monotonic() - began >= 0.3
    began = time.monotonic()
    chat(double, stream=stream)
    assert time.monotonic() - began < 0.3


def test_all_kinds_can_happen_to_some_request(double: OllamaDouble) -> None:
    body = say(format="json")
    places = {"early_200": "/api/blobs/x"}
    assert all(Fault(kind).can_happen(places.get(kind, "/api/chat"), body) for kind in KINDS)


def spread(share: float, seed: int, requests: int = 120) -> tuple[list[int], Counter[str]]:
    faults = [Fault("busy"), Fault("status", status=502), Fault("abort_no_done")]
    with OllamaDouble("student") as double:
        double.spread_faults(share, faults, seed)
        assert ask(double.url, "/api/version").status == 200
        return [chat(double).status for _ in range(requests)], double.injected


def test_spread_faults_meet_their_share_and_depend_on_the_seed() -> None:
    statuses, injected = spread(0.3, seed=7)
    assert 20 <= injected.total() <= 52
    assert set(injected) == {"busy", "status", "abort_no_done"}
    assert statuses.count(503) == injected["busy"]
    assert statuses.count(502) == injected["status"]
    assert spread(0.3, seed=7) == (statuses, injected)
    assert spread(0.3, seed=8)[0] != statuses
    assert spread(0.0, seed=7, requests=20)[1] == Counter()
    assert spread(1.0, seed=7, requests=20)[1].total() == 20


def test_spread_faults_are_counted_right_under_threads() -> None:
    with OllamaDouble("student", num_parallel=8) as double, ThreadPoolExecutor(8) as pool:
        double.spread_faults(0.5, [Fault("busy"), Fault("load_fail")], seed=1)
        statuses = Counter(answer.status for answer in pool.map(lambda _: chat(double), range(120)))
        assert statuses == Counter({200: 120 - double.injected.total(), 503: double.injected["busy"],
                                    500: double.injected["load_fail"]})  # fmt: skip
        assert len(double.requests) == 120
