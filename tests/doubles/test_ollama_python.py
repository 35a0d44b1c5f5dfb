"""The client matrix, for the official client: what each trouble looks like to those who use it."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import ollama
import pytest

from tests.doubles.faults import BUSY
from tests.doubles.ollama import Fault, OllamaDouble

LONG = "x" * 99999
HTML = "<html>Log in to the guest network</html>"


def chat(client: ollama.Client, text: str = "Capital?", **more: Any) -> ollama.ChatResponse:
    return client.chat("student", [{"role": "user", "content": text}], **more)


def streamed(client: ollama.Client) -> list[ollama.ChatResponse]:
    return list(client.chat("student", [{"role": "user", "content": "Capital?"}], stream=True))


def test_a_missing_model(double: OllamaDouble, client: ollama.Client) -> None:
    double.models.clear()
    with pytest.raises(ollama.ResponseError, match="model 'student' not found") as caught:
        chat(client)
    assert caught.value.status_code == 404


def test_busy(double: OllamaDouble, client: ollama.Client) -> None:
    double.faults.append(Fault("busy", times=2))
    for send in (chat, streamed):
        with pytest.raises(ollama.ResponseError) as caught:
            send(client)
        assert (caught.value.status_code, caught.value.error) == (503, BUSY)


def test_native_overflow(double: OllamaDouble, client: ollama.Client) -> None:
    double.models["student"].mode = "native"
    with pytest.raises(ollama.ResponseError) as caught:
        chat(client, LONG)
    assert caught.value.status_code == 400
    assert json.loads(caught.value.error)["error"]["type"] == "exceed_context_size_error"


def test_silent_truncation(double: OllamaDouble, client: ollama.Client) -> None:
    answer = chat(client, LONG)
    assert (answer.prompt_eval_count, answer.done_reason) == (2050, "stop")


@pytest.mark.parametrize("kind", ["reset", "reset_mid"])
def test_resets(double: OllamaDouble, client: ollama.Client, kind: str) -> None:
    double.faults.append(Fault(kind, times=2))
    for send in (chat, streamed):
        with pytest.raises(httpx.ReadError):
            send(client)
    assert chat(client).message.content == "Paris"


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with ollama.Client(f"http://127.0.0.1:{free.getsockname()[1]}") as client, pytest.raises(ConnectionError):
            chat(client)


def test_errors_in_the_middle(double: OllamaDouble, client: ollama.Client) -> None:
    double.faults.append(Fault("error_mid", times=2))
    with pytest.raises(ollama.ResponseError) as caught:
        chat(client)
    assert caught.value.status_code == 500
    with pytest.raises(ollama.ResponseError) as caught:
        streamed(client)
    assert caught.value.status_code == -1


def test_an_answer_that_is_not_done_is_no_error(double: OllamaDouble, client: ollama.Client) -> None:
    double.faults = [Fault("abort_no_done", times=2), Fault("eof_mid")]
    answers = [chat(client), streamed(client)[-1], streamed(client)[-1]]
    assert [(answer.message.content, answer.done, answer.done_reason) for answer in answers] == [
        ("Pari", False, None)
    ] * 3


def test_a_body_cut_short_is_one(double: OllamaDouble, client: ollama.Client) -> None:
    double.faults.append(Fault("eof_mid"))
    with pytest.raises(httpx.RemoteProtocolError):
        chat(client)


def test_a_web_page_with_status_200(double: OllamaDouble, client: ollama.Client) -> None:
    double.faults.append(Fault("status", status=200, body=HTML))
    with pytest.raises(json.JSONDecodeError):
        chat(client)


def test_a_next_line_in_the_text(double: OllamaDouble, client: ollama.Client) -> None:
    double.faults.append(Fault("content", text="a\u0085b", times=2))
    assert chat(client).message.content == "a\u0085b"
    with pytest.raises(json.JSONDecodeError):
        streamed(client)


@pytest.mark.parametrize("fault", [Fault("delay", seconds=5), Fault("slow_chunks", seconds=5)])
def test_time_outs(double: OllamaDouble, fault: Fault) -> None:
    double.faults.append(fault)
    with ollama.Client(double.url, timeout=0.1) as client, pytest.raises(httpx.ReadTimeout):
        chat(client)
    with ollama.Client(double.url) as client:
        assert client._client.timeout.read is None
