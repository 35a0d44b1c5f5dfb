"""Estimates against known figures and a measured training, and the refusal before an out-of-memory kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Machine
from finetune.memory import ModelSize, check_memory, count_adapter, estimate, size_of
from finetune.plan import Plan
from tests.finetune.checkpoints import make_checkpoint

BF16 = Plan("bf16", "sdpa", "group", True, False)


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> ModelSize:
    folder = tmp_path_factory.mktemp("mistral")
    config = {
        "model_type": "mistral", "architectures": ["MistralForCausalLM"], "vocab_size": 32768, "hidden_size": 4096,
        "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return size_of(str(folder))


def test_a_size_is_read_from_the_config_alone(mistral: ModelSize) -> None:
    assert mistral.parameters == 7_248_023_552  # as its own card says: 7.25B
    config = TrainConfig(base="m", method="lora")
    assert count_adapter(config, mistral) == 41_943_040  # PEFT's count for rank 16 on all linear layers


@pytest.mark.parametrize(
    ("method", "plan", "least", "most"),
    [("lora", BF16, 15, 19), ("qlora", BF16, 5, 8), ("full", BF16, 110, 122)],
)
def test_known_figures_of_a_7b_model(method: str, plan: Plan, least: float, most: float, mistral: ModelSize) -> None:
    config = TrainConfig.model_validate({"base": "m", "method": method, "batch_size": 1, "max_length": 1024})
    assert least < estimate(config, plan, mistral).total / 1e9 < most


def test_more_rows_longer_rows_and_no_checkpointing_take_more(mistral: ModelSize) -> None:
    config = TrainConfig(base="m", method="lora", batch_size=2)
    start = estimate(config, BF16, mistral).total
    assert estimate(config.model_copy(update={"batch_size": 4}), BF16, mistral).total > start
    assert estimate(config.model_copy(update={"max_length": 2048}), BF16, mistral).total > start
    assert estimate(config, Plan("bf16", "sdpa", "group", False, False), mistral).total > start


def test_the_adapter_counts_as_peft_counts(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = make_checkpoint("qwen2", tmp_path / "base")
    config = TrainConfig.model_validate({"base": "m", "method": "lora", "lora": {"rank": 4, "targets": ["q_proj"]}})
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    )
    assert count_adapter(config, size_of(str(base))) == model.get_nb_trainable_parameters()[0]


def test_what_does_not_fit_is_refused_with_what_helps(mistral: ModelSize) -> None:
    needed = estimate(TrainConfig(base="m"), BF16, mistral)
    with pytest.raises(TrainingError, match=r"8\.0 GB are free: lower train\.batch_size .* lora or qlora"):
        check_memory(needed, Machine("cpu", ram_free=8_000_000_000))
    check_memory(needed, Machine("cpu", ram_free=900_000_000_000))


def test_a_base_without_a_config_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be loaded") as caught:
        size_of(str(tmp_path))
    assert "\n" not in str(caught.value)
