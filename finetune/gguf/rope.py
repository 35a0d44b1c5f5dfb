"""The turning of positions: base and scaling, read from where transformers 5 keeps them (`rope_parameters`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.errors import ShippingError
from finetune.gguf.architectures import Architecture


@dataclass(frozen=True)
class Rope:
    """Base of the frequencies; the factor of a linear scaling; per-frequency factors of llama-3's (head_dim/2,)."""

    theta: float
    linear: float | None = None
    factors: NDArray[np.float32] | None = None


def read_rope(config: Any, architecture: Architecture, head_dim: int, model: Path) -> Rope:
    """Return the rope of a transformers ``config``, which has already gathered older forms in `rope_parameters`."""
    values = config.rope_parameters
    theta, kind = float(values["rope_theta"]), values["rope_type"]
    if values.get("partial_rotary_factor", 1.0) != 1.0:
        raise ShippingError(f"{model}: a rope over part of the head (partial_rotary_factor) cannot be written as GGUF")
    if kind == "default":
        return Rope(theta)
    if kind == "linear":
        return Rope(theta, linear=float(values["factor"]))
    if kind == "llama3" and architecture.llama3_rope:
        return Rope(theta, factors=_spread_factors(theta, head_dim, values))
    raise ShippingError(
        f"{model}: rope scaling {kind} cannot be written as GGUF for {architecture.name} here, only default, linear"
        f"{', llama3' if architecture.llama3_rope else ''}; use llama.cpp's convert_hf_to_gguf.py"
    )


def _spread_factors(theta: float, head_dim: int, values: dict[str, Any]) -> NDArray[np.float32]:
    """Return what llama.cpp divides each frequency by: 1 for short waves, the factor for long ones, mixed between."""
    factor, low, high = (float(values[name]) for name in ("factor", "low_freq_factor", "high_freq_factor"))
    known = float(values["original_max_position_embeddings"])
    factors = []
    for place in range(0, head_dim, 2):
        wave = 2 * math.pi * theta ** (place / head_dim)
        if wave < known / high:
            factors.append(1.0)
        elif wave > known / low:
            factors.append(factor)
        else:
            smooth = (known / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)
