"""What is asked of the converter: one multiple-choice item per planned moment, without letters and without order."""

from __future__ import annotations

import dspy

_BACKGROUND = dspy.InputField(desc="the client's case background")
_EXCERPT = dspy.InputField(desc="the part of the session in which the moment was told")
_MOMENT = dspy.InputField(desc="the planned moment, as `key: value` lines")
_EXPLANATION = (
    "four to six sentences in this order: the cue, quoted from the scenario; what it means to this person, given their "
    "belief, history, or point of view; therefore {therefore}; why the nearest wrong answer is wrong; the answer"
)


class WriteUnderstandingItem(dspy.Signature):
    """Turn one moment of a therapy session into a question on emotional understanding: what is felt, and why.

    The reader of the item sees the scenario and nothing else, so it must stand alone: 40 to 90 words in the past tense,
    told in the person that the moment names, with everything that is needed to work out the feeling. What is felt shows
    in an act, a tone, a posture, or a thing left undone, as a good short story would tell it.

    The planned emotion is the correct answer: build the scenario so that a careful reader arrives there, using what the
    moment says must be held. A pair of emotions needs a cue for each.

    The wrong answers are what careful craft is spent on. Each tempts a reader who makes one of the mistakes that the
    moment lists, and for that reader it would be the natural choice: it fits part of the scenario, and one detail rules
    it out. Right and wrong answers are of one make in length, tone, and detail.
    """

    background: str = _BACKGROUND
    excerpt: str = _EXCERPT
    moment: str = _MOMENT
    emotion_names: str = dspy.InputField(desc="the emotion names that may be used; two are joined with ` & `")
    scenario: str = dspy.OutputField(desc="the scenario, 40-90 words")
    subject: str = dspy.OutputField(
        desc="whose feeling is asked for: the name, or `I` or `You` as the scenario tells it"
    )
    emotion: str = dspy.OutputField(desc="the correct emotion or pair of emotions: the planned one, to the letter")
    wrong_emotions: list[str] = dspy.OutputField(desc="five wrong emotions or pairs, all different")
    cause: str = dspy.OutputField(desc="the correct reason for the emotion, one clause of 5-16 words")
    wrong_causes: list[str] = dspy.OutputField(desc="three wrong reasons, alike in form to the correct one")
    misreadings: list[str] = dspy.OutputField(
        desc="for each wrong reason in order: what a reader who picks it does wrong, as a verb phrase"
    )
    explanation: str = dspy.OutputField(desc=_EXPLANATION.format(therefore="which emotion and which cause"))


class WriteApplicationItem(dspy.Signature):
    """Turn one moment of a therapy session into a question on emotional application: what would help most.

    The reader of the item sees the scenario and nothing else, so it must stand alone: 20 to 60 words, told in the
    person that the moment names, with the one detail that decides what the situation calls for. The reader is to find
    the need from that detail.

    The correct option meets the planned need by a concrete act or sentence of this scene; a seasoned counsellor would
    choose it here and could say why. Each wrong option is what a decent person would do who makes one of the mistakes
    that the moment lists: good in another situation, second best or harmful in this one. Right and wrong options are of
    one make in length, tone, and detail.
    """

    background: str = _BACKGROUND
    excerpt: str = _EXCERPT
    moment: str = _MOMENT
    scenario: str = dspy.OutputField(desc="the scenario, 20-60 words")
    subject: str = dspy.OutputField(
        desc="who is to act or to answer: the name, or `I` or `You` as the scenario tells it"
    )
    best: str = dspy.OutputField(desc="the most effective action or response, 8-22 words")
    wrong: list[str] = dspy.OutputField(desc="three less effective ones, alike in form to the best one")
    misreadings: list[str] = dspy.OutputField(
        desc="for each wrong option in order: what a person who picks it overlooks, as a verb phrase"
    )
    explanation: str = dspy.OutputField(desc=_EXPLANATION.format(therefore="what the situation asks for"))
