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
from signatures.formats import LETTERS

LIKELIHOOD = "likelihood"  # the rule of an answer that was picked and not written
LikelihoodMode = Literal["text", "letter"]


class Scorer(Protocol):
    """Anything that can score given answers, such as `lms.in_process.engine.InProcessEngine`."""

    def score(self, messages: list[dict[str, str]], candidates: list[str], per_token: bool = True) -> list[float]:
        """Return one score per candidate, higher for the likelier: mean log-probability per token, or in total."""
        ...


def score_parts(
    messages: list[dict[str, str]], parts: Sequence[Part], mode: LikelihoodMode, scorer: Scorer
) -> list[list[float]]:
    """Return the scores of the choices of each question, in the order in which they stand, higher for the likelier.

    Sentences of different length are compared by the mean per token; emotions, which are labels of a word or two, in
    total, since per token a pair would profit from its second half, which the first half makes likely.

    Args:
        messages: what is asked; parts: the questions of the item, in the order in which they are answered.
    """
    written, found = "{", list[list[float]]()
    for part in parts:
        if mode == "letter":
            answers = [f'"{part.field}": "{letter}"' for letter in LETTERS[: len(part.choices)]]
        else:
            answers = [f'"{part.text_field}": {json.dumps(choice, ensure_ascii=False)}' for choice in part.choices]
        per_token = mode == "text" and part.text_field != "emotion"
        found.append(scorer.score(messages, [written + answer for answer in answers], per_token))
        written += answers[_likeliest(found[-1])] + ", "
    return found


def answer_by(scores: Sequence[Sequence[float]]) -> Answer:
    """Return the likeliest choice of each question, the first of equals; both readings are the same."""
    picks = tuple(_likeliest(own) for own in scores)
    return Answer(picks, picks, (LIKELIHOOD,) * len(picks))


def _likeliest(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
