"""EmoBench's questions asked in Chinese: `signatures.exam` in the language of the item.

Field names stay as they are, because answers are read by them.
"""

from __future__ import annotations

from functools import cache

import dspy

from corpus.records import ApplicationItem, Task, UnderstandingItem


class AnswerApplicationChinese(dspy.Signature):
    """选出在这种情况下最有帮助的选项。"""

    scenario: str = dspy.InputField()
    question: str = dspy.InputField()
    choices: tuple[str, ...] = dspy.InputField()
    answer: str = dspy.OutputField(desc="<字母>")


class AnswerUnderstandingChinese(dspy.Signature):
    """选出当事人最终的情绪，以及产生这种情绪的原因。"""

    scenario: str = dspy.InputField()
    question_1: str = dspy.InputField()
    emotion_choices: tuple[str, ...] = dspy.InputField()
    question_2: str = dspy.InputField()
    cause_choices: tuple[str, ...] = dspy.InputField()
    answer_q1: str = dspy.OutputField(desc="<字母>")
    answer_q2: str = dspy.OutputField(desc="<字母>")


REASONING_CHINESE = dspy.OutputField(desc="<你的推理>")


@cache  # as in `signatures.exam`: DSPy makes a new class at every step
def chinese_signature(task: Task, thinking: bool) -> type[dspy.Signature]:
    """Return the signature of a task: the letters at once, or after reasoning."""
    signature: type[dspy.Signature] = AnswerUnderstandingChinese if task == "EU" else AnswerApplicationChinese
    return signature.prepend("reasoning", REASONING_CHINESE, str) if thinking else signature


def chinese_inputs(item: UnderstandingItem | ApplicationItem) -> dict[str, object]:
    """Return the input fields of an item whose texts are Chinese."""
    if isinstance(item, UnderstandingItem):
        return {
            "scenario": item.scenario,
            "question_1": f"{item.subject}最终会有什么样的情绪？",
            "emotion_choices": item.emotion_choices,
            "question_2": f"{item.subject}为什么会有这样的情绪？",
            "cause_choices": item.cause_choices,
        }
    kind = "做法" if item.question_type == "Action" else "回应"
    return {
        "scenario": item.scenario,
        "question": f"对{item.subject}来说，最有帮助的{kind}是什么？",
        "choices": item.choices,
    }
