"""The criterion `format`: how many answers were refused before one was accepted, and for what.

An answer may be refused because it cannot be read, or because the program's own check objects to it; either way it
cost a call, and the feedback says what to write into the prompt so that it is not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import dspy

from optimizers.quality.tally import Tally, say
from optimizers.quality.verdict import Quality, Verdict
from signatures.judging import CLIENT_FAULTS, THERAPIST_FAULTS

# Name of a complaint, as programs.asking counts it → what was wrong.
REFUSALS = {
    "unreadable answer": "the last output field was missing, or an output field was not in the form that is asked for",
    "answer cut": "the answer was too long, and its end was cut off",
    "answer filtered": "the provider withheld the answer, because it offended a rule of the provider's",
    "label changed": "the emotion that was given as right is not the planned one, to the letter",
    "unknown emotion": "a label holds a name that is not among the emotion names that may be used",
    "wrong count": "a list did not have as many entries as are asked for, none of them empty",
    "background length": "the background was much shorter or much longer than is asked for",
    "case length": "the case was much shorter or much longer than is asked for",
    "empty message": "the message says nothing",
    "too long": "the client's message had more sentences than are asked for",
    "repeated turn": THERAPIST_FAULTS["repeats_turn"],
    "speaks for both": CLIENT_FAULTS["speaks_for_both"],
    "safety not put first": "the therapist does not put safety first where the client says that life is at risk",
    "no question": "the therapist's message asks no open question at its end",
}
AsksOf = Callable[[str], tuple[str, ...]]  # role → the predictors that are asked in it


def enter_refusals(tally: Tally, attempt: dspy.Prediction, asks_of: AsksOf) -> None:
    """Enter the criterion: 1 / (1 + answers that were refused)."""
    tally.look("format")
    for complaint, count in attempt.complaints.items():
        role, _, name = complaint.partition(": ")
        # The factors of all complaints together make 1 / (1 + retries), shared out by their counts.
        factor = (1 / (1 + attempt.retries)) ** (count / attempt.retries)
        times = "an answer was" if count == 1 else f"{count} answers were"
        tally.find("format", factor, say(REFUSALS[name], f"{times} refused for this in this case"), asks_of(role))


def judge_failure(failure: str, complaints: Iterable[str] = ()) -> Quality:
    """Return the quality of an attempt that came to nothing: 0, whatever the weight of `format`.

    All predictors are told, since in a program of several steps any of them may lack what the failure shows.

    Args:
        failure: why nothing came of it.
        complaints: the keys of `Asker.costs`' complaints.
    """
    told = [say("no answer was accepted, and so the whole case is lost", failure)]
    told += [say(REFUSALS[name]) for name in dict.fromkeys(key.partition(": ")[2] for key in complaints)]
    return Quality((Verdict("format", 0.0, " ".join(told)),), 0.0)
