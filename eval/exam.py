"""The exam as a DSPy module: one item in, one marked answer out, by generation or by likelihood."""

from __future__ import annotations

import json
from typing import Any, Protocol

import dspy
from dspy.utils.exceptions import AdapterParseError

from corpus.records import ApplicationItem, UnderstandingItem
from eval.config import Mode
from eval.reading import Reading, read_answer
from signatures.exam import exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter
from signatures.formats import AnswerFormat


class Scorer(Protocol):
    """Anything that can score given answers, such as `lms.in_process.engine.InProcessEngine`."""

    def score(self, messages: list[dict[str, str]], candidates: list[str], per_token: bool = True) -> list[float]:
        """Return one score per candidate, higher for the likelier: mean log-probability per token, or in total."""
        ...


class Exam(dspy.Module):
    """Examines one item; the LM comes from `dspy.context`, the scorer (likelihood mode) from the caller."""

    def __init__(self, mode: Mode, answer_format: AnswerFormat, scorer: Scorer | None = None):
        super().__init__()
        self.mode, self.answer_format, self.scorer = mode, answer_format, scorer
        self.adapter = ExamAdapter()
        self.answer_ea = dspy.Predict(exam_signature("EA", answer_format))
        self.answer_eu = dspy.Predict(exam_signature("EU", answer_format))

    def forward(self, item: UnderstandingItem | ApplicationItem) -> dspy.Prediction:
        """Return `Prediction(raw=str, readings=list[Reading], scores=list[list[float]])`, one of each per question.

        A written answer has no scores.
        """
        if self.mode == "likelihood":
            scores = self._score(item)
            picks = [_best(own) for own in scores]
            readings = [Reading(pick, pick, "likelihood") for pick in picks]
            return dspy.Prediction(raw=json.dumps(picks), readings=readings, scores=scores)
        raw = self._generate(item)
        if isinstance(item, UnderstandingItem):
            readings = [
                read_answer(raw, "answer_q1", "emotion", item.emotion_choices, alone=False),
                read_answer(raw, "answer_q2", "cause", item.cause_choices, alone=False),
            ]
        else:
            readings = [read_answer(raw, "answer", "option", item.choices, alone=True)]
        return dspy.Prediction(raw=raw, readings=readings, scores=[])

    def show(self, item: UnderstandingItem | ApplicationItem) -> list[dict[str, str]]:
        """Return the messages by which a written answer is asked for, demonstrations included."""
        predictor = self._predictor_for(item)
        messages: list[dict[str, str]] = self.adapter.format(predictor.signature, predictor.demos, exam_inputs(item))
        return messages

    def _predictor_for(self, item: UnderstandingItem | ApplicationItem) -> dspy.Predict:
        return self.answer_eu if isinstance(item, UnderstandingItem) else self.answer_ea

    def _generate(self, item: UnderstandingItem | ApplicationItem) -> str:
        predictor = self._predictor_for(item)
        with dspy.context(adapter=self.adapter):
            try:
                prediction = predictor(**exam_inputs(item))
            except AdapterParseError:  # DSPy refuses an empty answer before the adapter sees it
                return ""
        raw = str(prediction[next(iter(predictor.signature.output_fields))])
        _part(prediction, raw, predictor.signature)
        return raw

    def _score(self, item: UnderstandingItem | ApplicationItem) -> list[list[float]]:
        """Score the text of every option, per question; for EU the causes are read after the likeliest emotion.

        The options are not shown (the cloze formulation of OLMES, Gu et al. 2024, arXiv 2406.08446): small models
        know what is right long before they can point at it in a list.  Causes and options are sentences of different
        length and are compared per token; emotions are labels, and per token a pair would profit from its second
        half, which the first half makes likely.
        """
        assert self.scorer is not None, "likelihood mode needs a scorer"
        messages = self.adapter.format(exam_signature(item.task, "open"), [], exam_inputs(item))
        if isinstance(item, ApplicationItem):
            return [self.scorer.score(messages, [f'{{"option": {_quote(c)}' for c in item.choices])]
        emotions = [f'{{"emotion": {_quote(choice)}' for choice in item.emotion_choices]
        by_emotion = self.scorer.score(messages, emotions, per_token=False)
        causes = [f'{emotions[_best(by_emotion)]}, "cause": {_quote(choice)}' for choice in item.cause_choices]
        return [by_emotion, self.scorer.score(messages, causes)]


def _part(prediction: dspy.Prediction, raw: str, signature: type[dspy.Signature]) -> None:
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


def keys_of(item: UnderstandingItem | ApplicationItem) -> list[int]:
    """Return the indices of the right options, one per question."""
    return [choices.index(label) for choices, label in item.questions]


def _best(scores: list[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
