"""What an Ollama server is and has (lms/ollama/server.py), and how it is told when it is not what was hoped for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from corpus.errors import TeacherError
from lms.build import connect
from lms.ollama.engine import OllamaEngine
from lms.ollama.server import OllamaServer, Progress
from lms.spec import ModelSpec
from tests.doubles.ollama import Fault, Model, OllamaDouble

KEY = "sk-not-a-real-key-4711"
THINKER = Model("qwen3:8b", capabilities=("completion", "thinking"), train_ctx=40960, family="qwen3")


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(THINKER, "student") as double:
        yield double


@contextmanager
def connected(url: str, name: str = "qwen3:8b", **fields: Any) -> Iterator[OllamaServer]:
    server = connect(ModelSpec(model=f"ollama_chat/{name}", base_url=url, **fields))
    try:
        yield server
    finally:
        server.close()
        server.connection.close()


def problems(url: str, name: str = "qwen3:8b", **fields: Any) -> list[tuple[str, bool]]:
    with connected(url, name, **fields) as server:
        return [(problem.what, problem.grave) for problem in server.problems(server.version(), server.facts())]


# Version


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.33.0", (0, 33, 0)), ("0.33.0-rc2", (0, 33, 0)), ("0.5", (0, 5)), ("1.2.3.4", (1, 2, 3, 4)),
     ("0.12.6+build7", (0, 12, 6)), ("0.0.0", (0, 0, 0))],
)  # fmt: skip
def test_a_release_is_read_as_numbers_that_compare(text: str, version: tuple[int, ...], double: OllamaDouble) -> None:
    double.version = text
    with connected(double.url) as server:
        assert server.version() == version


NOT_OLLAMA = ["<html>Log in</html>", "", "[]", "{}", "null", "7", '"0.33.0"', '{"version":null}', '{"version":33}',
              '{"version":"latest"}', '{"version":""}', '{"version":["0.33.0"]}']  # fmt: skip


@pytest.mark.parametrize("page", NOT_OLLAMA)
@pytest.mark.parametrize("status", [200, 404])
def test_what_is_not_ollama_is_refused_with_a_hint_at_the_address(status: int, page: str, double: OllamaDouble) -> None:
    double.faults.append(Fault("status", path="/api/version", status=status, body=page))
    with connected(double.url) as server, pytest.raises(TeacherError) as caught:
        server.version()
    assert str(caught.value) == (
        f"ollama_chat/qwen3:8b: what answers at {double.url} is not Ollama; base_url is the address without /v1, "
        "for example http://127.0.0.1:11434"
    )


def test_the_address_with_v1_is_refused_with_the_same_hint(double: OllamaDouble) -> None:
    with connected(f"{double.url}/v1") as server, pytest.raises(TeacherError, match="the address without /v1"):
        server.problems(server.version(), server.facts())


# Models


def test_names_are_those_of_the_server_with_their_tags(double: OllamaDouble) -> None:
    with connected(double.url) as server:
        assert set(server.names()) == {"qwen3:8b", "student:latest"}
        double.models.clear()
        assert server.names() == []


def test_facts_are_what_the_server_says_of_the_model(double: OllamaDouble) -> None:
    with connected(double.url) as server:
        facts = server.facts()
    assert facts is not None
    assert facts.digest == THINKER.digest
    assert (facts.family, facts.num_ctx, facts.size) == ("qwen3", 40960, THINKER.size)
    assert facts.capabilities == ("completion", "thinking")


@pytest.mark.parametrize("name", ["student", "student:latest", "Student", "STUDENT:LATEST"])
def test_a_name_without_a_tag_means_latest_and_case_does_not_count(name: str, double: OllamaDouble) -> None:
    with connected(double.url, name) as server:
        facts = server.facts()
    assert facts is not None
    assert facts.digest == double.models["student"].digest


@pytest.mark.parametrize("name", ["hf.co/someone/model:Q4_K_M", "someone/model", "someone/model:7b"])
def test_names_with_a_place_are_found(name: str, double: OllamaDouble) -> None:
    double.models.add(Model(name))
    with connected(double.url, name) as server:
        assert server.facts() is not None


@pytest.mark.parametrize("name", ["qwen3", "qwen3:4b", "student:8b", "someone/student"])
def test_another_tag_or_place_is_another_model(name: str, double: OllamaDouble) -> None:
    with connected(double.url, name) as server:
        assert server.facts() is None


def test_a_server_of_before_capabilities_says_nothing_of_them(double: OllamaDouble) -> None:
    double.version = "0.6.2"
    double.models.add(Model("old", capabilities=(), mode="legacy"))
    with connected(double.url, "old") as server:
        facts = server.facts()
        assert facts is not None
        assert facts.capabilities == ()
    assert problems(double.url, "old")[0][1] is False, "what is not known is not held against it"


def test_a_model_that_goes_away_between_two_looks_is_told_in_one_line(double: OllamaDouble) -> None:
    body = {"error": "model 'qwen3:8b' not found"}
    double.faults.append(Fault("status", path="/api/show", status=404, body=body))
    with connected(double.url) as server, pytest.raises(TeacherError, match="the server refuses: model 'qwen3:8b' not"):
        server.facts()


# Problems


def test_a_server_that_fits_has_no_problems(double: OllamaDouble) -> None:
    assert problems(double.url, num_ctx=8192, think=False, structured="schema") == []


@pytest.mark.parametrize(
    ("version", "fields", "words", "grave"),
    [
        ("0.4.9", {"structured": "schema"}, "0.4.9 knows no schemas; set structured: none, or update to 0.5", True),
        ("0.4.9", {"structured": "json"}, "knows no schemas", True),
        ("0.8.0", {"think": False}, "0.8.0 does not know think; remove the key, or update to 0.9", True),
        ("0.8.0", {"think": "max"}, "does not know think; remove the key", True),
        ("0.21.9", {"think": "max"}, "0.21.9 does not know think: max; write high, or update to 0.22", True),
        ("0.12.5", {}, "0.12.5 cuts prompts that do not fit; a cut is seen by its count of tokens, but 0.12.6", False),
    ],
)
def test_a_release_that_lacks_what_is_asked_for_is_a_problem(
    version: str, fields: dict[str, Any], words: str, grave: bool, double: OllamaDouble
) -> None:
    double.version = version
    found = [problem for problem in problems(double.url, **fields) if words in problem[0]]
    assert [is_grave for _, is_grave in found] == [grave]
    assert sum("think" in what for what, _ in problems(double.url, **fields)) <= 1


@pytest.mark.parametrize(
    ("version", "fields"),
    [("0.5.0", {"structured": "schema"}), ("0.9.0", {"think": True}), ("0.9.0", {"think": "high"}),
     ("0.22.0", {"think": "max"}), ("0.12.6", {}), ("0.12.10", {}), ("1.0", {"think": "max", "structured": "json"})],
)  # fmt: skip
def test_from_its_first_release_on_a_feature_is_no_problem(
    version: str, fields: dict[str, Any], double: OllamaDouble
) -> None:
    double.version = version
    words = [what for what, _ in problems(double.url, **fields) if "cuts prompts" not in what or fields == {}]
    assert words == []


@pytest.mark.parametrize(
    ("name", "near"),
    [("qwen3:9b", "qwen3:8b"), ("studnet", "student:latest"), ("llama3.3:70b-instruct-fp16", None)],
)
def test_a_missing_model_is_named_with_the_nearest_and_how_to_get_it(
    name: str, near: str | None, double: OllamaDouble
) -> None:
    ((what, grave),) = problems(double.url, name)
    assert grave
    assert what == (
        f"the server does not have {name}{f' (the nearest that it has is {near})' if near else ''}; "
        f"run `ollama pull {name}`, or doctor --pull"
    )


def test_a_server_without_models_lacks_the_one_that_is_wanted(double: OllamaDouble) -> None:
    double.models.clear()
    ((what, grave),) = problems(double.url)
    assert what.startswith("the server does not have qwen3:8b; run `ollama pull qwen3:8b`")
    assert grave


@pytest.mark.parametrize(
    ("name", "fields", "words", "grave"),
    [
        ("student", {"think": True}, "student does not think; remove think, or set it to false", True),
        ("student", {"think": "low"}, "student does not think", True),
        ("embedder", {}, "embedder does not write text (embedding); name another model", True),
        ("qwen3:8b", {"num_ctx": 40961}, "qwen3:8b was trained for 40,960 tokens; lower num_ctx to that", True),
        ("gpt-oss:20b", {"think": False}, "the thinking of gpt-oss:20b cannot be switched off; set think: low", False),
    ],
)
def test_a_model_that_cannot_do_what_is_asked_is_a_problem(
    name: str, fields: dict[str, Any], words: str, grave: bool, double: OllamaDouble
) -> None:
    double.models.add(Model("embedder", capabilities=("embedding",)))
    double.models.add(Model("gpt-oss:20b", capabilities=("completion", "thinking"), family="gptoss"))
    ((what, is_grave),) = problems(double.url, name, **fields)
    assert (what.startswith(words), is_grave) == (True, grave)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("student", {"think": False}), ("qwen3:8b", {"think": True}), ("qwen3:8b", {"think": "max"}),
     ("qwen3:8b", {"num_ctx": 40960}), ("gpt-oss:20b", {"think": "low"}), ("gpt-oss:20b", {"think": True}),
     ("gpt-oss:20b", {})],
)  # fmt: skip
def test_what_a_model_can_do_is_no_problem(name: str, fields: dict[str, Any], double: OllamaDouble) -> None:
    double.models.add(Model("gpt-oss:20b", capabilities=("completion", "thinking"), family="gptoss"))
    assert problems(double.url, name, **fields) == []


def test_grave_problems_come_first(double: OllamaDouble) -> None:
    double.version = "0.4.0"
    found = problems(double.url, "student", think=True, structured="json", num_ctx=200_000)
    assert [grave for _, grave in found] == sorted((grave for _, grave in found), reverse=True)
    assert {grave for _, grave in found} == {True, False}


# Pull


def test_a_pull_tells_how_far_it_is_and_the_model_is_there(double: OllamaDouble) -> None:
    double.pullable.add("gemma3:1b")
    with connected(double.url, "gemma3:1b") as server:
        assert server.facts() is None
        steps = list(server.pull())
        assert all(isinstance(step, Progress) for step in steps)
        assert (steps[0].status, steps[-1].status) == ("pulling manifest", "success")
        moved = [step for step in steps if step.total]
        assert moved
        assert all(0 <= step.done <= step.total for step in moved)
        assert [step.done for step in moved] == sorted(step.done for step in moved)
        assert moved[-1].done == moved[-1].total
        assert server.facts() is not None


def test_a_model_that_the_registry_does_not_have_is_told_in_one_line(double: OllamaDouble) -> None:
    with connected(double.url, "qwen33:8b") as server, pytest.raises(TeacherError) as caught:
        list(server.pull())
    expected = "ollama_chat/qwen33:8b: the server refuses: pull model manifest: file does not exist"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            Fault("error_mid", path="/api/pull", after=2, text="max retries exceeded: EOF"),
            "the server refuses: max ret",
        ),
        (Fault("reset_mid", path="/api/pull", after=2), "reset"),
        (Fault("reset", path="/api/pull"), "reset"),
        (Fault("status", path="/api/pull", status=502, body=b"<html>Bad gateway</html>"), "the server refuses"),
        (Fault("status", path="/api/pull", status=200, body=b"<html>Log in</html>"), ""),
        (Fault("status", path="/api/pull", status=200, body=b"[]"), ""),
    ],
)
def test_a_pull_that_breaks_is_told_in_one_line(fault: Fault, words: str, double: OllamaDouble) -> None:
    double.pullable.add("gemma3:1b")
    double.faults.append(Fault(**vars(fault)))
    with connected(double.url, "gemma3:1b") as server, pytest.raises(TeacherError) as caught:
        list(server.pull())
    assert str(caught.value).startswith("ollama_chat/gemma3:1b: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pull_may_be_silent_for_longer_than_other_answers(
    double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking the digest of a large model takes minutes, in which nothing is said."""
    monkeypatch.setattr("lms.ollama.server.ADMIN_SECONDS", 0.05)
    double.pullable.add("gemma3:1b")
    double.faults.append(Fault("delay", path="/api/pull", seconds=0.2))
    with connected(double.url, "gemma3:1b") as server:
        assert [*server.pull()][-1].status == "success"
        double.faults.append(Fault("delay", path="/api/tags", seconds=0.2))
        with pytest.raises(TeacherError, match="timed out"):
            server.names()


