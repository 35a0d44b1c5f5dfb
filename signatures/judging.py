"""What is asked of a judge: faults by a rubric, scores of an explanation, a student's reasoning, and a session, and
whether a story is new.

Remarks come before the verdict in every ask, so that the verdict can rest on them.  A rubric of faults is a list of
``name: what is wrong`` lines, and one ask serves any set of faults; a rubric of scores is one typed field per question,
whose levels are described one by one, so that two judges mean the same by them.  A score of "no" is a fault.  What a
judge is asked as a blind reader is in solving.py.
"""

from __future__ import annotations

from typing import Literal

import dspy

Score = Literal["no", "partly", "yes"]
Relation = Literal["same story", "same theme", "different"]

ITEM_FAULTS = {
    "names_emotion": "the scenario says what is felt, instead of showing it",
    "near_synonym": "a wrong emotion means nearly the same as the right one",
    "twin_distractor": "a wrong cause or option says the same as the right one in other words",
    "long_key": "the right cause or option is much longer than the wrong ones",
    "absurd_distractor": "a wrong cause or option is absurd, so that nobody would choose it",
}
EXPLANATION_FAULTS = {
    "generic_explanation": "the explanation cites no cue and could stand under any item",
    "foreign_fact": "the explanation brings in a fact that the scenario does not hold",
    "contradicts_key": "the explanation ends at another answer than the right one",
    "no_rebuttal": "the explanation does not say why the nearest wrong answer fails",
}
SESSION_FAULTS = {
    "no_opening_event": "the client opens without anything that happened",
    "labels_feelings": "the client labels feelings where a scene should show them",
    "no_conflict": "nothing in the client speaks against the rest",
    "out_of_phase": "the therapist explains or advises before the client has told and understood",
    "unmoved_feeling": "the client's feeling stands at the end where it stood at the beginning",
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
# Which fault a score of "no" is.
EXPLANATION_SCORES = {
    "cites": "generic_explanation",
    "stays_within": "foreign_fact",
    "reaches_key": "contradicts_key",
    "rules_out": "no_rebuttal",
}
SESSION_SCORES = {
    "opens_with_event": "no_opening_event",
    "shows_feeling": "labels_feelings",
    "has_conflict": "no_conflict",
    "follows_phases": "out_of_phase",
    "feeling_moves": "unmoved_feeling",
}

_RUBRIC = dspy.InputField(desc="the faults to look for, as `name: what is wrong` lines")
_REMARKS = dspy.OutputField(desc="what you found, with the words that show it; then, whether it amounts to a fault")
_FAULTS = dspy.OutputField(desc="the names of the faults that are there; an empty list when there is none")


def _score(yes: str, partly: str, no: str) -> Score:
    return dspy.OutputField(desc=f"`yes`: {yes}; `partly`: {partly}; `no`: {no}")  # type: ignore[no-any-return]


class ReviewUnderstandingItem(dspy.Signature):
    """Review a question on emotional understanding as a strict editor of a test would.

    Go through the rubric one fault at a time and look for it in the words of the item. Give your remarks before your
    judgement. A fault is there when you could show it to the author; a matter of taste is none.

    A wrong answer is meant to tempt, and a careful reader may find some truth in it; it is a fault only when the
    scenario leaves no detail by which to refuse it, or when nobody at all would take it.
    """

    scenario: str = dspy.InputField(desc="all that a reader of the item is told")
    subject: str = dspy.InputField(desc="whose feeling is asked for")
    emotion: str = dspy.InputField(desc="the right emotion, or pair of emotions")
    wrong_emotions: list[str] = dspy.InputField(desc="the emotions that are counted as wrong")
    cause: str = dspy.InputField(desc="the right cause")
    wrong_causes: list[str] = dspy.InputField(desc="the causes that are counted as wrong")
    rubric: str = _RUBRIC
    remarks: str = _REMARKS
    faults: list[str] = _FAULTS


class ReviewApplicationItem(dspy.Signature):
    """Review a question on what would help most as a strict editor of a test would.

    Go through the rubric one fault at a time and look for it in the words of the item. Give your remarks before your
    judgement. A fault is there when you could show it to the author; a matter of taste is none.

    A wrong option is meant to tempt, and a decent person might take it; it is a fault only when it would help as much
    as the right one, or when nobody at all would take it.
    """

    scenario: str = dspy.InputField(desc="all that a reader of the item is told")
    subject: str = dspy.InputField(desc="who is to act or to answer")
    best: str = dspy.InputField(desc="the right option")
    wrong: list[str] = dspy.InputField(desc="the options that are counted as wrong")
    rubric: str = _RUBRIC
    remarks: str = _REMARKS
    faults: list[str] = _FAULTS


class ReviewExplanation(dspy.Signature):
    """Judge whether the explanation of a test question is an argument from its scenario.

    Somebody who chose a wrong answer will read it in order to learn what they overlooked. Hold each sentence against
    the scenario, as a strict reader would who trusts nothing else: mark where it quotes or retells the scenario, where
    it draws a conclusion, and where it claims what is written nowhere. What any reader would conclude from what is
    told, a motive or a custom's usual meaning, counts as told; a new person, event, or circumstance does not. Then see
    where the argument ends, and whether the wrong answer that tempts most has been met.

    The right answer is given and stands; whether you would have chosen it is not asked here. Neither length nor
    elegance counts. Give your remarks first, with the words that show what you found, and let the four scores follow
    from them, each on its own: an explanation may be faithful and still reach no answer.
    """

    scenario: str = dspy.InputField(desc="all that a reader of the item is told")
    question: str = dspy.InputField(desc="what the item asks")
    right_answer: str = dspy.InputField(desc="the answer that the explanation is to reach")
    wrong_answers: str = dspy.InputField(desc="one per line")
    explanation: str = dspy.InputField(desc="what is to be judged")
    remarks: str = dspy.OutputField(
        desc="sentence by sentence: what it rests on in the scenario, or that it rests on nothing; then where it ends, "
        "and which wrong answer it meets"
    )
    cites: Score = _score(
        "it quotes or retells the very detail from which the answer follows",
        "it points to that detail in general terms, or to a lesser one",
        "it names no detail of this scenario and could stand under another item",
    )
    stays_within: Score = _score(
        "all it says is told in the scenario, or any reader would conclude it from there",
        "it leans on something likely that is not told",
        "it asserts a person, an event, or a circumstance that the scenario does not hold",
    )
    reaches_key: Score = _score(
        "its steps lead to the right answer, and nothing in it speaks for another",
        "the right answer is left for the reader to draw, or one step points elsewhere",
        "it ends at another answer, or argues against the right one",
    )
    rules_out: Score = _score(
        "it says what is wrong with the nearest wrong answer",
        "it calls wrong answers wrong without a reason, or meets only one that tempts nobody",
        "it meets no wrong answer at all",
    )


class JudgeReasoning(dspy.Signature):
    """Judge the reasoning that somebody wrote down before answering a test question.

    Two things are asked, and neither is whether the answer is right: you are not told, and it does not matter here.
    Somebody may reason well from what is told and still miss the answer, or hit it by luck after reasoning about
    nothing.

    Hold each sentence against the scenario, as a strict reader would who trusts nothing else. What any reader would
    conclude from what is told, a motive or a custom's usual meaning, counts as told; a new person, event, or
    circumstance does not. A sentence that would fit any scenario rests on nothing. Then read the reasoning once more
    without the answer, say where it ends, and see whether that is what was answered.

    Neither length nor elegance counts. Give your remarks first, with the words that show what you found, and let the
    two scores follow from them, each on its own.
    """

    scenario: str = dspy.InputField(desc="all that a reader of the item is told")
    question: str = dspy.InputField(desc="what the item asks, a line per question")
    reasoning: str = dspy.InputField(desc="what is to be judged")
    answer: str = dspy.InputField(desc="what was then answered, right or wrong, a line per question")
    remarks: str = dspy.OutputField(
        desc="sentence by sentence: what it rests on in the scenario, or that it rests on nothing; then where it ends"
    )
    grounded: Score = _score(
        "it quotes or retells the detail that it argues from, and asserts nothing that is not told",
        "it argues from the scenario in general terms, or leans on something likely that is not told",
        "it could stand under another item, or asserts what the scenario does not hold",
    )
    consistent: Score = _score(
        "its steps lead to what was answered, to every line of it, and nothing in it speaks for another answer",
        "they lead to a part of what was answered, or leave it for the reader to draw",
        "it ends at another answer, at none, or argues against the one that was given",
    )


class ReviewMessage(dspy.Signature):
    """Review one message of a therapy session as a supervisor would who reads the transcript.

    Go through the rubric one fault at a time. Give your remarks before your judgement. A fault is there when you could
    quote the words that show it.
    """

    speaker: str = dspy.InputField(desc="CLIENT or THERAPIST")
    recent_turns: str = dspy.InputField(desc="the turns before the message")
    message: str = dspy.InputField(desc="what is to be reviewed")
    rubric: str = _RUBRIC
    remarks: str = _REMARKS
    faults: list[str] = _FAULTS


class JudgeSession(dspy.Signature):
    """Judge a therapy session as a whole, as a supervisor would who has the transcript and nothing else.

    Questions on emotional reasoning were written from this session, so it must hold people as they are: scenes in which
    a feeling can be seen, a mind that is of two minds, and a conversation that gets somewhere. The client is meant to
    begin with a recent event and to show feelings by what was done, said, or noticed in the body. The therapist is
    meant to work in three phases: at first to find out what happened and tell it apart from what was felt; then to
    look for the beliefs, values, customs, and memories that gave it its weight; and only then to turn to the view of
    others and to what could be done. One thing overrides the phases: where life or safety is at risk, asking about
    it and naming urgent help comes first, and that is never a fault.

    Read to the end before you judge. Judge what is on the page and leave aside whether it is well put. Give your
    remarks first and quote a line for each of the five scores; what you cannot quote is not there.
    """

    transcript: str = dspy.InputField(desc="the whole session, one `SPEAKER: text` line per turn")
    remarks: str = dspy.OutputField(desc="for each of the five scores, the line that shows it, or that there is none")
    opens_with_event: Score = _score(
        "the client's first message tells a recent event that a camera could have recorded",
        "it speaks of an event without telling it, or the event comes in the second message",
        "it holds complaints, reasons, or a summary of the trouble, and nothing that happened",
    )
    shows_feeling: Score = _score(
        "feelings show in acts, words, and bodies, from the first message on",
        "the opening shows the feeling, and later messages label one here and there",
        "the opening labels the feeling, or labels stand where scenes should",
    )
    has_conflict: Score = _score(
        "the opening holds a thought that speaks against the rest, or a wish that runs against another",
        "such a thought comes, but later or only in passing",
        "the client is of one mind throughout",
    )
    follows_phases: Score = _score(
        "the therapist's questions go from what happened to what it meant to what else could be seen or done",
        "one question or piece of advice comes out of its place",
        "several do, such as advice while the client is still telling",
    )
    feeling_moves: Score = _score(
        "the client gets from one stage of feeling to others, and a reader can say where it turned",
        "there is one small movement, or one that nothing has prepared",
        "the client says at the end what was said at the beginning",
    )


class JudgeParaphrase(dspy.Signature):
    """Decide whether two scenarios tell the same story in different words.

    One was generated for training; the other is from an exam that must not leak into it. Say in one sentence each what
    happens: who does what to whom, what is expected or believed, and how it comes out. Then compare the two sentences.

    It is the same story when a reader who knows the answer to the one would know the answer to the other because it is
    the same event, whatever the names, the place, the order of telling, and the words. It is the same theme when both
    are of one kind, such as a gift that disappoints, but the events differ in what happens or how it comes out: stories
    of one kind are many, and a common kind is no leak. Otherwise they are different. Between the same story and the
    same theme, decide by the particulars: an odd detail that both share weighs more than a plot that many share.
    """

    scenario: str = dspy.InputField(desc="the generated scenario")
    exam_scenario: str = dspy.InputField(desc="the scenario of the exam")
    remarks: str = dspy.OutputField(desc="each story in one sentence; then what they share and where they part")
    relation: Relation = dspy.OutputField(
        desc="`same story`: one is a paraphrase of the other; `same theme`: of one kind, yet other events; `different`"
    )
