"""What is asked about a short story: one multiple-choice question, in English or Chinese."""

from __future__ import annotations

from functools import cache
from typing import Literal

import dspy

from signatures.exam_zh import REASONING_CHINESE


class AnswerStory(dspy.Signature):
    """Choose the answer that is most likely, given what happens in the story and what each person in it knows."""

    story: str = dspy.InputField()
    question: str = dspy.InputField()
    choices: tuple[str, ...] = dspy.InputField()
    answer: str = dspy.OutputField(desc="<letter>")


class AnswerStoryChinese(dspy.Signature):
    """根据故事中发生的事情以及每个人所知道的情况，选出最有可能的答案。"""

    story: str = dspy.InputField()
    question: str = dspy.InputField()
    choices: tuple[str, ...] = dspy.InputField()
    answer: str = dspy.OutputField(desc="<字母>")


_REASONING = dspy.OutputField(desc="<your reasoning>")


@cache
def story_signature(lang: Literal["en", "zh"], thinking: bool) -> type[dspy.Signature]:
    """Return the signature in a language: the letter at once, or after reasoning."""
    signature: type[dspy.Signature] = AnswerStoryChinese if lang == "zh" else AnswerStory
    return (
        signature.prepend("reasoning", REASONING_CHINESE if lang == "zh" else _REASONING, str)
        if thinking
        else signature
    )