# Context


def test_the_granted_context_is_known_once_the_model_is_loaded(double: OllamaDouble) -> None:
    from dspy.lm15 import Message, Request

    def load(name: str, num_ctx: int) -> int | None:
        with connected(double.url, name, num_ctx=num_ctx, max_tokens=64) as server:
            OllamaEngine(server.spec, server.connection).complete(Request(name, (Message.user("?"),)))
            return server.granted_context()

    with connected(double.url) as server:
        assert server.granted_context() is None
        assert load("student", 1024) == 1024
        assert server.granted_context() is None, "another model's"
        assert load("qwen3:8b", 2048) == 2048
        assert load("qwen3:8b", 4096) == server.granted_context() == 4096
        assert load("Student", 1024) == 1024
    double.models.add(Model("small", train_ctx=600))
    assert load("small", 4096) == 600, "no more than it was trained for"


# Keys, and what goes wrong


def test_a_key_is_sent_and_a_wrong_one_is_told_without_it(
    double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.key = KEY
    monkeypatch.setenv("MY_KEY", KEY)
    assert problems(double.url, api_key_env="MY_KEY") == []
    monkeypatch.setenv("MY_KEY", f"{KEY}-old")
    for fields in ({}, {"api_key_env": "MY_KEY"}):
        with connected(double.url, **fields) as server:
            with pytest.raises(TeacherError) as caught:
                server.version()
            assert str(caught.value) == (
                "ollama_chat/qwen3:8b: the server refuses the key (status 401); see api_key_env"
            )
            with pytest.raises(TeacherError, match="the server refuses: unauthorized") as caught:
                server.names()
            assert KEY not in str(caught.value)


def test_a_key_that_the_server_repeats_is_not_told(double: OllamaDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    double.faults.append(Fault("status", path="/api/tags", status=401, body={"error": f"{KEY} has expired"}))
    with connected(double.url, api_key_env="MY_KEY") as server, pytest.raises(TeacherError, match="expired") as caught:
        server.names()
    assert KEY not in str(caught.value)


CALLS: dict[str, tuple[str, Callable[[OllamaServer], object]]] = {
    "version": ("/api/version", lambda server: server.version()),
    "names": ("/api/tags", lambda server: server.names()),
    "facts": ("/api/show", lambda server: server.facts()),
    "problems": ("/api/tags", lambda server: server.problems(server.version(), server.facts())),
    "pull": ("/api/pull", lambda server: list(server.pull())),
    "granted_context": ("/api/ps", lambda server: server.granted_context()),
}
EACH_CALL = pytest.mark.parametrize(("path", "call"), CALLS.values(), ids=CALLS)


@EACH_CALL
def test_a_server_that_is_not_there_is_told_in_one_line(path: str, call: Callable[[OllamaServer], object]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with connected(url) as server, pytest.raises(TeacherError) as caught:
        call(server)
    text = str(caught.value)
    assert text.startswith("ollama_chat/qwen3:8b: ")
    assert url in text
    assert "\n" not in text


STRANGE: list[Fault] = [
    *(Fault("status", status=200, body=body) for body in ("<html>Log in</html>", "", "[]", "7", "null", '"x"', "{}")),
    *(Fault("status", status=200, body=body) for body in ('{"models":5}', '{"models":null}', '{"models":[7]}')),
    *(Fault("status", status=status, body=b"") for status in (400, 403, 500, 503)),
    *(Fault("status", status=status, body={"error": "line one\nline two"}) for status in (400, 500)),
    Fault("status", status=502, body=b"<html>\n<body>Bad gateway</body>\n</html>"),
    Fault("status", status=301, body=b"", headers={"Location": "http://127.0.0.1:9/elsewhere"}),
    Fault("reset"), Fault("reset_mid"), Fault("eof_mid"),
]  # fmt: skip


@EACH_CALL
@pytest.mark.parametrize("fault", STRANGE, ids=[f"{f.kind} {f.status} {f.body!r:.20}" for f in STRANGE])
def test_whatever_comes_back_is_an_answer_or_told_in_one_line(
    fault: Fault, path: str, call: Callable[[OllamaServer], object], double: OllamaDouble
) -> None:
    double.pullable.add("qwen3:8b")
    double.faults.append(Fault(**vars(fault) | {"path": path}))
    with connected(double.url) as server:
        try:
            call(server)
        except TeacherError as error:
            text = str(error)
            assert text.startswith("ollama_chat/qwen3:8b: ")
            assert "\n" not in text
            assert len(text) < 300
    assert double.injected.total() == 1
