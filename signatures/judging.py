"""What is asked of a judge: which faults of a rubric an item, or a message of a session, shows.

A rubric is a list of ``name: what is wrong`` lines, so that one ask serves any set of faults.
"""

from __future__ import annotations

import dspy

ITEM_FAULTS = {
    "names_emotion": "the scenario says what is felt, instead of showing it",
    "near_synonym": "a wrong emotion means nearly the same as the right one",
    "twin_distractor": "a wrong cause or option says the same as the right one in other words",
    "long_key": "the right cause or option is much longer than the wrong ones",
    "absurd_distractor": "a wrong cause or option is absurd, so that nobody would choose it",
    "generic_explanation": "the explanation cites no cue and could stand under any item",
    "contradicts_key": "the explanation ends at another answer than the right one",
    "foreign_fact": "the explanation brings in a fact that the scenario does not hold",
}
CLIENT_FAULTS = {
    "names_feeling": "the client labels the feeling instead of telling the scene",
    "speaks_for_both": "the message goes on with a line of the other speaker",
}
THERAPIST_FAULTS = {
    "repeats_turn": "the message was said before in the session",
    "closed_question": "the question can be answered with yes or no",
    "early_advice": "the message gives advice where the client is still telling",
}

_RUBRIC = dspy.InputField(desc="the faults to look for, as `name: what is wrong` lines")
_REMARKS = dspy.OutputField(desc="what you found, with the words that show it; then, whether it amounts to a fault")
_FAULTS = dspy.OutputField(desc="the names of the faults that are there; an empty list when there is none")


class ReviewUnderstandingItem(dspy.Signature):
    """Review a question on emotional understanding as a strict editor of a test would.

    Go through the rubric one fault at a time and look for it in the words of the item. Give your remarks before your
    judgement. A fault is there when you could show it to the author; a matter of taste is none.
    """

    scenario: str = dspy.InputField()
    subject: str = dspy.InputField(desc="whose feeling is asked for")
    emotion: str = dspy.InputField(desc="the right emotion")
    wrong_emotions: list[str] = dspy.InputField()
    cause: str = dspy.InputField(desc="the right cause")
    wrong_causes: list[str] = dspy.InputField()
    explanation: str = dspy.InputField()
    rubric: str = _RUBRIC
    remarks: str = _REMARKS
    faults: list[str] = _FAULTS


class ReviewApplicationItem(dspy.Signature):
    """Review a question on what would help most as a strict editor of a test would.

    Go through the rubric one fault at a time and look for it in the words of the item. Give your remarks before your
    judgement. A fault is there when you could show it to the author; a matter of taste is none.
    """

    scenario: str = dspy.InputField()
    subject: str = dspy.InputField(desc="who is to act or to answer")
    best: str = dspy.InputField(desc="the right option")
    wrong: list[str] = dspy.InputField()
    explanation: str = dspy.InputField()
    rubric: str = _RUBRIC
    remarks: str = _REMARKS
    faults: list[str] = _FAULTS


class ReviewMessage(dspy.Signature):
    """Review one message of a therapy session as a supervisor would who reads the transcript.

    Go through the rubric one fault at a time. Give your remarks before your judgement. A fault is there when you could
    quote the words that show it.
    """

    speaker: str = dspy.InputField(desc="CLIENT or THERAPIST")
    recent_turns: str = dspy.InputField(desc="the turns before the message")
    message: str = dspy.InputField()
    rubric: str = _RUBRIC
    remarks: str = _REMARKS
    faults: list[str] = _FAULTS
