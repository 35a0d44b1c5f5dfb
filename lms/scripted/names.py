"""The names of the scripted teacher's mistakes, here so that recipes can be read without loading DSPy."""

from __future__ import annotations

from typing import Literal, get_args

Mistake = Literal[
    "names_emotion", "near_synonym", "twin_distractor", "long_key", "absurd_distractor", "generic_explanation",
    "contradicts_key", "foreign_fact", "names_feeling", "speaks_for_both", "repeats_turn", "closed_question",
    "early_advice", "breaks_format",
]  # fmt: skip
MISTAKES: tuple[Mistake, ...] = get_args(Mistake)
