"""DSPy's optimizers, one file per family: how each is fitted to a budget, and how it is run.

A strategy never sees the final cases.  All of them are deterministic with a seed.
"""

from __future__ import annotations

from optimizers.config import OptimizerName
from optimizers.strategies.base import Fit, Search, Sizes, Strategy
from optimizers.strategies.demonstrations import BOOTSTRAP, LABELED, RANDOM_SEARCH
from optimizers.strategies.instructions import COPRO, GEPA, INFER_RULES
from optimizers.strategies.joint import MIPRO, SIMBA

STRATEGIES: dict[OptimizerName, Strategy] = {
    "labeled": LABELED,
    "bootstrap": BOOTSTRAP,
    "random-search": RANDOM_SEARCH,
    "mipro": MIPRO,
    "gepa": GEPA,
    "simba": SIMBA,
    "copro": COPRO,
    "infer-rules": INFER_RULES,
}

__all__ = ["STRATEGIES", "Fit", "Search", "Sizes", "Strategy"]
