"""Answering by likelihood: nothing is written, so nothing can be misread.

*text*: the option whose text is likeliest, the options not shown (the cloze formulation of OLMES, Gu et al. 2024, arXiv
2406.08446): small models know what is right long before they can point at it in a list.  *letter*: the options are
shown, and the likeliest letter counts.  Questions of one item are answered in turn, each after the answer before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, Protocol

from eval.benchmarks.base import Answer, Part
from lms.in_process.job import Step
from signatures.formats import LETTERS

LIKELIHOOD = "likelihood"  # the rule of an answer that was picked and not written
LikelihoodMode = Literal["text", "letter"]


class Ranker(Protocol):
    """Anything that says how likely given answers are, such as `lms.in_process.engine.InProcessEngine`."""

    def rank(self, messages: Sequence[dict[str, str]], steps: Sequence[Step]) -> list[list[float]]:
        """Return one score per text of each step, higher for the likelier; each step follows the likeliest before."""
        ...


def score_parts(
    messages: list[dict[str, str]], parts: Sequence[Part], mode: LikelihoodMode, ranker: Ranker
) -> list[list[float]]:
    """Return the scores of the choices of each question, in the order in which they stand, higher for the likelier.

    Sentences of different length are compared by the mean per token; emotions, which are labels of a word or two, in
    total, since per token a pair would profit from its second half, which the first half makes likely.

    Args:
        messages: what is asked; parts: the questions of the item, in the order in which they are answered.
    """
    steps, opening = [], "{"
    for part in parts:
        if mode == "letter":  # which ends with the letter: the quote behind it says nothing
            texts = [f'{opening}"{part.field}": "{letter}' for letter in LETTERS[: len(part.choices)]]
        else:
            texts = [
                f'{opening}"{part.text_field}": {json.dumps(choice, ensure_ascii=False)}' for choice in part.choices
            ]
        steps.append(Step(tuple(texts), per_token=mode == "text" and part.text_field != "emotion"))
        opening = '", ' if mode == "letter" else ", "
    return ranker.rank(messages, steps)


def answer_by(scores: Sequence[Sequence[float]]) -> Answer:
    """Return the likeliest choice of each question, the first of equals; both readings are the same."""
    picks = tuple(max(range(len(own)), key=own.__getitem__) for own in scores)
    return Answer(picks, picks, (LIKELIHOOD,) * len(picks))
