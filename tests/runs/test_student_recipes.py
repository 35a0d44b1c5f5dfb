"""The recipes of students: each is valid, and the memory that it promises is our estimate for its size."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from finetune.memory import estimate, size_of
from finetune.plan import Plan
from runs.recipe import load_recipe
from tests.conftest import ROOT

RECIPES = ROOT / "recipes" / "students"
_NAMES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
          "num_key_value_heads")  # fmt: skip
# What the models' own configs say of their size.
SIZES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "mistral-7b-instruct-v0.3": ("Mistral", (32768, 4096, 14336, 32, 32, 8), {}),
    "llama-3.1-8b-instruct": ("Llama", (128256, 4096, 14336, 32, 32, 8), {}),
    "qwen2.5-7b-instruct": ("Qwen2", (152064, 3584, 18944, 28, 28, 4), {}),
    "gemma-7b-it": ("Gemma", (256000, 3072, 24576, 28, 16, 16), {"head_dim": 256}),
    "qwen2.5-0.5b-instruct": ("Qwen2", (151936, 896, 4864, 24, 14, 2), {"tie_word_embeddings": True}),
    "qwen2.5-1.5b-instruct": ("Qwen2", (151936, 1536, 8960, 28, 12, 2), {"tie_word_embeddings": True}),
    "smollm2-360m-instruct": ("Llama", (49152, 960, 2560, 32, 15, 5), {"tie_word_embeddings": True}),
    "llama-3.2-1b-instruct": ("Llama", (128256, 2048, 8192, 16, 32, 8), {"tie_word_embeddings": True}),
}


def test_every_recipe_is_known_here() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == set(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_the_memory_that_a_recipe_promises_is_the_estimate(name: str, tmp_path: Path) -> None:
    family, sizes, more = SIZES[name]
    config = dict(zip(_NAMES, sizes, strict=True)) | more
    config |= {"model_type": family.lower(), "architectures": [f"{family}ForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    path = RECIPES / f"{name}.yaml"
    recipe = load_recipe(path)
    text = " ".join(line.lstrip("# ") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    first = re.search(r"Memory expected: ([\d.]+) GB on a (CPU|GPU)", text)
    fourth = re.search(r"about ([\d.]+) GB on a GPU with --set train.method=qlora", re.sub(" +", " ", text))
    assert first
    assert fourth
    on_gpu, size = first[2] == "GPU", size_of(str(tmp_path))
    plan = Plan("bf16" if on_gpu else "fp32", "sdpa", "group", on_gpu, False)
    assert float(first[1]) == pytest.approx(estimate(recipe.train, plan, size).total / 1e9, rel=0.05)
    small = recipe.train.model_copy(update={"method": "qlora", "batch_size": 1})
    four_bits = estimate(small, Plan("bf16", "sdpa", "group", True, False), size).total / 1e9
    assert float(fourth[1]) == pytest.approx(four_bits, rel=0.2)
