"""Asking an exam's questions as a DSPy module: in writing, or by the likelihood of options or of letters.

*generate*: the model writes, and the exam reads.  *text*: the option whose text is likeliest; its options are not shown
(the cloze formulation of OLMES, Gu et al. 2024, arXiv 2406.08446).  *letter*: the options are shown, and the likeliest
letter counts.  Questions of one item are answered in turn, each after the answer before it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import dspy
from dspy.utils.exceptions import AdapterParseError

from corpus.errors import UsageError
from eval.answers import LIKELIHOOD
from eval.benchmarks import Answer, Benchmark, Question
from eval.benchmarks.official import OfficialPrompts, read_official
from eval.exam import Scorer
from signatures.formats import LETTERS
from signatures.given import AnswerAsAsked, GivenAdapter

AskMode = Literal["generate", "text", "letter"]
Messages = list[dict[str, str]]


class Ask(dspy.Module):
    """Asks one question; the LM comes from `dspy.context`, the scorer (text, letter) from the caller.

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
        scorer: Scorer | None = None,
    ):
        super().__init__()
        self.benchmark, self.mode, self.thinking, self.scorer = benchmark, mode, thinking, scorer
        self.official, self.model = official, model
        self.adapter = GivenAdapter() if official else benchmark.adapter()

    def forward(self, question: Question) -> dspy.Prediction:
        """Return `Prediction(raw=str, answer=Answer)`.

        Raises:
            UsageError: the question has no options, and likelihoods are asked for.
            dspy.LMError: the model does not answer.
        """
        if self.mode != "generate":
            return self._most_likely(question)
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
            for name in [part.shown_as for part in question.parts] + [part.field for part in question.parts]:
                signature = signature.delete(name)
            for part in reversed(question.parts):
                field = dspy.OutputField(desc="<the option's text>")
                signature = signature.append(part.text_field, field, str)
        return signature, question.inputs_for(signature)

    def _most_likely(self, question: Question) -> dspy.Prediction:
        if not question.parts:
            raise UsageError(f"{self.benchmark.name} has no options whose likelihood could be compared; use generate")
        assert self.scorer is not None, "likelihoods need a scorer"
        messages, written, picks = self.show(question), "{", []
        for part in question.parts:
            if self.mode == "letter":
                answers = [f'"{part.field}": "{letter}"' for letter in LETTERS[: len(part.choices)]]
            else:
                answers = [f'"{part.text_field}": {json.dumps(choice, ensure_ascii=False)}' for choice in part.choices]
            # Sentences of different length are compared per token; labels of a word or two in total, since per token a
            # pair would profit from its second half, which the first half makes likely.
            per_token = self.mode == "text" and part.text_field != "emotion"
            scores = self.scorer.score(messages, [written + answer for answer in answers], per_token)
            picks.append(max(range(len(scores)), key=scores.__getitem__))
            written += answers[picks[-1]] + ", "
        found = tuple(picks)
        return dspy.Prediction(raw=json.dumps(picks), answer=Answer(found, found, (LIKELIHOOD,) * len(found)))


def fingerprint(messages: Messages) -> str:
    """Return 12 hexadecimal digits that tell prompts apart."""
    return hashlib.sha256(json.dumps(messages, ensure_ascii=False).encode()).hexdigest()[:12]
