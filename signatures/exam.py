"""What is asked in an exam, as EmoBench asks it: one question on application, two on understanding.

`exam_signature` gives the signature of a task in one of the answer formats.  The fields of an answer come in the
order in which a model writes them, so a field before the letter is thinking that the letter can rest on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import dspy

from corpus.records import ApplicationItem, Task, UnderstandingItem
from signatures.formats import LETTERS, AnswerFormat


class AnswerApplication(dspy.Signature):
    """Choose the option that would help most in this situation."""

    scenario: str = dspy.InputField()
    question: str = dspy.InputField()
    choices: tuple[str, ...] = dspy.InputField()
    answer: str = dspy.OutputField(desc="<letter>")


class AnswerUnderstanding(dspy.Signature):
    """Choose what the person feels in the end, and why."""

    scenario: str = dspy.InputField()
    question_1: str = dspy.InputField()
    emotion_choices: tuple[str, ...] = dspy.InputField()
    question_2: str = dspy.InputField()
    cause_choices: tuple[str, ...] = dspy.InputField()
    answer_q1: str = dspy.OutputField(desc="<letter>")
    answer_q2: str = dspy.OutputField(desc="<letter>")


_REASONING = dspy.OutputField(desc="<your reasoning>")
_OPTION = dspy.OutputField(desc="<the option's text>")
_TEXT_FIELDS: dict[Task, tuple[str, ...]] = {"EA": ("option",), "EU": ("emotion", "cause")}
_LETTER_FIELDS: dict[Task, tuple[str, ...]] = {"EA": ("answer",), "EU": ("answer_q1", "answer_q2")}
_CHOICE_FIELDS: dict[Task, tuple[str, ...]] = {"EA": ("choices",), "EU": ("emotion_choices", "cause_choices")}


@cache  # DSPy makes a new class at every step, in milliseconds; an exam and its training rows ask for it at every item
def exam_signature(task: Task, answer_format: AnswerFormat) -> type[dspy.Signature]:
    """Return the signature of a task: the letter alone, after reasoning, after the option's text, or no options."""
    signature: type[dspy.Signature] = AnswerUnderstanding if task == "EU" else AnswerApplication
    if answer_format == "reasoned":
        signature = signature.prepend("reasoning", _REASONING, str)
    if answer_format == "option":
        for name in reversed(_TEXT_FIELDS[task]):
            signature = signature.prepend(name, _OPTION, str)
    if answer_format == "open":
        return hide_options(signature, (*_CHOICE_FIELDS[task], *_LETTER_FIELDS[task]), _TEXT_FIELDS[task])
    return signature


def hide_options(signature: type[dspy.Signature], hidden: Sequence[str], texts: Sequence[str]) -> type[dspy.Signature]:
    """Return a multiple-choice question without its options, to be answered by the text of one.

    Args:
        hidden: the fields that show options and name letters; texts: those that hold texts instead, in writing order.
    """
    for name in hidden:
        signature = signature.delete(name)
    for name in texts:
        signature = signature.append(name, _OPTION, str)
    return signature


# A scenario may be told by its subject, or to its subject.
_DO = {"I": "do I", "You": "do you", "you": "do you"}
_OBJECTS = {"I": "me", "You": "you"}
ADDRESSED = tuple(dict.fromkeys((*_DO, *_OBJECTS)))  # the subjects that a question does not simply name


def exam_inputs(item: UnderstandingItem | ApplicationItem) -> dict[str, object]:
    """Return the input fields of an item; a format that shows no options leaves the choices unused."""
    if isinstance(item, UnderstandingItem):
        who = _DO.get(item.subject, f"does {item.subject}")
        return {
            "scenario": item.scenario,
            "question_1": f"Which emotion or emotions {who} feel in the end?",
            "emotion_choices": item.emotion_choices,
            "question_2": f"Why {who} feel that way?",
            "cause_choices": item.cause_choices,
        }
    kind = "thing to do" if item.question_type == "Action" else "thing to say"
    return {
        "scenario": item.scenario,
        "question": f"What is the most helpful {kind} for {_OBJECTS.get(item.subject, item.subject)}?",
        "choices": item.choices,
    }


def exam_answer(item: UnderstandingItem | ApplicationItem, answer_format: AnswerFormat) -> dict[str, str]:
    """Return the correct answer in a format, fields in writing order: what a training row completes to."""
    if isinstance(item, UnderstandingItem):
        known = {
            "emotion": item.emotion_label,
            "cause": item.cause_label,
            "answer_q1": letter_of(item.emotion_label, item.emotion_choices),
            "answer_q2": letter_of(item.cause_label, item.cause_choices),
        }
    else:
        known = {"option": item.label, "answer": letter_of(item.label, item.choices)}
    known["reasoning"] = item.explanation
    return {name: known[name] for name in exam_signature(item.task, answer_format).output_fields}


def letter_of(label: str, choices: tuple[str, ...]) -> str:
    """Return the letter under which ``label`` stands; ValueError if it is not among the choices."""
    return LETTERS[choices.index(label)]
