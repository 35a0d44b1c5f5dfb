from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from corpus.errors import RecipeError
from lms.build import build_lm
from lms.ollama import OllamaEngine
from lms.scripted.engine import ScriptedEngine
from lms.scripted.mistakes import DEFAULT_RATES, Mistake
from lms.spec import ModelSpec

KEY = "sk-not-a-real-key-4711"


@pytest.mark.parametrize("value", [None, ""])
def test_a_key_that_is_not_set_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.setenv("OTHER_KEY", KEY)
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(RecipeError, match="openai/gpt-x: set the environment variable MY_KEY"):
        build_lm(ModelSpec(model="openai/gpt-x", api_key_env="MY_KEY"))


def test_the_key_reaches_the_model_and_no_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    spec = ModelSpec(model="openai/gpt-x", api_key_env="MY_KEY", base_url="http://127.0.0.1:1/v1")
    lm = build_lm(spec)
    assert lm.kwargs["api_key"] == KEY
    program = dspy.Predict("question -> answer")
    program.lm = lm
    for written in (lm.dump_state(), program.dump_state(), spec.model_dump()):
        text = json.dumps(written)
        assert KEY not in text
        assert 'api_key"' not in text
    assert KEY not in repr(spec)


@pytest.mark.parametrize(("model", "kind"), [("scripted/counsel", ScriptedEngine), ("ollama_chat/m:8b", OllamaEngine)])
def test_the_prefix_chooses_the_engine(model: str, kind: type) -> None:
    lm = build_lm(ModelSpec(model=model, retries=2, temperature=0.3, max_tokens=99))
    assert isinstance(lm.engine, kind)
    assert (lm.model, lm.num_retries) == (model, 2)
    assert (lm.kwargs["temperature"], lm.kwargs["max_tokens"]) == (0.3, 99)


def test_other_providers_go_through_dspys_own_routes() -> None:
    lm = build_lm(ModelSpec(model="hosted_vllm/some/model", base_url="http://127.0.0.1:1/v1", timeout=3))
    assert lm.engine == "auto"
    assert (lm.kwargs["api_base"], lm.kwargs["timeout"]) == ("http://127.0.0.1:1/v1", 3)


@pytest.mark.parametrize("model", ["scripted/counsel", "ollama_chat/m", "openai/gpt-x"])
def test_the_cache_is_off(model: str) -> None:
    assert build_lm(ModelSpec(model=model)).cache is False


def test_the_declared_context_reaches_ollama(ollama: Any) -> None:
    lm = build_lm(ModelSpec(model="ollama_chat/student", base_url=ollama.url + "/", num_ctx=1024, retries=0))
    lm("Capital of France?")
    assert ollama.requests[0]["options"]["num_ctx"] == 1024


@pytest.mark.parametrize(
    ("mistakes", "rates"), [({"long_key": 0.5}, {"long_key": 0.5}), ({}, {}), (None, DEFAULT_RATES)]
)
def test_declared_mistakes_and_latency_reach_the_scripted_teacher(
    mistakes: dict[Mistake, float] | None, rates: dict[Mistake, float]
) -> None:
    lm = build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes, latency=0.5))
    assert lm.engine.dump_state() == {"mistakes": rates, "latency": 0.5}
