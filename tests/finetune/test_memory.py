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
# Head and query widths differ from the model's, as in Gemma.
SMALL = MISTRAL | {
    "vocab_size": 512, "hidden_size": 96, "intermediate_size": 320, "num_hidden_layers": 8,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16,
}  # fmt: skip


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


def bytes_saved(base: str, settings: TrainConfig, how: Plan, tokens: int) -> int:
    """Bytes that PyTorch keeps for the backward pass of one row, without the model's own weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    half = how.precision == "bf16"
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
    if settings.has_adapter:
        adapter = LoraConfig(r=settings.lora.rank, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model.to(torch.bfloat16 if half else torch.float32), adapter)
    if how.gradient_checkpointing:
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    saved: dict[int, Any] = {}  # the tensors are held, so that no address is used twice

    def keep(tensor: Any) -> Any:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    decoder = model.get_base_model().model if settings.has_adapter else model.model
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=half),
    ):
        decoder(input_ids=torch.arange(tokens)[None], use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in weights)


@pytest.mark.parametrize("saves", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_activations_are_those_that_pytorch_keeps(tmp_path: Path, method: str, precision: str, saves: bool) -> None:
    base = write_config(tmp_path, SMALL)
    size, how = size_of(base), plan(precision, saves)
    settings = config(method=method, max_length=256)
    # What a longer row adds: the 16-bit copies of the weights, which do not grow, are not in it.
    kept = bytes_saved(base, settings, how, 512) - bytes_saved(base, settings, how, 256)
    expected = estimate(settings, how, size).activations
    if saves:  # one layer in full is kept in the backward pass alone
        expected -= estimate(settings, plan(precision, False), size).activations / size.layers
    final_norm = 256 * SMALL["hidden_size"] * 10  # not a layer's; bytes at most
    assert kept - final_norm <= 1.1 * expected
    assert kept >= 0.8 * expected


@pytest.mark.parametrize(("saves", "layers"), [(False, 8), (True, 1)])
def test_full_tuning_in_16_bits_copies_the_weights(tmp_path: Path, saves: bool, layers: int) -> None:
    size = size_of(write_config(tmp_path, SMALL))
    half, whole = (estimate(config(), plan(precision, saves), size).weights for precision in ("bf16", "fp32"))
    assert half - whole == 2 * (size.parameters - size.embedded) * layers / 8


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
