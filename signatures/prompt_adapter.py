"""A prompt that is complete in itself as a DSPy adapter: the one input field is the user message."""

from __future__ import annotations

from typing import Any

import dspy

from signatures.exam_adapter import ExamAdapter


class PromptAdapter(ExamAdapter):
    """Sends the text of a signature's only input field as it is; the answer is left to the examiner."""

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the prompt as one user message, after the demonstrations."""
        (asked,), (answered,) = signature.input_fields, signature.output_fields
        messages = []
        for demo in demos:
            messages.append({"role": "user", "content": str(demo[asked])})
            messages.append({"role": "assistant", "content": str(demo[answered])})
        return [*messages, {"role": "user", "content": str(inputs[asked])}]
