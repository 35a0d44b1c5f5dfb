"""`emoreason doctor` (runs/doctor.py): what is found of models that work, and of each that does not."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dspy import lm15
from rich.console import Console

from lms.ollama.server import OllamaServer
from runs.doctor import Finding, examine_models
from runs.recipe import load_recipe
from tests.doubles.doctor import nothing_read_twice, say_anything
from tests.doubles.ollama import Fault, Model, OllamaDouble, Reply

KEY = "sk-not-a-real-key-4711"
NAME = "qwen3:8b"
THINKS = Model(NAME, capabilities=("completion", "thinking"), train_ctx=40960)
ALL_FINE = ["server", "model", "short answer", "longest prompt", "structured output"]
Examine = Callable[..., dict[str, Finding]]


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with nothing_read_twice():
        yield


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(THINKS, num_parallel=8, reply=say_anything) as double:
        yield double


@pytest.fixture
def examine(tiny_recipe: Path) -> Examine:
    """Examine a teacher; returns finding by what was looked at."""

    def examine(url: str, *overrides: str, pull: bool = False, **fields: Any) -> dict[str, Finding]:
        spec = {"model": f"ollama_chat/{NAME}", "base_url": url} | fields
        teacher = "{" + ", ".join(f"{name}: {_yaml(value)}" for name, value in spec.items()) + "}"
        settings = ["plan.sessions=1", "plan.method=concise", f"lms.teacher={teacher}", *overrides]
        console = Console(file=StringIO(), width=200)
        found = list(examine_models(load_recipe(tiny_recipe, settings), console, pull))
        assert {finding.model for finding in found} == {f"teacher: {spec['model']}"}
        assert len({finding.what for finding in found}) == len(found)
        for finding in found:
            assert "\n" not in finding.found + finding.advice, "findings are told in one line"
        return {finding.what: finding for finding in found}

    return examine


def _yaml(value: Any) -> str:
    return json.dumps(value)


def states(found: dict[str, Finding]) -> dict[str, str]:
    """Without the measurement of calls together, in which a busy machine may be seen."""
    return {what: finding.state for what, finding in found.items() if what != "at once"}


def failing(found: dict[str, Finding]) -> list[str]:
    return [what for what, finding in found.items() if finding.state == "fails"]


def named_context(finding: Finding) -> int:
    match = re.fullmatch(r"set num_ctx to (\d+) or more", finding.advice)
    assert match, finding
    return int(match[1])


# All is well


@pytest.mark.parametrize("structured", ["none", "json", "schema"])
def test_a_model_that_fits_is_fine_in_all_that_is_looked_at(
    structured: str, double: OllamaDouble, examine: Examine
) -> None:
    found = examine(double.url, structured=structured)
    assert states(found) == dict.fromkeys(ALL_FINE, "ok")
    assert {finding.advice for what, finding in found.items() if what != "at once"} == {""}
    assert found["server"].found == "Ollama 0.33.0"
    assert found["model"].found == "completion, thinking, trained for 40,960 tokens, 2.5 GB"
    assert re.fullmatch(r"8 tokens in \d\.\d\d s \(\d+/s\)", found["short answer"].found)
    assert re.fullmatch(r"[\d,]+ tokens; with room and answer [\d,]+ of 8,192", found["longest prompt"].found)
    works = {"none": "schema works; structured: schema would hold", "json": "json works", "schema": "schema works"}
    assert found["structured output"].found.startswith(works[structured])
    assert found["at once"].found.startswith("4 calls together: ")
    assert double.loads == 1, "all calls with the context that a run will use"


def test_what_is_asked_is_asked_as_a_run_would_ask_it(double: OllamaDouble, examine: Examine) -> None:
    examine(double.url, structured="schema", think=False, temperature=0.3, top_k=5, top_p=0.5, num_ctx=16384)
    for body in double.chats():
        options = {name: body["options"][name] for name in ("num_ctx", "temperature", "top_k", "top_p")}
        assert options == {"num_ctx": 16384, "temperature": 0.3, "top_k": 5, "top_p": 0.5}
        assert body["think"] is body["truncate"] is body["shift"] is False
    longest = max(double.chats(), key=lambda body: len(str(body["messages"])))
    assert longest["format"]["type"] == "object"


@pytest.mark.parametrize(("think", "effort"), [(None, None), (False, "none"), ("low", "low")])
def test_a_server_of_openais_protocol_is_asked_as_a_run_would_too(
    think: Any, effort: str | None, double: OllamaDouble, examine: Examine
) -> None:
    found = examine(f"{double.url}/v1", model=f"hosted_vllm/{NAME}", think=think, top_k=5, structured="schema")
    assert states(found) == dict.fromkeys(ALL_FINE[2:], "ok")
    assert {(request.body or {}).get("reasoning_effort") for request in double.requests} == {effort}
    assert {(request.body or {}).get("top_k") for request in double.requests} == {5}
    assert "8,192" not in found["longest prompt"].found, "num_ctx means nothing to it"


def test_roles_with_models_of_their_own_are_examined_one_by_one(double: OllamaDouble, tiny_recipe: Path) -> None:
    double.models.add(Model("small"))
    spec = f"{{model: ollama_chat/small, base_url: '{double.url}'}}"
    recipe = load_recipe(
        tiny_recipe,
        ["plan.sessions=1", "plan.method=concise",
         f"lms.teacher={{model: ollama_chat/{NAME}, base_url: '{double.url}'}}",
         f"lms.dialogue={spec}", f"lms.converter={spec}", "lms.client={model: scripted/counsel}"],
    )  # fmt: skip
    found = list(examine_models(recipe, Console(file=StringIO())))
    models = list(dict.fromkeys(finding.model for finding in found))
    assert models == [
        f"teacher: ollama_chat/{NAME}", "client: scripted/counsel", "dialogue, converter: ollama_chat/small",
    ]  # fmt: skip
    assert all(finding.state == "ok" for finding in found if finding.what != "at once")


def test_a_model_that_cannot_be_used_does_not_end_the_examination(double: OllamaDouble, tiny_recipe: Path) -> None:
    recipe = load_recipe(
        tiny_recipe,
        ["plan.sessions=1", "plan.method=concise", "lms.teacher={model: ollama_chat/m, base_url: 'http://127.0.0.1:9'}",
         f"lms.converter={{model: 'ollama_chat/{NAME}', base_url: '{double.url}'}}"],
    )  # fmt: skip
    found = list(examine_models(recipe, Console(file=StringIO())))
    assert [finding.state for finding in found if finding.what != "at once"] == ["fails", *["ok"] * len(ALL_FINE)]


def test_scripted_models_are_fine_without_a_network(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    recipe = load_recipe(tiny_recipe, ["plan.sessions=1", "plan.method=concise"])
    found = list(examine_models(recipe, Console(file=StringIO())))
    assert found == [Finding("teacher: scripted/counsel", "engine", "ok", "embedded; no language model")]


# The server and its models


def test_a_server_that_is_not_there_is_told(examine: Examine) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    found = examine(url)
    assert states(found) == {"usable": "fails"}
    assert found["usable"].found == f"cannot reach Ollama at {url}; is `ollama serve` running?"


def test_what_is_not_ollama_is_told(double: OllamaDouble, examine: Examine) -> None:
    found = examine(f"{double.url}/v1")
    assert failing(found) == ["usable"]
    assert "is not Ollama; base_url is the address without /v1" in found["usable"].found


def test_a_missing_model_is_told_and_nothing_is_fetched_unasked(double: OllamaDouble, examine: Examine) -> None:
    double.pullable.add("qwen3:4b")
    found = examine(double.url, model="ollama_chat/qwen3:4b")
    assert states(found) == {"server": "ok", "usable": "fails"}
    assert "does not have qwen3:4b (the nearest that it has is qwen3:8b)" in found["usable"].found
    assert "doctor --pull" in found["usable"].found
    assert "/api/pull" not in {request.path for request in double.requests}


def test_a_missing_model_is_fetched_when_asked(double: OllamaDouble, examine: Examine) -> None:
    double.pullable.add("qwen3:4b")
    found = examine(double.url, model="ollama_chat/qwen3:4b", pull=True)
    assert states(found) == dict.fromkeys(ALL_FINE, "ok")
    before = len(double.requests)
    examine(double.url, model="ollama_chat/qwen3:4b", pull=True)
    assert "/api/pull" not in {request.path for request in double.requests[before:]}, "it is there"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (None, "the server refuses: pull model manifest: file does not exist"),
        (Fault("error_mid", path="/api/pull", after=2, text="no space left on device"), "no space left on device"),
        (Fault("eof_mid", path="/api/pull", after=3), "the server does not have qwen3:4b"),
        (Fault("reset_mid", path="/api/pull", after=3), "reset"),
    ],
)
def test_a_pull_that_fails_is_told(fault: Fault | None, words: str, double: OllamaDouble, examine: Examine) -> None:
    if fault:
        double.pullable.add("qwen3:4b")
        double.faults.append(Fault(**vars(fault)))
    found = examine(double.url, model="ollama_chat/qwen3:4b", pull=True)
    assert failing(found) == ["usable"]
    assert words in found["usable"].found


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        (Model("small"), {"think": True}, "small does not think"),
        (Model("embedder", capabilities=("embedding",)), {}, "does not write text"),
        (Model("small", train_ctx=2048), {"num_ctx": 4096}, "was trained for 2,048 tokens"),
    ],
)
def test_what_a_model_cannot_do_is_told_before_it_is_asked(
    model: Model, fields: dict[str, Any], words: str, double: OllamaDouble, examine: Examine
) -> None:
    double.models.add(model)
    found = examine(double.url, model=f"ollama_chat/{model.name.removesuffix(':latest')}", **fields)
    assert failing(found) == ["usable"]
    assert words in found["usable"].found
    assert double.chats() == []


def test_an_old_server_is_noted_and_can_be_used(double: OllamaDouble, examine: Examine) -> None:
    double.version = "0.12.0"
    found = examine(double.url)
    assert states(found) == dict.fromkeys(ALL_FINE, "ok") | {"fit": "note"}
    assert "0.12.0 cuts prompts that do not fit" in found["fit"].found


# Keys


def test_a_key_that_is_not_set_is_asked_for_by_name(
    double: OllamaDouble, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    found = examine(double.url, api_key_env="MY_KEY")
    assert states(found) == {"usable": "fails"}
    assert found["usable"].found == "set the environment variable MY_KEY to the key"
    assert double.requests == []


@pytest.mark.parametrize("prefix", ["ollama_chat", "hosted_vllm", "openai"])
@pytest.mark.parametrize("right", [True, False])
def test_a_key_is_used_and_never_told(
    right: bool, prefix: str, double: OllamaDouble, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.key = KEY if right else "another"
    monkeypatch.setenv("MY_KEY", KEY)
    url = double.url if prefix == "ollama_chat" else f"{double.url}/v1"
    found = examine(url, model=f"{prefix}/{NAME}", api_key_env="MY_KEY")
    assert found["key"] == Finding(f"teacher: {prefix}/{NAME}", "key", "ok", "MY_KEY is set")
    assert (failing(found) == []) == right
    assert KEY not in str(found)


@pytest.mark.parametrize(("prefix", "path"), [("ollama_chat", "/api/chat"), ("hosted_vllm", "/v1/*")])
@pytest.mark.parametrize("skip", [0, 2, 3, 4])
def test_a_key_that_the_server_repeats_is_not_told(
    skip: int, prefix: str, path: str, double: OllamaDouble, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    said = f"Incorrect API key provided: {KEY}."
    body = {"error": said if prefix == "ollama_chat" else {"message": said, "code": "invalid_api_key"}}
    double.faults.append(Fault("status", path=path, status=401, body=body, skip=skip, times=20))
    url = double.url if prefix == "ollama_chat" else f"{double.url}/v1"
    found = examine(url, model=f"{prefix}/{NAME}", api_key_env="MY_KEY")
    assert failing(found)
    assert "Incorrect API key provided: ***." in str(found)
    assert KEY not in str(found)


# Room for prompts


@pytest.mark.parametrize("num_ctx", [1024, 2048, 2304])
@pytest.mark.parametrize("honours", [True, False])
def test_a_context_that_is_too_small_is_told_with_one_that_is_not(
    num_ctx: int, honours: bool, double: OllamaDouble, examine: Examine
) -> None:
    double.honours_truncate = honours
    found = examine(double.url, num_ctx=num_ctx, max_tokens=512)
    assert failing(found) == ["longest prompt"]
    enough = named_context(found["longest prompt"])
    assert num_ctx < enough <= 8192
    assert failing(examine(double.url, num_ctx=enough, max_tokens=512)) == []


def test_room_is_kept_for_longer_prompts_and_for_the_answer(double: OllamaDouble, examine: Examine) -> None:
    read = int(examine(double.url)["longest prompt"].found.partition(" ")[0].replace(",", ""))
    needed = -(-read * 5 // 4) + 64
    assert failing(examine(double.url, num_ctx=needed, max_tokens=64)) == []
    found = examine(double.url, num_ctx=needed - 1, max_tokens=64)
    assert failing(found) == ["longest prompt"]
    assert named_context(found["longest prompt"]) == 1024 * -(-needed // 1024)


def test_a_server_that_grants_less_than_declared_is_told(
    double: OllamaDouble, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OllamaServer, "granted_context", lambda server: 4096)
    found = examine(double.url, num_ctx=16384)
    assert failing(found) == ["longest prompt"]
    assert found["longest prompt"].found.endswith(" of 4,096")
    expected = "the server grants 4,096 tokens of num_ctx 16,384: it lacks memory; lower num_ctx or OLLAMA_NUM_PARALLEL"
    assert found["longest prompt"].advice == expected


def test_a_server_that_says_nothing_of_contexts_is_believed(
    double: OllamaDouble, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OllamaServer, "granted_context", lambda server: None)
    assert failing(examine(double.url)) == []


def test_a_hosted_models_context_is_its_own_business(double: OllamaDouble, examine: Examine) -> None:
    body = {"error": {"message": "maximum context length is 1000 tokens", "code": "context_length_exceeded"}}
    double.faults.append(Fault("status", path="/v1/*", status=400, body=body, skip=2))
    found = examine(f"{double.url}/v1", model=f"hosted_vllm/{NAME}")
    assert failing(found) == ["longest prompt"]
    assert "maximum context length is 1000 tokens" in found["longest prompt"].found
    assert "num_ctx" not in found["longest prompt"].found
    assert "num_ctx" not in found["longest prompt"].advice


class Local:
    """Stands in for a model of this process, which counts a token per three bytes."""

    name = "transformers/some/checkpoint"

    def __init__(self, *arguments: object, **options: object):
        self.engine = self
        self.kwargs = {"temperature": None, "max_tokens": 64, "top_p": None}
        self.lms = {"doctor": SimpleNamespace(engine=self, kwargs=self.kwargs)}

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def complete(self, request: lm15.Request) -> lm15.Response:
        assert request.config.temperature is None
        text = f"{request.system}{request.messages[-1].text}"
        return lm15.Response(
            id=None, model=self.name, message=lm15.Message.assistant('{"feeling": "joy"}'), finish_reason="stop",
            usage=lm15.Usage(input_tokens=len(text) // 3, output_tokens=4),
        )  # fmt: skip


def test_a_local_checkpoint_needs_room_too(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.doctor.Models", Local)
    fields = {"model": Local.name, "base_url": None, "max_tokens": 64, "temperature": None}
    found = examine("", **fields, num_ctx=1024)
    assert failing(found) == ["longest prompt"]
    enough = named_context(found["longest prompt"])
    assert failing(examine("", **fields, num_ctx=enough)) == []


# Answers


@pytest.mark.parametrize("structured", ["none", "json", "schema"])
def test_a_model_that_ignores_the_form_is_told(structured: str, double: OllamaDouble, examine: Examine) -> None:
    double.faults.append(Fault("format_ignored", times=20))
    found = examine(double.url, structured=structured)
    finding = found["structured output"]
    assert finding.state == ("note" if structured == "none" else "fails")
    assert finding.advice == ("" if structured == "none" else "set structured: none")
    assert failing(found) == ([] if structured == "none" else ["structured output"])


@pytest.mark.parametrize("text", ["[]", "{}", '{"feeling": 3}', '{"feeling": "jo', ""])
def test_json_that_is_not_what_was_asked_for_does_not_count(text: str, double: OllamaDouble, examine: Examine) -> None:
    double.reply = lambda body: text if body.get("format") else say_anything(body)
    assert examine(double.url, structured="schema")["structured output"].state == "fails"


@pytest.mark.parametrize("think", [True, None])
def test_thoughts_beside_an_answer_do_not_spoil_it(think: bool | None, double: OllamaDouble, examine: Examine) -> None:
    double.reply = lambda body: Reply(str(say_anything(body)), thinking="Let me see.") if body.get("format") else "Joy."
    found = examine(double.url, structured="none", think=think)
    assert failing(found) == []
    assert found["structured output"].state == "ok"


def test_a_budget_that_thinking_uses_up_is_told(double: OllamaDouble, examine: Examine) -> None:
    double.reply = lambda body: Reply("Joy.", thinking="Let me see. " * 100)
    found = examine(double.url, max_tokens=128)
    assert found["short answer"].state == "fails"
    assert found["short answer"].found.startswith("128 tokens in ")
    assert found["short answer"].found.endswith(", and cut")
    assert found["short answer"].advice == "raise max_tokens, or set think: false"


def test_few_places_at_the_server_are_seen_and_many_are_fine(double: OllamaDouble, examine: Examine) -> None:
    double.latency = 0.1
    fine = examine(double.url, "generate.concurrency=4")["at once"]
    assert (fine.state, fine.advice) == ("ok", "")
    with OllamaDouble(THINKS, num_parallel=1, latency=0.1, reply=say_anything) as narrow:
        queued = examine(narrow.url, "generate.concurrency=4")["at once"]
        assert queued.state == "note"
        assert re.fullmatch(r"4 calls together: [2345]\.\d times as long as one; about 1\.\d at a time", queued.found)
        expected = "lower generate.concurrency, or start Ollama with OLLAMA_NUM_PARALLEL=4"
        assert queued.advice == f"more at once only queue: {expected}"
        one = examine(narrow.url, "generate.concurrency=1")["at once"]
        assert (one.state, one.found) == ("ok", "one call at a time, as declared")


def test_not_more_are_sent_together_than_the_model_is_to_get(double: OllamaDouble, examine: Examine) -> None:
    double.latency = 0.02
    assert examine(double.url, "generate.concurrency=16", concurrency=2)["at once"].found.startswith("2 calls together")
    assert double.peak_active == 2
    assert examine(double.url, "generate.concurrency=512")["at once"].found.startswith("8 calls together")


def test_fields_that_mean_nothing_are_noted(double: OllamaDouble, examine: Examine) -> None:
    fields = {"num_ctx": 16384, "keep_alive": "1h", "latency": 0.5}
    found = examine(f"{double.url}/v1", model=f"hosted_vllm/{NAME}", **fields)
    assert found["recipe"].state == "note"
    assert found["recipe"].found == "num_ctx, keep_alive, latency: set, and without meaning for this engine"
    assert failing(found) == []


@pytest.mark.parametrize("kind", ["reset", "busy", "abort_no_done", "gone"])
@pytest.mark.parametrize("skip", [0, 2, 3, 4, 6])
def test_whatever_goes_wrong_on_the_way_is_told_and_ends_nothing(
    kind: str, skip: int, double: OllamaDouble, examine: Examine
) -> None:
    double.faults.append(Fault(kind, path="/api/chat", skip=skip, times=20))
    found = examine(double.url)
    assert double.injected[kind]
    assert any(finding.state != "ok" for finding in found.values())
    assert list(found)[:2] == ["server", "model"]


def test_a_passing_trouble_is_not_taken_for_a_model_that_ignores_the_form(
    double: OllamaDouble, examine: Examine
) -> None:
    double.faults.append(Fault("busy", path="/api/chat", skip=3, times=20))
    found = examine(double.url, structured="schema")
    assert failing(found) == ["usable"]
    assert "server busy" in found["usable"].found
