"""The named mistakes of the scripted teacher.

Like a weak model it errs at set rates, so that checks, filters, and retries have something real to find.  A
complaint in the prompt is heeded: an answer to a complaint has no mistakes.
"""

from __future__ import annotations

from typing import Literal, get_args

from corpus.seeds import rng_for
from lms.scripted.prompt import Prompt

Mistake = Literal[
    "names_emotion",  # the scenario says what is felt
    "twin_distractor",  # a wrong answer is the right one in other words
    "generic_explanation",  # the explanation could stand under any item
    "repeats_turn",  # the therapist says again what was said
    "breaks_format",  # the last output field is missing
]

DEFAULT_RATES: dict[Mistake, float] = {
    "names_emotion": 0.03,
    "twin_distractor": 0.03,
    "generic_explanation": 0.02,
    "repeats_turn": 0.02,
    "breaks_format": 0.01,
}
MISTAKES: tuple[Mistake, ...] = get_args(Mistake)


class Mistakes:
    """Decides, by seed and prompt, whether a mistake is made in a call."""

    def __init__(self, rates: dict[Mistake, float]):
        self.rates = rates

    def makes(self, mistake: Mistake, prompt: Prompt) -> bool:
        """Return True when ``mistake`` is made in answer to ``prompt``."""
        if "complaint" in prompt.inputs:
            return False
        return rng_for(mistake, prompt.seed).random() < self.rates.get(mistake, 0.0)
