"""What is asked of a blind reader: to answer an item without its key, and to guess it without its scenario.

The fields are those of the exam (exam.py), with reasoning before the answer, and with a letter before each option, so
that nobody has to count.  How many answers are wanted and what they decide is in programs/verify/.
"""

from __future__ import annotations

import dspy

_SCENARIO = dspy.InputField(desc="all that is told")
_ASKED = dspy.InputField(desc="what is asked")
_ASKED_NEXT = dspy.InputField(desc="what is asked next, of the feeling chosen in question 1")
_EMOTIONS = dspy.InputField(desc="the options of question 1, a letter before each")
_CAUSES = dspy.InputField(desc="the options of question 2, a letter before each")
_OPTIONS = dspy.InputField(desc="the options, a letter before each")
_CLUES = dspy.OutputField(desc="which options the wording alone makes likelier or less likely, and why")
_LETTER = "the letter of the option that you choose{}, and nothing else"


class SolveUnderstanding(dspy.Signature):
    """Work out what a person feels in the end, and why, from the scenario alone.

    Read it twice: for what happens, and for what it means to this person, given what they want, expect, hold dear, and
    know by then. They may know less than you do, believe something false, or come from where a thing means something
    else; it is their feeling that is asked for. Watch for the turn: what is felt in the end may differ from what was
    felt at first.

    Name the detail that decides, and hold the two options that tempt you most against it. A pair of emotions is right
    only when the scenario gives a sign of each; where it gives signs of two, one alone is half the answer. The cause is
    the reason for the emotion that you chose, found in what is told; a statement may be true of the scenario and still
    not be the reason. If several options remain, take the one that explains the most of what is told.
    """

    scenario: str = _SCENARIO
    question_1: str = _ASKED
    emotion_choices: str = _EMOTIONS
    question_2: str = _ASKED_NEXT
    cause_choices: str = _CAUSES
    reasoning: str = dspy.OutputField(desc="the detail that decides, and what it rules out, in two to five sentences")
    answer_q1: str = dspy.OutputField(desc=_LETTER.format(" for question 1"))
    answer_q2: str = dspy.OutputField(desc=_LETTER.format(" for question 2"))


class SolveApplication(dspy.Signature):
    """Work out what would help most in this situation, from the scenario alone.

    Ask first what the situation calls for: comfort or a plan, company or room, a plain word or silence, an apology or a
    boundary. One detail decides it, and it is in the text: what the other person has just done or said, what they can
    bear now, what was tried before. Then hold each option against that detail. What is kind in general may be the wrong
    kindness here, what is honest may come too early, and what is wise may leave a person alone.

    Choose what would do the most good to the people of this scene, soon and in the long run, and not what sounds
    warmest or most thorough. If two options remain, take the one that answers the detail that decides.
    """

    scenario: str = _SCENARIO
    question: str = _ASKED
    choices: str = _OPTIONS
    reasoning: str = dspy.OutputField(desc="what the situation calls for and by which detail, in two to five sentences")
    answer: str = dspy.OutputField(desc=_LETTER.format(""))


class GuessUnderstanding(dspy.Signature):
    """Guess the answers to two questions about a scenario that is being withheld from you.

    A sound question cannot be answered without its text, and you are to find out whether this one can. Look at the
    options as a shrewd candidate would who has read nothing: which emotion and which cause fit each other and no other;
    which option is longer, more careful, or more exact than the rest; which ones nobody would write as the truth; which
    statement would be true of almost anything. Then choose, also where nothing tells: a guess is wanted, not a refusal.
    """

    question_1: str = _ASKED
    emotion_choices: str = _EMOTIONS
    question_2: str = _ASKED_NEXT
    cause_choices: str = _CAUSES
    reasoning: str = _CLUES
    answer_q1: str = dspy.OutputField(desc=_LETTER.format(" for question 1"))
    answer_q2: str = dspy.OutputField(desc=_LETTER.format(" for question 2"))


class GuessApplication(dspy.Signature):
    """Guess what would help most in a situation that is being withheld from you.

    A sound question cannot be answered without its text, and you are to find out whether this one can. Look at the
    options as a shrewd candidate would who has read nothing: which one is longer, warmer, or more exact than the rest;
    which ones a test would never call right; which one would do some good almost anywhere. Then choose, also where
    nothing tells: a guess is wanted, not a refusal.
    """

    question: str = _ASKED
    choices: str = _OPTIONS
    reasoning: str = _CLUES
    answer: str = dspy.OutputField(desc=_LETTER.format(""))
