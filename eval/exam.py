"""The exam of a recipe as a DSPy module: one item in, one answer out, by generation or by likelihood."""

from __future__ import annotations

import json
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.benchmarks.base import Question, reordered
from eval.benchmarks.choice import read_choices
from eval.benchmarks.emobench import question_of
from eval.config import Mode
from eval.likelihood import Ranker, answer_by, score_parts
from eval.scores import Mark
from signatures.exam import exam_signature
from signatures.exam_adapter import ExamAdapter
from signatures.formats import AnswerFormat


class Exam(dspy.Module):
    """Examines one item; the LM comes from `dspy.context`, the ranker (likelihood mode) from the caller.

    The predictors have the names under which compiled programs are stored.
    """

    def __init__(self, mode: Mode, answer_format: AnswerFormat, ranker: Ranker | None = None):
        super().__init__()
        self.mode, self.answer_format, self.ranker = mode, answer_format, ranker
        self.adapter = ExamAdapter()
        self.answer_ea = dspy.Predict(exam_signature("EA", answer_format))
        self.answer_eu = dspy.Predict(exam_signature("EU", answer_format))

    def forward(self, item: UnderstandingItem | ApplicationItem, order: int = 0) -> dspy.Prediction:
        """Return `Prediction(raw=str, answer=Answer, scores=list[list[float]])`, one list of scores per question.

        A written answer has no scores.

        Args:
            order: of the options, see `eval.benchmarks.reordered`; the answer gives places in that order.
        """
        question = pose(item, order)
        if self.mode == "likelihood":
            scores = self._score(item.task, question)
            answer = answer_by(scores)
            return dspy.Prediction(raw=json.dumps(answer.lenient), answer=answer, scores=scores)
        raw = self._generate(item.task, question)
        return dspy.Prediction(raw=raw, answer=read_choices(raw, question), scores=[])

    def show(self, item: UnderstandingItem | ApplicationItem) -> list[dict[str, str]]:
        """Return the messages by which a written answer is asked for, demonstrations included."""
        predictor = self._predictor_for(item.task)
        inputs = pose(item).inputs_for(predictor.signature)
        messages: list[dict[str, str]] = self.adapter.format(predictor.signature, predictor.demos, inputs)
        return messages

    def _predictor_for(self, task: Task) -> dspy.Predict:
        return self.answer_eu if task == "EU" else self.answer_ea

    def _generate(self, task: Task, question: Question) -> str:
        predictor = self._predictor_for(task)
        with dspy.context(adapter=self.adapter):
            try:
                prediction = predictor(**question.inputs_for(predictor.signature))
            except AdapterParseError:  # DSPy refuses an empty answer before the adapter sees it
                return ""
        raw = str(prediction[next(iter(predictor.signature.output_fields))])
        _separate(prediction, raw, predictor.signature)
        return raw

    def _score(self, task: Task, question: Question) -> list[list[float]]:
        """Score the text of every option; for EU the causes are read after the likeliest emotion."""
        assert self.ranker is not None, "likelihood mode needs a ranker"
        signature = exam_signature(task, "open")
        messages = self.adapter.format(signature, [], question.inputs_for(signature))
        return score_parts(messages, question.parts, "text", self.ranker)


def pose(item: UnderstandingItem | ApplicationItem, order: int = 0) -> Question:
    """Return an item as the exam of a recipe asks it: in English, whatever its texts are, its options in an order."""
    return reordered(question_of(item, "en"), order)


def _separate(prediction: dspy.Prediction, raw: str, signature: type[dspy.Signature]) -> None:
    """Give every field of an answer in the form asked for its own text, in place of the whole.

    The prediction stands in DSPy's trace, from which optimizers take demonstrations.
    """
    try:
        found: Any = json.loads(raw)
    except (ValueError, RecursionError):  # not JSON, or nested too deep
        return
    names = list(signature.output_fields)
    if isinstance(found, dict) and all(isinstance(found.get(name), str) for name in names):
        for name in names:
            prediction[name] = found[name]


def mark_given(item: UnderstandingItem | ApplicationItem, given: dspy.Prediction, order: int = 0) -> Mark:
    """Return the mark of what `Exam` gave for an item in an order of its options; picks are places in that order."""
    answer, keys = given.answer, pose(item, order).keys
    return Mark(
        id=item.qid,
        raw=given.raw,
        answered=answer.answered,
        strict=answer.strict == keys,
        lenient=answer.lenient == keys,
        rules=answer.rules,
        picks=answer.lenient,
        scores=tuple(map(tuple, given.scores)),
    )


def keys_of(item: UnderstandingItem | ApplicationItem) -> list[int]:
    """Return the indices of the right options, one per question."""
    return [choices.index(label) for choices, label in item.questions]
