"""The reasoning that a student wrote before its answer, and how much of it a judge found sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from corpus.records import ApplicationItem, UnderstandingItem
from eval.mistakes import Slice, measure
from eval.reading import read_text
from eval.scores import Mark, Stage
from signatures.exam import exam_inputs

SCORES = ("grounded", "consistent")


@dataclass(frozen=True)
class Reasoned:
    """An answer that was read, with its reasoning; ``question`` and ``answer`` have a line per question of the item."""

    item: str
    scenario: str
    question: str
    answer: str
    reasoning: str


class ReasoningResult(BaseModel):
    """The judge's word on one student's reasoning on one benchmark.

    ``grounded`` and ``consistent`` are shares of a plain "yes" among the answers judged; ``failed`` counts those about
    which the judge gave no usable answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    benchmark: str
    stage: Stage
    judge: str
    grounded: Slice
    consistent: Slice
    failed: int


def find_reasoned(item: UnderstandingItem | ApplicationItem, mark: Mark) -> Reasoned | None:
    """Return a written answer with its reasoning; None where it has none, or no answer could be read."""
    reasoning = read_text(mark.raw, "reasoning")
    picks = [pick for pick in mark.picks if pick is not None]
    if not reasoning or not picks or len(picks) < len(item.questions):
        return None
    asked = [str(text) for name, text in exam_inputs(item).items() if name.startswith("question")]
    chosen = [choices[pick] for pick, (choices, _) in zip(picks, item.questions, strict=True)]
    return Reasoned(item.qid, item.scenario, "\n".join(asked), "\n".join(chosen), reasoning)


def score_reasoning(
    benchmark: str, stage: Stage, judge: str, asked: Iterable[Reasoned], found: Mapping[str, Mapping[str, str]]
) -> ReasoningResult | None:
    """Return the shares of what was judged; None when nothing was.

    Args:
        asked: what the judge was asked about; found: item ID → score by name, of what it answered.
    """
    asked = list(asked)
    judged = [one for one in asked if one.item in found]
    if not judged:
        return None
    shares = {
        name: measure((one.item, one.scenario, found[one.item][name] == "yes") for one in judged) for name in SCORES
    }
    return ReasoningResult(benchmark=benchmark, stage=stage, judge=judge, failed=len(asked) - len(judged), **shares)
