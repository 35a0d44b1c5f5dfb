"""The quality of an answer to the exam: it can be read, and it is right.

The feedback gives the text of the right option and the item's explanation, never a letter: letters are shuffled, and
what a prompt can teach is how to get from the scenario to the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import dspy

from optimizers.cases import ExamCase
from optimizers.quality.refusals import judge_failure
from optimizers.quality.tally import Tally, quote, say
from optimizers.quality.verdict import Quality
from optimizers.quality.weights import weights_of

ASKS = {"EU": ("answer_eu",), "EA": ("answer_ea",)}


class ExamQuality:
    """(case, attempt) → `Quality`; asks nobody.

    A criterion's score is the mean over the questions of an item, so that an item on understanding with one right
    answer of two has half: EmoBench counts it as wrong, but an optimizer needs to see the way there.

    Args:
        weights: the recipe's own; see `weights.DEFAULT_WEIGHTS` for the others.
    """

    def __init__(self, weights: Mapping[str, float]):
        self.weights = weights_of("exam", weights)

    def __call__(self, case: ExamCase, attempt: dspy.Prediction) -> Quality:
        """Return the quality of an answer; 0 for an attempt that failed."""
        if attempt.failure:
            return judge_failure(attempt.failure, attempt.complaints)
        tally, item, asks = Tally(self.weights), case.item, ASKS[case.item.task]
        answer = attempt.outcome.answer
        read = [_score_reading(*picks) for picks in zip(answer.strict, answer.lenient, strict=True)]
        tally.look("format", "right")
        if (score := _mean(read)) < 1:
            tally.find("format", score, _say_unread(0.0 in read, attempt.outcome.raw), asks)
        wrong = [
            _say_wrong(kind, label, None if pick is None else choices[pick])
            for kind, (choices, label), pick in zip(
                ("emotion", "cause") if item.task == "EU" else ("option",), item.questions, answer.lenient, strict=True
            )
            if pick is None or choices[pick] != label
        ]  # fmt: skip
        if wrong:
            because = f"This is why: {item.explanation}" if item.explanation else ""
            tally.find("right", 1 - len(wrong) / len(read), " ".join([*wrong, because]).strip(), asks)
        return tally.quality


def _say_unread(unread: bool, raw: str) -> str:
    if unread:
        fault = "the last output field was missing, or the answer was not in the form that is asked for"
    else:
        fault = "the letter of an answer does not stand alone in its field, so that a strict reader refuses it"
    return say(fault, f"the answer was {quote(raw)}")


def _say_wrong(kind: str, label: str, chosen: str | None) -> str:
    instead = "none was given" if chosen is None else f"{quote(chosen)} was chosen"
    return say(f"the {kind} that was chosen is not the right one", f"{instead}, and right is {quote(label)}")


def _score_reading(strict: float | None, lenient: float | None) -> float:
    if lenient is None:
        return 0.0
    return 0.5 if strict is None else 1.0


def _mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)
