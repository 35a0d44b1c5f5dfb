"""Asking a reflection model again when its answer cannot be read.

DSPy's proposers take one look at an answer: MIPROv2 and COPRO crash on one that lacks a field, GEPA and SIMBA count the
step as lost.  Small models spoil one answer in fifty.
"""

from __future__ import annotations

from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

ATTEMPTS = 3


class Persistent(dspy.Adapter):
    """Formats and reads as another adapter does, and asks again, with another seed, up to twice.

    Raises:
        AdapterParseError: no answer could be read.
    """

    def __init__(self, adapter: dspy.Adapter):
        super().__init__()
        self.adapter = adapter

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Ask, and read the answer."""
        for seed in range(1, ATTEMPTS):
            try:
                return self._ask(lm, lm_kwargs, signature, demos, inputs)
            except AdapterParseError:
                lm_kwargs = {**lm_kwargs, "seed": seed}
        return self._ask(lm, lm_kwargs, signature, demos, inputs)

    def _ask(self, *asked: Any) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = self.adapter(*asked)
        return answers
