from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lms.scripted.names import MISTAKES, Mistake
from lms.spec import ModelSpec


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"modle": "x/y"}, "modle"),
        ({"api_key": "sk-1"}, "api_key"),
        ({"model": "no-provider"}, "model"),
        ({"model": "provider/"}, "model"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"num_ctx": 100}, "num_ctx"),
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"mistakes": {"names_emotion": 1.5}}, "mistakes"),
        ({"mistakes": {"names_emotion": -0.1}}, "mistakes"),
        ({"mistakes": {"forgets": 0.1}}, "mistakes"),
        ({"latency": -1}, "latency"),
        ({"patience": -1}, "patience"),
        ({"concurrency": 0}, "concurrency"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": 0}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"structured": "yaml"}, "structured"),
        ({"think": "very"}, "think"),
        ({"prices": {"input": 1}}, "output"),
        ({"prices": {"input": -1, "output": 1}}, "input"),
        ({"api_key_env": "sk-proj-4711"}, "api_key_env"),  # the key itself, where its variable belongs
        ({"api_key_env": ""}, "api_key_env"),
        ({"api_key_env": "1KEY"}, "api_key_env"),
        ({"api_key_env": "MY KEY"}, "api_key_env"),
    ],
)
def test_a_wrong_key_or_value_is_refused_and_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelSpec(**{"model": "scripted/counsel"} | fields)
    assert named in {str(part) for error in caught.value.errors() for part in error["loc"]}


def test_the_identity_is_the_models_name_and_holds_nothing_of_the_connection() -> None:
    spec = ModelSpec(model="openai/gpt-x", base_url="http://127.0.0.1/v1", api_key_env="MY_KEY")
    assert spec.identity == "openai/gpt-x"


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("ollama_chat/qwen3:8b", "ollama_chat", "qwen3:8b"),
        ("hosted_vllm/Qwen/Qwen3-8B", "hosted_vllm", "Qwen/Qwen3-8B"),
        ("transformers//models/a b", "transformers", "/models/a b"),
    ],
)
def test_the_first_slash_parts_provider_and_name(model: str, provider: str, name: str) -> None:
    spec = ModelSpec(model=model)
    assert (spec.provider, spec.name, spec.identity) == (provider, name, model)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://user@127.0.0.1", "api_key_env"),
        ("http://user:pw@127.0.0.1/v1", "api_key_env"),
        ("http://:pw@127.0.0.1", "api_key_env"),
        ("http://@127.0.0.1", "api_key_env"),
        ("https://host/v1?api_key=sk-1", "api_key_env"),
        ("https://host/v1#sk-1", "api_key_env"),
        ("http://127.0.0.1:0", "not an address"),
        ("http://127.0.0.1:70000", "not an address"),
        ("http://127.0.0.1:port", "not an address"),
        ("http://[::1", "not an address"),
        ("127.0.0.1:11434", "not an address"),
        ("localhost", "not an address"),
        ("ftp://127.0.0.1", "not an address"),
        ("file:///etc/passwd", "not an address"),
        ("http://", "not an address"),
        ("http://:80", "not an address"),
        ("http://two words", "not an address"),
        ("http://127.0.0.1:11434\n", "not an address"),
        ("", "not an address"),
    ],
)
def test_an_address_with_a_secret_or_a_fault_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModelSpec(model="openai/gpt-x", base_url=url)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434"),
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("https://host.example/a/v1//", "https://host.example/a/v1"),
        ("http://[::1]:11434", "http://[::1]:11434"),
        ("HTTP://Host", "HTTP://Host"),
        (None, None),
    ],
)
def test_an_address_is_kept_without_its_last_slash(url: str | None, kept: str | None) -> None:
    assert ModelSpec(model="openai/gpt-x", base_url=url).base_url == kept


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "deepseek:cloud", "someone/model:cloud"])
def test_a_model_that_ollama_sends_away_needs_leave(name: str) -> None:
    with pytest.raises(ValidationError, match="set allow_cloud: true to allow it"):
        ModelSpec(model=f"ollama_chat/{name}")
    assert ModelSpec(model=f"ollama_chat/{name}", allow_cloud=True).name == name
    assert ModelSpec(model=f"openai/{name}").name == name  # there it is but a name


@pytest.mark.parametrize("name", ["cloud", "cloudy:8b", "my-cloud:8b", "qwen3:8b-cloud-q4"])
def test_a_model_that_only_sounds_like_it_needs_none(name: str) -> None:
    assert ModelSpec(model=f"ollama_chat/{name}").allow_cloud is False


