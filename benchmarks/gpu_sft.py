"""LoRA tuning of the Mistral-7B architecture on one GPU: the default preset against the paper's recipe.

    python -m benchmarks.gpu_sft [--layers N] [--steps N]      needs a CUDA device; $OUT/gpu_sft.json where OUT is set
    python -m benchmarks.gpu_sft --tiny                        the same on two tiny layers, on any machine

Weights are random, in bf16, made on the device; rows are random tokens, as long as our items are.  Both sides train
the LoRA adapter of their preset on an unquantised base, so that the ratio is that of layout, batch, loss, and adapter,
and not of four bits.

Useful tokens are those of rows, without padding.  A token costs 4 × parameters FLOP: 2 in the forward pass, 2 for the
gradients of activations; weights are frozen, so the third part of the usual 6 × parameters (Kaplan et al. 2020) falls
away.  Attention, the adapter, and what checkpointing computes twice are not counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from finetune.config import TrainConfig
from finetune.machine import Machine, look
from finetune.memory import ModelSize, size_of
from finetune.plan import Plan, make_plan
from finetune.tokens import Encoded

MISTRAL_7B = {
    "vocab_size": 32768, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 32768,
    "sliding_window": None, "tie_word_embeddings": False,
}  # fmt: skip
TINY = MISTRAL_7B | {
    "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
}  # fmt: skip
SHORTEST, USUAL, LONGEST, ANSWER = 90, 150, 260, 20  # tokens of a row, and of its answer
FIRST = 10  # lower ids are marks of the tokenizer
FLOP_PER_TOKEN = 4  # × parameters


@dataclass(frozen=True)
class Side:
    """One recipe measured: ``peak_memory`` in bytes of the device (0 on CPU), ``share`` of its dense bf16
    peak FLOP/s, None for a card that TRL's table does not name."""

    name: str
    layout: str
    steps: int
    seconds: float
    tokens_per_second: float
    peak_memory: int
    share: float | None
    plan: tuple[str, ...]


def draw_rows(count: int, vocabulary: int, seed: int = 7) -> list[Encoded]:
    """Return rows of random tokens whose lengths are spread as those of our items."""
    draw = random.Random(seed)
    lengths = [round(draw.triangular(SHORTEST, LONGEST, USUAL)) for _ in range(count)]
    return [
        Encoded(str(number), [draw.randrange(FIRST, vocabulary) for _ in range(length)], length - ANSWER)
        for number, length in enumerate(lengths)
    ]


def make_configs(steps: int, tiny: bool) -> dict[str, TrainConfig]:
    """Return both recipes: the paper's as it was, ours as a recipe without keys would have it."""
    common = {"base": "random", "method": "lora", "max_steps": steps}
    paper: dict[str, Any] = {**common, "preset": "paper", "patience": None, "keep": "last"}
    if tiny:
        paper |= {"max_length": 320, "accumulate": 2}
        common |= {"max_length": 320, "batch_size": 2}
    return {"paper's recipe": TrainConfig.model_validate(paper), "default": TrainConfig.model_validate(common)}


def measure(name: str, config: TrainConfig, dims: dict[str, Any], machine: Machine) -> Side:
    """Train a fresh model for ``config.max_steps`` steps.

    The last backward pass may end after the clock stops, so take twenty steps at least.
    """
    import torch
    from trl.trainer.utils import get_peak_flops

    from finetune.sft import tune
    from tests.finetune.checkpoints import FAMILIES, make_tokenizer

    plan = make_plan(config, machine, find_size(dims))
    if machine.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    model = make_model(dims, plan)
    tokenizer = make_tokenizer(FAMILIES["mistral"])
    parameters = sum(weight.numel() for weight in model.parameters())
    rows = draw_rows(1024, dims["vocab_size"])
    with tempfile.TemporaryDirectory() as work:
        tuned = tune(model, tokenizer, rows, (), config, plan, machine, 7, Path(work), lambda step, steps, values: None)
    peak = get_peak_flops(machine.gpus[0].name, "bfloat16") if machine.gpus else None
    speed = tuned.tokens_per_second
    return Side(
        name=name,
        layout=f"{plan.layout}, {plan.attention}",
        steps=config.max_steps,
        seconds=round(tuned.seconds, 2),
        tokens_per_second=round(speed, 1),
        peak_memory=torch.cuda.max_memory_allocated() if machine.device == "cuda" else 0,
        share=FLOP_PER_TOKEN * parameters * speed / peak if peak else None,
        plan=plan.reasons,
    )


def find_size(dims: dict[str, Any]) -> ModelSize:
    """Return the size of the model, by which the plan decides on gradient checkpointing."""
    from transformers import AutoConfig

    with tempfile.TemporaryDirectory() as folder:
        AutoConfig.for_model("mistral", **dims).save_pretrained(folder)
        return size_of(folder)


def make_model(dims: dict[str, Any], plan: Plan) -> Any:
    """Return a Mistral with random weights, made on the device in the plan's precision."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    types = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    with torch.device(plan.device):
        return AutoModelForCausalLM.from_config(
            AutoConfig.for_model("mistral", **dims), dtype=types[plan.precision], attn_implementation=plan.attention
        )


def free() -> None:
    """Give the memory of the side before back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def show(sides: list[Side], machine: Machine, console: Console) -> None:
    """Print both sides and their ratios."""
    table = Table("recipe", "layout", "useful tokens/s", "peak memory, GB", "share of peak FLOP/s", title=str(machine))
    for side in sides:
        share = f"{side.share:.1%}" if side.share is not None else "–"
        memory = f"{side.peak_memory / 1e9:.1f}" if side.peak_memory else "–"
        table.add_row(side.name, side.layout, f"{side.tokens_per_second:,.0f}", memory, share)
    paper, ours = sides
    memory = f"{ours.peak_memory / paper.peak_memory:.2f}" if paper.peak_memory else "–"
    table.add_row("default / paper's", "", f"{ours.tokens_per_second / paper.tokens_per_second:.1f}", memory, "")
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Measure both recipes, print the table, and write it as JSON where $OUT says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_sft", description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, help="fewer layers than 32, for a smaller card or a quick look")
    parser.add_argument("--steps", type=int, default=20, help="steps of each side (default 20)")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, on any machine")
    asked = parser.parse_args(arguments)
    machine, console = look(), Console(width=140)
    if machine.device != "cuda" and not asked.tiny:
        console.print("this measures a CUDA device, and there is none; --tiny runs anywhere")
        return 1
    dims = TINY if asked.tiny else MISTRAL_7B | ({"num_hidden_layers": asked.layers} if asked.layers else {})
    configs = make_configs(asked.steps, asked.tiny)
    if not asked.tiny:  # what libraries do once, they do here
        measure(
            "warm-up", configs["default"].model_copy(update={"max_steps": 2}), dims | {"num_hidden_layers": 1}, machine
        )
    sides = []
    for name, config in configs.items():
        free()
        sides.append(measure(name, config, dims, machine))
    show(sides, machine, console)
    if out := os.environ.get("OUT"):
        report = {
            "date": date.today().isoformat(), "card": str(machine), "versions": dict(machine.versions),
            "layers": dims["num_hidden_layers"], "flop_per_token_and_parameter": FLOP_PER_TOKEN,
            "sides": [asdict(side) for side in sides],
            "speed_ratio": round(sides[1].tokens_per_second / sides[0].tokens_per_second, 2),
        }  # fmt: skip
        (Path(out) / "gpu_sft.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
