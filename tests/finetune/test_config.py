"""Presets give way to the recipe, and impossible students are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from finetune.config import TrainConfig


def test_the_paper_preset_is_the_papers_training() -> None:
    config = TrainConfig(preset="paper", base="some/model")
    assert (config.method, config.lora.rank, config.lora.alpha, config.lora.dropout) == ("qlora", 64, 16, 0.05)
    assert config.lora.targets == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert (config.batch_size, config.accumulate, config.layout, config.loss_on) == (1, 32, "pad", "all")
    assert (config.epochs, config.warmup_steps, config.max_length) == (3, 100, 1024)


def test_what_a_recipe_sets_wins_over_its_preset_key_by_key() -> None:
    config = TrainConfig.model_validate({"preset": "paper", "base": "m", "epochs": 1, "lora": {"rank": 8}})
    assert (config.epochs, config.lora.rank, config.lora.alpha) == (1, 8, 16)
    again = TrainConfig.model_validate(config.model_dump(mode="json"))
    assert again == config


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValidationError, match="preset"):
        TrainConfig.model_validate({"preset": "papre"})


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_an_adapter_needs_something_to_adapt(method: str) -> None:
    with pytest.raises(ValidationError, match="warm_up_epochs"):
        TrainConfig.model_validate({"method": method})
    assert TrainConfig.model_validate({"method": method, "scratch": {"warm_up_epochs": 1}}).has_adapter