@pytest.mark.parametrize(
    "name",
    ["model", "messages", "stream", "num_predict", "truncate", "shift", "api_key", "headers", "num_ctx", "temperature",
     "seed", "think", "keep_alive", "max_tokens", "base_url", "top_k", "extra"],
)  # fmt: skip
def test_extra_holds_nothing_that_has_a_place_of_its_own(name: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' does not belong in extra"):
        ModelSpec(model="ollama_chat/m", extra={"min_p": 0.1, name: 1})


def test_extra_holds_what_only_the_server_knows() -> None:
    extra = {"min_p": 0.1, "repeat_penalty": 1.0, "chat_template_kwargs": {"enable_thinking": False}}
    assert ModelSpec(model="hosted_vllm/m", extra=extra).extra == extra


@pytest.mark.parametrize(
    ("model", "fields", "unused"),
    [
        ("openai/gpt-x", {"num_ctx": 4096, "keep_alive": "1h"}, ["num_ctx", "keep_alive"]),
        ("hosted_vllm/m", {"num_ctx": 4096, "mistakes": {}, "latency": 1}, ["num_ctx", "mistakes", "latency"]),
        ("scripted/counsel", {"num_ctx": 4096, "mistakes": {}, "latency": 1}, ["num_ctx"]),
        ("transformers/m", {"num_ctx": 4096, "keep_alive": "1h"}, ["keep_alive"]),
        ("ollama_chat/m", {"num_ctx": 4096, "keep_alive": "1h", "allow_cloud": True}, []),
        ("openai/gpt-x", {"num_ctx": 8192, "keep_alive": "30m", "mistakes": None, "latency": 0}, []),
        ("openai/gpt-x", {}, []),
    ],
)
def test_fields_that_mean_nothing_to_the_engine_are_named(
    model: str, fields: dict[str, Any], unused: list[str]
) -> None:
    spec = ModelSpec(model=model, **fields)
    assert sorted(spec.unused) == sorted(unused)
    assert ModelSpec.model_validate(spec.model_dump(mode="json")) == spec  # as a run folder keeps it


@pytest.mark.parametrize("model", ["ollama_chat/m", "transformers/m"])
@pytest.mark.parametrize(("max_tokens", "num_ctx"), [(1024, 1024), (2048, 1024), (8192, 8192)])
def test_an_answer_that_takes_the_whole_context_is_refused(model: str, max_tokens: int, num_ctx: int) -> None:
    with pytest.raises(ValidationError, match="max_tokens leaves no room for a prompt"):
        ModelSpec(model=model, max_tokens=max_tokens, num_ctx=num_ctx)
    assert ModelSpec(model=model, max_tokens=num_ctx - 1, num_ctx=num_ctx)
    assert ModelSpec(model="openai/gpt-x", max_tokens=100_000)  # whose context is the server's own affair


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("30m", "30m"), ("1.5h", "1.5h"), ("250ms", "250ms"), ("0s", "0s"), ("-1m", "-1m"),
        ("300", "300s"), ("-1", "-1s"), (300, "300s"), (-1, "-1s"), (0, "0s"), (1.5, "1.5s"),
    ],
)  # fmt: skip
def test_how_long_ollama_keeps_a_model_may_come_in_seconds_and_always_has_a_unit(given: Any, kept: str) -> None:
    """Ollama answers a string without a unit with status 400."""
    assert ModelSpec(model="ollama_chat/m", keep_alive=given).keep_alive == kept


@pytest.mark.parametrize("given", ["forever", "", "1d", "m", "--1", "1h30m", "5 m", True, None, "٣"])
def test_other_words_for_it_are_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match="keep_alive"):
        ModelSpec(model="ollama_chat/m", keep_alive=given)


@pytest.mark.parametrize("structured", ["none", "json", "schema"])
@pytest.mark.parametrize("think", [None, True, False, "low", "medium", "high", "max"])
def test_every_form_of_answers_and_thinking_can_be_declared(structured: Any, think: Any) -> None:
    spec = ModelSpec(model="ollama_chat/m", structured=structured, think=think)
    assert spec.structured == structured
    assert spec.think is think or spec.think == think
    assert type(spec.think) is type(think)


def test_no_temperature_can_be_asked_for() -> None:
    assert ModelSpec(model="openai/gpt-x", temperature=None).temperature is None


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_of_the_scripted_teacher_can_be_declared(mistake: Mistake) -> None:
    assert ModelSpec(model="scripted/counsel", mistakes={mistake: 1.0}).mistakes == {mistake: 1.0}


def test_a_rate_out_of_range_is_answered_with_the_names_of_the_mistakes() -> None:
    with pytest.raises(ValidationError, match=r"shares from 0 to 1; the mistakes are .*closed_question"):
        ModelSpec(model="scripted/counsel", mistakes={"long_key": 2})
