from __future__ import annotations

import http.client
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.ollama import OllamaDouble
from tests.doubles.raw import ask, say
from tests.doubles.wire import dump, local, utc

SECOND = 10**9


@given(st.text())
def test_json_is_written_as_go_writes_it(text: str) -> None:
    data = dump({"text": text})
    assert json.loads(data)["text"] == text
    assert not set("<>&\u2028\u2029") & set(data.decode())
    assert "\n" not in data.decode()


def test_all_but_five_characters_stay_as_they_are() -> None:
    assert dump("é\u0085<&>\u2028") == '"é\u0085\\u003c\\u0026\\u003e\\u2028"'.encode()
    assert dump("\ud800") == '"\ufffd"'.encode()


@pytest.mark.parametrize(
    ("nanoseconds", "written"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (SECOND // 2, "1970-01-01T00:00:00.5Z"),
        (SECOND + 123456789, "1970-01-01T00:00:01.123456789Z"),
    ],
)
def test_times_have_as_many_digits_as_they_need(nanoseconds: int, written: str) -> None:
    assert utc(nanoseconds) == written
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", local(nanoseconds))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "missing request body"),
        (b" \n", "missing request body"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b'{"model": x}', "invalid character 'x' looking for beginning of value"),
        (b'{"model": NaN}', "invalid character 'N' looking for beginning of value"),
        (b"{model: 1}", "invalid character 'm' looking for beginning of object key string"),
        (b'{"model" 1}', "invalid character '1' after object key"),
        (b'{"model": 1 2}', "invalid character '2' after object key:value pair"),
        (b'{"model": "a\nb"}', r"invalid character '\n' in string literal"),
        (b'{"model": "a', "unexpected EOF"),
        (b'{"model": ', "unexpected EOF"),
        (b"[]", "json: cannot unmarshal array into Go value of type api.ChatRequest"),
        (b'{"model": 1}', "json: cannot unmarshal number into Go struct field ChatRequest.model of type string"),
        (b'{"model": "student", "messages": ["hi"]}',
         "json: cannot unmarshal string into Go struct field ChatRequest.messages"),
        (b'{"model": "student", "messages": [{"role": "user", "content": []}]}',
         "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"),
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused_in_the_decoders_words(double: OllamaDouble, raw: bytes, text: str) -> None:
    answer = ask(double.url, "/api/chat", raw)
    assert (answer.status, answer.error) == (400, text)


@pytest.mark.parametrize("path", ["/api/show", "/api/pull", "/api/create", "/api/generate", "/api/copy", "/api/embed"])
def test_an_empty_body_is_refused(double: OllamaDouble, path: str) -> None:
    answer = ask(double.url, path, b"")
    assert (answer.status, answer.data) == (400, b'{"error":"missing request body"}')


def test_what_follows_the_first_value_and_unknown_fields_are_not_read(double: OllamaDouble) -> None:
    body = say(num_ctx=1, options={"no_such_option": []})
    assert ask(double.url, "/api/chat", json.dumps(body).encode() + b" x").status == 200


def test_one_answer_has_a_length_and_no_newline_at_its_end(double: OllamaDouble) -> None:
    answer = ask(double.url, "/api/chat", say())
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.data))
    assert answer.data.endswith(b"}")


def test_without_the_word_stream_a_chat_is_streamed(double: OllamaDouble) -> None:
    for stream in ({}, {"stream": True}, {"stream": None}):
        body = {name: value for name, value in say().items() if name != "stream"} | stream
        answer = ask(double.url, "/api/chat", body)
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.data.endswith(b"}\n")
        assert len(answer.lines()) == 3


@pytest.mark.parametrize(
    ("method", "path", "status", "data"),
    [
        ("GET", "/", 200, b"Ollama is running"),
        ("HEAD", "/", 200, b""),
        ("HEAD", "/api/version", 200, b""),
        ("HEAD", "/api/tags", 200, b""),
        ("GET", "/api/version", 200, b'{"version":"0.33.0"}'),
        ("GET", "/api/nothing", 404, b"404 page not found"),
        ("POST", "/v1/responses", 404, b"404 page not found"),
        ("GET", "/api/chat", 405, b"405 method not allowed"),
        ("POST", "/api/tags", 405, b"405 method not allowed"),
        ("PATCH", "/v1/models/student", 405, b"405 method not allowed"),
    ],
)
def test_paths_and_methods(double: OllamaDouble, method: str, path: str, status: int, data: bytes) -> None:
    answer = ask(double.url, path, method=method)
    assert (answer.status, answer.data) == (status, data)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:11434", 200),
        ("[::1]:11434", 200),
        ("192.168.0.7:11434", 200),
        ("box.local", 200),
        ("evil.example", 403),
        ("8.8.8.8", 403),
    ],
)
def test_foreign_hosts_are_kept_out(double: OllamaDouble, host: str, status: int) -> None:
    answer = ask(double.url, "/api/version", Host=host)
    assert answer.status == status
    assert bool(answer.data) == (status == 200)


def test_a_key_guards_every_path(double: OllamaDouble) -> None:
    double.key = "secret"
    for path in ("/api/version", "/v1/models", "/nothing"):
        assert ask(double.url, path).status == 401
        assert ask(double.url, path).error
        assert ask(double.url, path, Authorization="Bearer other").status == 401
    assert ask(double.url, "/v1/models", Authorization="Bearer secret").status == 200


def test_without_a_key_authorization_is_ignored(double: OllamaDouble) -> None:
    assert ask(double.url, "/v1/models", Authorization="Bearer anything").status == 200


def test_requests_are_recorded_as_they_arrived(double: OllamaDouble) -> None:
    ask(double.url, "/api/version", **{"X-Tag": "Seven"})
    ask(double.url, "/api/chat?a=b", say("hello"))
    ask(double.url, "/api/chat", b"no json")
    version, chat, broken = double.requests
    assert (version.method, version.path, version.body) == ("GET", "/api/version", None)
    assert version.headers["x-tag"] == "Seven"
    assert (chat.path, chat.body) == ("/api/chat", say("hello"))
    assert broken.body is None
    assert version.time <= chat.time
    assert double.chats() == [say("hello")]


def test_uploads_in_chunks_are_read(double: OllamaDouble) -> None:
    def parts() -> Any:
        text = json.dumps(say("in chunks")).encode()
        yield text[:10]
        yield text[10:]

    connection = http.client.HTTPConnection("127.0.0.1", int(double.url.rpartition(":")[2]), timeout=10)
    connection.request("POST", "/api/chat", parts(), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert double.chats() == [say("in chunks")]


def test_what_a_reply_raises_is_raised_when_the_double_is_closed() -> None:
    def broken(body: dict[str, Any]) -> str:
        raise KeyError("mistake in a test")

    double = OllamaDouble("student", reply=broken)
    with pytest.raises(ConnectionError):
        ask(double.url, "/api/chat", say())
    with pytest.raises(KeyError, match="mistake in a test"):
        double.close()
