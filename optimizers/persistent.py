"""Asking a reflection model again when its answer cannot be read.

DSPy's proposers take one look at an answer: MIPROv2 and COPRO crash on one that lacks a field, GEPA and SIMBA count the
step as lost.  Small models spoil one answer in fifty.
"""

from __future__ import annotations

from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from optimizers.watch import Watch

ATTEMPTS = 3


class Persistent(dspy.Adapter):
    """Formats and reads as another adapter does, and asks again, with another seed, up to twice.

    Args:
        adapter: what formats and reads.
        watch: is told of answers that could not be read.

    Raises:
        AdapterParseError: (when called) no answer could be read.
    """

    def __init__(self, adapter: dspy.Adapter, watch: Watch):
        super().__init__()
        self.adapter, self.watch = adapter, watch

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Ask, and read the answer."""
        for seed in range(1, ATTEMPTS + 1):
            try:
                answers: list[dict[str, Any]] = self.adapter(lm, lm_kwargs, signature, demos, inputs)
            except AdapterParseError as error:
                self.watch.note_reading(error)
                if seed == ATTEMPTS:
                    raise
                lm_kwargs = {**lm_kwargs, "seed": seed}
            else:
                break
        return answers
