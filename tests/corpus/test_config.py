from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from corpus.config import CurateConfig, PlanConfig


@pytest.mark.parametrize("values", [{"sessions": 0}, {"persona_uses": 0}, {"session": 5}, {"moments": [6]}])
def test_impossible_plan_keys_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        PlanConfig.model_validate(values)


@pytest.mark.parametrize(
    "values", [{"validation": 0}, {"heldout": 0.5}, {"near_duplicate": 101}, {"min_kept": 0}, {"words": [1, 2]}]
)
def test_impossible_curate_keys_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        CurateConfig.model_validate(values)


@pytest.mark.parametrize(
    "method", ["mads", "concise", {"mads": 0.7, "concise": 0.3}, {"concise": 2}, {"mads": 1, "concise": 0}]
)
def test_a_method_is_named_or_both_have_shares(method: Any) -> None:
    assert PlanConfig.model_validate({"method": method}).method == method


@pytest.mark.parametrize(
    "method",
    [
        "mad",
        {},
        {"mads": 0},
        {"mads": -1, "concise": 2},
        {"mads": 1, "long": 1},
        {"mads": "much"},
        {"mads": float("nan")},
        {"mads": float("inf"), "concise": 1},
    ],
)
def test_an_unknown_method_or_an_impossible_share_is_refused(method: Any) -> None:
    with pytest.raises(ValidationError, match="method"):
        PlanConfig.model_validate({"method": method})


def test_every_key_says_what_it_is_for() -> None:
    for config in (PlanConfig, CurateConfig):
        for name, field in config.model_fields.items():
            assert field.description, name
