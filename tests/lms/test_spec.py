from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lms.scripted.mistakes import MISTAKES, Mistake
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
    ],
)
def test_a_wrong_key_or_value_is_refused_and_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelSpec(**{"model": "scripted/counsel"} | fields)
    assert named in {str(part) for error in caught.value.errors() for part in error["loc"]}


def test_the_identity_is_the_models_name_and_holds_nothing_of_the_connection() -> None:
    spec = ModelSpec(model="openai/gpt-x", base_url="http://user:pw@127.0.0.1/v1", api_key_env="MY_KEY")
    assert spec.identity == "openai/gpt-x"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_of_the_scripted_teacher_can_be_declared(mistake: Mistake) -> None:
    assert ModelSpec(model="scripted/counsel", mistakes={mistake: 1.0}).mistakes == {mistake: 1.0}


def test_a_rate_out_of_range_is_answered_with_the_names_of_the_mistakes() -> None:
    with pytest.raises(ValidationError, match=r"shares from 0 to 1; the mistakes are .*closed_question"):
        ModelSpec(model="scripted/counsel", mistakes={"long_key": 2})
