"""What is asked of the converter: one multiple-choice item per planned moment, without letters and without order."""

from __future__ import annotations

import dspy


class WriteUnderstandingItem(dspy.Signature):
    """Turn one moment of a therapy session into a question on emotional understanding: what is felt, and why.

    The reader of the item sees only the scenario, so it must stand alone: 40 to 90 words, third person, past tense,
    with everything that is needed to infer the feeling and nothing that names it or a close synonym of it.

    The planned emotion is the correct answer: write the scenario so that it is the best one, and say so only in
    `emotion`. Every wrong answer must tempt a reader who makes one particular mistake, such as taking the other
    person's feeling for the subject's, stopping before the turn of events, reading a remark literally, or choosing a
    true circumstance that is not the reason. Right and wrong answers are alike in length, tone, and detail.
    """

    background: str = dspy.InputField(desc="the client's case background")
    excerpt: str = dspy.InputField(desc="the part of the session in which the moment was told")
    moment: str = dspy.InputField(desc="the planned moment, as `key: value` lines")
    emotion_names: str = dspy.InputField(desc="the emotion names that may be used; two are joined with ` & `")
    scenario: str = dspy.OutputField(desc="the scenario, 40-90 words")
    subject: str = dspy.OutputField(desc="the name of the person whose feeling is asked for")
    emotion: str = dspy.OutputField(desc="the correct emotion or pair of emotions: the planned one, to the letter")
    wrong_emotions: list[str] = dspy.OutputField(desc="five wrong emotions or pairs, all different")
    cause: str = dspy.OutputField(desc="the correct reason for the emotion, one clause of 5-16 words")
    wrong_causes: list[str] = dspy.OutputField(desc="three wrong reasons, alike in form to the correct one")
    misreadings: list[str] = dspy.OutputField(
        desc="for each wrong reason in order: what a reader who picks it does wrong, as a verb phrase"
    )
    explanation: str = dspy.OutputField(
        desc="three to five sentences: the cue in the scenario, what it means to this person, therefore which emotion "
        "and cause, why the nearest wrong reason fails"
    )


class WriteApplicationItem(dspy.Signature):
    """Turn one moment of a therapy session into a question on emotional application: what would help most.

    The reader of the item sees only the scenario, so it must stand alone: 20 to 60 words, third person, with the one
    detail that decides what the situation calls for. Do not state the need itself.

    The correct option meets the planned need in a concrete act or sentence of this scene. Each wrong option is what a
    decent person might do who misses that detail: good in another situation, second best or harmful in this one.
    Right and wrong options are alike in length, tone, and detail; none is rude or absurd.
    """

    background: str = dspy.InputField(desc="the client's case background")
    excerpt: str = dspy.InputField(desc="the part of the session in which the moment was told")
    moment: str = dspy.InputField(desc="the planned moment, as `key: value` lines")
    scenario: str = dspy.OutputField(desc="the scenario, 20-60 words")
    subject: str = dspy.OutputField(desc="the name of the person who is to act or to answer")
    best: str = dspy.OutputField(desc="the most effective action or response, 8-22 words")
    wrong: list[str] = dspy.OutputField(desc="three less effective ones, alike in form to the best one")
    misreadings: list[str] = dspy.OutputField(
        desc="for each wrong option in order: what a person who picks it overlooks, as a verb phrase"
    )
    explanation: str = dspy.OutputField(
        desc="three to five sentences: the deciding detail in the scenario, what it asks for, therefore which option, "
        "why the nearest wrong one falls short"
    )
