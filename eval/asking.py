"""Asking an exam's questions as a DSPy module: in writing, or by the likelihood of options or of letters.

*generate*: the model writes, and the exam reads.  *text* and *letter*: see `eval.likelihood`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import dspy
from dspy.utils.exceptions import AdapterParseError

from corpus.errors import UsageError
from eval.benchmarks import Benchmark, Question
from eval.benchmarks.official import OfficialPrompts, read_official
from eval.likelihood import LikelihoodMode, Ranker, answer_by, score_parts
from signatures.exam import hide_options
from signatures.given import AnswerAsAsked, GivenAdapter

AskMode = Literal["generate"] | LikelihoodMode
Messages = list[dict[str, str]]


class Ask(dspy.Module):
    """Asks one question; the LM comes from `dspy.context`, the ranker (text, letter) from the caller.

    Args:
        thinking: whether the model is to think in writing before it answers.
        official: the official prompts, where those are asked for instead of ours.
        model: the model's name, which the official prompt heeds.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        mode: AskMode = "generate",
        thinking: bool = False,
        official: OfficialPrompts | None = None,
        model: str = "",
        ranker: Ranker | None = None,
    ):
        super().__init__()
        self.benchmark, self.mode, self.thinking, self.ranker = benchmark, mode, thinking, ranker
        self.official, self.model = official, model
        self.adapter = GivenAdapter() if official else benchmark.adapter()
        # DSPy makes a new class at every step, in milliseconds.
        self._without_options: dict[type[dspy.Signature], type[dspy.Signature]] = {}

    def forward(self, question: Question) -> dspy.Prediction:
        """Return `Prediction(raw=str, answer=Answer)`.

        Raises:
            UsageError: the question has no options, and likelihoods are asked for.
            dspy.LMError: the model does not answer.
        """
        if self.mode != "generate":
            return self._most_likely(question, self.mode)
        signature, inputs = self._asked(question)
        with dspy.context(adapter=self.adapter):
            try:
                prediction = dspy.Predict(signature)(**inputs)
                raw = str(prediction[next(iter(signature.output_fields))])
            except AdapterParseError:  # DSPy refuses an empty answer before the adapter sees it
                raw = ""
        read = read_official if self.official else self.benchmark.read
        return dspy.Prediction(raw=raw, answer=read(raw, question))

    def show(self, question: Question) -> Messages:
        """Return the messages by which a question is asked."""
        signature, inputs = self._asked(question)
        messages: Messages = self.adapter.format(signature, [], inputs)
        return messages

    def _asked(self, question: Question) -> tuple[type[dspy.Signature], dict[str, object]]:
        if self.official:
            return AnswerAsAsked, {"messages": self.official.messages(question, self.thinking, self.model)}
        signature = self.benchmark.signature(question, self.thinking)
        if self.mode == "text":
            if signature not in self._without_options:
                hidden = [name for part in question.parts for name in (part.shown_as, part.field)]
                texts = [part.text_field for part in question.parts]
                self._without_options[signature] = hide_options(signature, hidden, texts)
            signature = self._without_options[signature]
        return signature, question.inputs_for(signature)

    def _most_likely(self, question: Question, mode: LikelihoodMode) -> dspy.Prediction:
        if not question.parts:
            raise UsageError(f"{self.benchmark.name} has no options whose likelihood could be compared; use generate")
        assert self.ranker is not None, "likelihoods need a ranker"
        answer = answer_by(score_parts(self.show(question), question.parts, mode, self.ranker))
        return dspy.Prediction(raw=json.dumps(answer.lenient), answer=answer)


def fingerprint(messages: Messages) -> str:
    """Return 12 hexadecimal digits that tell prompts apart."""
    return hashlib.sha256(json.dumps(messages, ensure_ascii=False).encode()).hexdigest()[:12]
