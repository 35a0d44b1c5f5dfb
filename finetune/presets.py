"""Named sets of training keys: `default`, and `paper`, the hyper-parameters of arXiv 2601.01407.

What a recipe sets itself wins over its preset.  docs/training.md says why the default differs.
"""

from __future__ import annotations

from typing import Any, Literal

PresetName = Literal["default", "paper"]
PRESETS: dict[PresetName, dict[str, Any]] = {
    "default": {},  # the defaults of TrainConfig
    "paper": {
        "method": "qlora",
        "lora": {"rank": 64, "alpha": 16, "dropout": 0.05, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"]},
        "formats": {"reasoned": 1},
        "loss_on": "all",
        "layout": "pad",
        "epochs": 3,
        "batch_size": 1,
        "accumulate": 32,
        "learning_rate": 2e-4,
        "schedule": "cosine",
        "warmup_steps": 100,
        "max_length": 1024,
        "checkpoint_steps": 50,
        "patience": 3,
        "keep": "best",
    },
}


def fill_in(given: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a recipe's section over those of its preset, section by section.

    A preset that does not exist is left to the schema to refuse.
    """
    preset = PRESETS.get(given.get("preset", "default"), {})
    filled = preset | given
    for key, value in preset.items():
        if key == "lora" and isinstance(given.get(key), dict):
            filled[key] = value | given[key]
    return filled
