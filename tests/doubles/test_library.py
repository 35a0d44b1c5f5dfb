from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import ollama
import pytest

from tests.doubles.models import full_name
from tests.doubles.ollama import Model, OllamaDouble
from tests.doubles.raw import ask, say

ELSEWHERE = "zz"


def test_lists_show_tags_and_newest_first(double: OllamaDouble, client: ollama.Client) -> None:
    double.models.add(Model("teacher:8b", capabilities=("completion", "thinking"), train_ctx=8192))
    assert [model.model for model in client.list().models] == ["teacher:8b", "student:latest"]
    teacher, student = ask(double.url, "/api/tags").json()["models"]
    assert teacher["details"]["context_length"] == 8192
    assert teacher["capabilities"] == ["completion", "thinking"]
    assert re.fullmatch(r"[0-9a-f]{64}", teacher["digest"])
    assert teacher["digest"] != student["digest"]


def test_before_0_30_lists_say_nothing_of_sizes_and_capabilities() -> None:
    with OllamaDouble("student", version="0.24.0") as double:
        (student,) = ask(double.url, "/api/tags").json()["models"]
        assert "capabilities" not in student
        assert "context_length" not in student["details"]
        assert double.models["student"].mode == "legacy"


def test_show_describes_a_model(double: OllamaDouble, client: ollama.Client) -> None:
    params = {"num_ctx": 8192, "temperature": 0.5, "stop": ["a", '"b"']}
    double.models.add(Model("t", params=params, system="Be kind.", family="qwen2", train_ctx=32768))
    shown = client.show("t")
    assert shown.modelinfo is not None
    assert shown.modelinfo["qwen2.context_length"] == 32768
    assert shown.capabilities == ["completion"]
    assert (shown.parameters or "").splitlines() == [
        "num_ctx                        8192",
        "temperature                    0.5",
        'stop                           "a"',
        'stop                           "\\"b\\""',
    ]
    assert 'SYSTEM """Be kind."""' in (shown.modelfile or "")
    assert ask(double.url, "/api/show", {"name": "t"}).json()["system"] == "Be kind."


def test_what_show_does_not_know_it_names_with_its_tag(double: OllamaDouble, client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'zz:latest' not found") as caught:
        client.show(ELSEWHERE)
    assert caught.value.status_code == 404
    nameless = ask(double.url, "/api/show", {})
    assert (nameless.status, nameless.error) == (400, "model is required")


@pytest.mark.parametrize(
    ("asked", "found"),
    [("student", True), ("student:latest", True), ("STUDENT", True), ("library/student", True), ("student:8b", False)],
)
def test_names(double: OllamaDouble, asked: str, found: bool) -> None:
    assert ask(double.url, "/api/show", {"model": asked}).status == (200 if found else 404)
    assert (asked in double.models) == found


def test_full_names_leave_a_port_alone() -> None:
    assert full_name("host:5000/me/m") == "host:5000/me/m:latest"
    assert full_name("host:5000/me/m:7b") == "host:5000/me/m:7b"


@pytest.mark.parametrize("name", ["a b", "/x", "x:", "a/b/c/d", "é"])
def test_malformed_names_are_refused(double: OllamaDouble, name: str) -> None:
    for path, body in (("/api/chat", say(model=name)), ("/api/show", {"model": name}), ("/api/pull", {"model": name})):
        answer = ask(double.url, path, body)
        assert (answer.status, answer.error) == (400, "invalid model name")


@pytest.mark.parametrize("name", ["big:cloud", "gpt-oss:120b-cloud"])
def test_cloud_models_are_out_of_reach(double: OllamaDouble, name: str) -> None:
    double.models.add(Model(name))
    assert ask(double.url, "/api/chat", say(model=name)).status == 403


def test_copies_and_deletions(double: OllamaDouble, client: ollama.Client) -> None:
    client.copy("student", "twin:v1")
    assert {model.model for model in client.list().models} == {"student:latest", "twin:v1"}
    assert double.models["twin:v1"].blob == double.models["student"].blob
    gone = ask(double.url, "/api/delete", {"model": "student"}, method="DELETE")
    assert (gone.status, gone.data) == (200, b"")
    assert [model.model for model in client.list().models] == ["twin:v1"]
    with pytest.raises(ollama.ResponseError, match="model 'student' not found") as caught:
        client.delete("student")
    assert caught.value.status_code == 404
    unknown = ask(double.url, "/api/copy", {"source": ELSEWHERE, "destination": "a"})
    assert (unknown.status, unknown.error) == (404, 'model "zz" not found')


def test_ps_shows_the_context_that_was_allocated(double: OllamaDouble, client: ollama.Client) -> None:
    assert client.ps().models == []
    client.chat("student", [{"role": "user", "content": "hi"}], options={"num_ctx": 16384}, keep_alive="10m")
    (running,) = client.ps().models
    assert (running.model, running.context_length, running.size_vram) == ("student:latest", 16384, 0)
    assert running.expires_at is not None
    left = running.expires_at - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)


def test_ps_lists_those_that_stay_longest_first(double: OllamaDouble) -> None:
    for name, keep_alive in (("a", "5m"), ("b", -1), ("c", 3)):
        double.models.add(Model(name))
        ask(double.url, "/api/chat", say(model=name, keep_alive=keep_alive))
    running = ask(double.url, "/api/ps").json()["models"]
    assert [model["name"] for model in running] == ["b:latest", "a:latest", "c:latest"]
    assert running[0]["expires_at"] > "2300"


def test_embeddings_are_of_one_length_and_cut_silently(double: OllamaDouble, client: ollama.Client) -> None:
    answer = client.embed("student", ["one", "two"])
    assert [len(vector) for vector in answer.embeddings] == [8, 8]
    assert answer.embeddings[0] != answer.embeddings[1]
    assert client.embed("student", "x" * 99999).prompt_eval_count == 4096
    with pytest.raises(ollama.ResponseError, match="exceeds the context length"):
        client.embed("student", "x" * 99999, truncate=False)
    with pytest.raises(ollama.ResponseError, match='model "zz" not found, try pulling it first'):
        client.embed(ELSEWHERE, "one")
