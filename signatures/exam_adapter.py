"""The compact exam format as a DSPy adapter: scenario, question, lettered options, a JSON answer.

Training rows and exam prompts are both rendered here, so a tuned model is examined in the format it learned.
Everything is one user message, because some chat templates (Gemma's) have no system role.
"""

from __future__ import annotations

import json
from typing import Any

import dspy

from signatures.formats import LETTERS


class ExamAdapter(dspy.ChatAdapter):
    """Renders the exam signatures; leaves the reading of answers to the examiner, who gets the whole text.

    Only of a chat adapter does DSPy know that its training data are chats; nothing else is taken over from it.
    """

    def __init__(self) -> None:
        super().__init__(use_json_adapter_fallback=False)

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the messages of one question, after the demonstrations."""
        messages = []
        for demo in demos:
            messages.append({"role": "user", "content": render_question(signature, demo)})
            answer = {name: str(demo[name]) for name in signature.output_fields}
            messages.append({"role": "assistant", "content": render_answer(answer)})
        return [*messages, {"role": "user", "content": render_question(signature, inputs)}]

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Give every output field the whole text; never fails, because an unreadable answer is a result too."""
        return dict.fromkeys(signature.output_fields, completion)

    def format_finetune_data(
        self,
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
        outputs: dict[str, Any],
    ) -> dict[str, list[Any]]:
        """Return ``{"messages": […]}``, the prompt of the exam and the answer, for `BootstrapFinetune`.

        ``outputs`` are fields that were read, or hold the whole answer each, as `parse` leaves them.
        """
        fields = [str(outputs[name]) for name in signature.output_fields]
        written = fields[0] if _is_answer(fields[0], signature) else None
        answer = written or render_answer(dict(zip(signature.output_fields, fields, strict=True)))
        return {"messages": [*self.format(signature, demos, inputs), {"role": "assistant", "content": answer}]}


def render_question(signature: type[dspy.Signature], inputs: dict[str, Any]) -> str:
    """Render instructions, input fields, and the form of the answer as one user message."""
    lines = [signature.instructions.strip(), ""]
    for name in signature.input_fields:
        value = inputs[name]
        if isinstance(value, str):
            lines.append(f"{name.split('_')[0].capitalize()}: {value}")
        else:
            lines += [f"{letter}) {choice}" for letter, choice in zip(LETTERS, value, strict=False)]
    wanted = {name: str(f.json_schema_extra["desc"]) for name, f in signature.output_fields.items()}
    return "\n".join([*lines, "", f"Answer: {render_answer(wanted)}"])


def render_answer(answer: dict[str, str]) -> str:
    """Render an answer as one line of JSON."""
    return json.dumps(answer, ensure_ascii=False)


def _is_answer(text: str, signature: type[dspy.Signature]) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or nested too deep
        return False
    return isinstance(found, dict) and found.keys() == signature.output_fields.keys()
