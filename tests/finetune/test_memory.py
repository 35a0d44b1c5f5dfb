"""The estimate is near what is known of large models and near what a small one takes, and stops what will not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Machine
from finetune.memory import ModelSize, check_memory, count_adapter, estimate, size_of
from finetune.plan import Plan

MISTRAL = {
    "vocab_size": 32768, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": False,
}  # fmt: skip
SMALL = MISTRAL | {
    "vocab_size": 8000, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6,
    "num_attention_heads": 8, "head_dim": 32,
}  # fmt: skip
BATCH, LENGTH = 4, 256
# Peak of one step over what the libraries alone take; a first small step loads what torch loads late.
STEP = """
import resource, sys, torch
from transformers import AutoConfig, AutoModelForCausalLM
torch.set_num_threads(1)

def step(config, tokens):
    model = AutoModelForCausalLM.from_config(config)
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

config = AutoConfig.from_pretrained(sys.argv[1])
small = AutoConfig.from_pretrained(sys.argv[1], num_hidden_layers=1, hidden_size=32, head_dim=4, vocab_size=64)
step(small, torch.zeros(1, 8, dtype=torch.long))
before = peak()
step(config, torch.zeros(int(sys.argv[2]), int(sys.argv[3]), dtype=torch.long))
print(peak() - before)
"""


def write_config(folder: Path, dims: dict[str, Any]) -> str:
    from transformers import AutoConfig

    AutoConfig.for_model("mistral", **dims).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> ModelSize:
    return size_of(write_config(tmp_path_factory.mktemp("mistral"), MISTRAL))


def config(**keys: Any) -> TrainConfig:
    return TrainConfig.model_validate({"base": "some/model", "batch_size": 1, "max_length": 1024} | keys)


def plan(precision: Any = "bf16", saves: bool = True, shards: int = 1) -> Plan:
    return Plan(precision, "sdpa", "group", saves, False, shards=shards)


def test_a_config_alone_gives_the_size(mistral: ModelSize) -> None:
    assert mistral.parameters == 7_248_023_552
    assert (mistral.hidden, mistral.layers, mistral.vocabulary) == (4096, 32, 32768)
    assert mistral.embedded == 2 * 32768 * 4096 + 65 * 4096  # embedding, head, and norms


def test_an_adapter_has_as_many_parameters_as_peft_says_it_has(mistral: ModelSize) -> None:
    assert count_adapter(config(method="lora"), mistral) == 41_943_040
    assert count_adapter(config(preset="paper", lora={"targets": ["q_proj", "v_proj"]}), mistral) == 27_262_976


@pytest.mark.parametrize(
    ("keys", "precision", "saves", "least", "most"),
    [
        ({"method": "lora"}, "bf16", True, 15, 18),
        ({"method": "qlora"}, "bf16", True, 5, 8),
        ({"method": "full"}, "fp32", True, 116, 122),
    ],
)
def test_known_figures_of_seven_billion_parameters(
    mistral: ModelSize, keys: dict[str, Any], precision: str, saves: bool, least: float, most: float
) -> None:
    assert least < estimate(config(**keys), plan(precision, saves), mistral).total / 1e9 < most


def test_what_costs_memory_costs_it_in_the_estimate(mistral: ModelSize) -> None:
    base = estimate(config(method="lora"), plan(), mistral)
    assert estimate(config(method="lora"), plan(saves=False), mistral).activations > 5 * base.activations
    assert estimate(config(method="lora", batch_size=4), plan(), mistral).logits == 4 * base.logits
    full, spread = (estimate(config(), plan("fp32", shards=shards), mistral) for shards in (1, 8))
    assert (spread.weights, spread.optimizer) == (full.weights / 8, full.optimizer / 8)
    assert spread.activations == full.activations


def test_what_does_not_fit_is_refused_before_it_is_loaded(mistral: ModelSize) -> None:
    needed = estimate(config(), plan("fp32"), mistral)
    check_memory(needed, Machine("cpu", (), 200 * 10**9))
    with pytest.raises(TrainingError, match=r"needs about 1\d\d\.\d GB and 16\.0 GB are free.*method: lora") as caught:
        check_memory(needed, Machine("cpu", (), 16 * 10**9))
    assert "\n" not in str(caught.value)


def test_a_base_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be loaded"):
        size_of(str(tmp_path))
