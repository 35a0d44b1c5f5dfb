"""Messages that are complete in themselves, such as the official prompt of an exam, sent through DSPy as they are."""

from __future__ import annotations

from typing import Any

import dspy

from signatures.exam_adapter import ExamAdapter


class AnswerAsAsked(dspy.Signature):
    """Answer as the messages ask."""

    messages: list[dict[str, str]] = dspy.InputField()
    answer: str = dspy.OutputField()


class GivenAdapter(ExamAdapter):
    """Sends the messages of `AnswerAsAsked` as they are; the answer is left to the examiner."""

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the messages that were given."""
        return [dict(message) for message in inputs["messages"]]
