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
