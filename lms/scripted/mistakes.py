"""The named mistakes of the scripted teacher, and what makes it stop.

Like a weak model it errs at set rates, so that checks, filters, judges, and optimizers have something real to find.
It takes no hints: a mistake drops to its floor when a sentence of the instructions is a *rule* (never, avoid, must,
always …) that speaks of the matter; each demonstration, when all are free of it, quarters the rate.  A complaint is
always heeded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from corpus.seeds import rng_for
from lms.scripted.faults import SPOTS
from lms.scripted.names import Mistake
from lms.scripted.prompt import Prompt

FLOOR = 0.002  # share of answers that keep a mistake which the prompt addresses
DEMO_FACTOR = 0.25  # each clean demonstration divides the rate by four, down to the floor


@dataclass(frozen=True)
class Kind:
    """A mistake: what it is, how often it is made, what a rule about it speaks of, and a rule that addresses it."""

    about: str
    rate: float
    topics: tuple[str, ...]
    rule: str


_NOT = r"\b(?:never|avoid|not|don't|without|no)\b"
_OPTION = r"option|choice|distractor|answer|cause|reason\b|wrong"
KINDS: dict[Mistake, Kind] = {
    "names_emotion": Kind(
        "the scenario says what is felt", 0.06,
        (r"\b(?:name|naming|mention|stat(?:e|ing)|label|word|say|tell)", r"emotion|feel|felt", _NOT),
        "Never name the emotion in the scenario; show it by an act, a tone, or a posture.",
    ),
    "near_synonym": Kind(
        "a wrong emotion means nearly the same as the right one", 0.04,
        (r"synonym|nearly the same|(?:close|similar|distinct|differ\w*) in meaning|means? the same|interchangeabl",
         r"emotion"),
        "Never use a near-synonym of the right emotion as a wrong emotion.",
    ),
    "twin_distractor": Kind(
        "a wrong cause or option is the right one in other words", 0.05,
        (r"paraphras|in other words|reword|restat|also (?:be )?(?:right|correct|true)|two (?:right|correct)"
         r"|only one|equivalent|same meaning", _OPTION),
        "A wrong answer must not be the right one in other words.",
    ),
    "long_key": Kind(
        "the right cause or option is much longer than the wrong ones", 0.04,
        (r"length|\blong|short|(?:more|fewer|many|same number of) words",
         r"right|correct|key|best|options|answers|choices"),
        "The right answer must have the length of the wrong ones.",
    ),
    "absurd_distractor": Kind(
        "a wrong cause or option is absurd, so that nobody would choose it", 0.04,
        (r"absurd|silly|ridiculous|implausible|plausible|far.?fetched|obviously wrong", _OPTION),
        "Every wrong answer must be plausible; avoid absurd ones.",
    ),
    "generic_explanation": Kind(
        "the explanation cites no cue and could stand under any item", 0.05,
        (r"explanation|reasoning|rationale", r"quot|cite|ground|specific|concrete|generic|evidence|refer|\bcue"),
        "The explanation must quote the cue from the scenario.",
    ),
    "contradicts_key": Kind(
        "the explanation ends at another answer than the right one", 0.03,
        (r"explanation|reasoning|rationale",
         r"\bends?\b|conclu|contradict|agree|arriv|lead to|support|argue|match|consistent"),
        "The explanation must end at the right answer and never contradict it.",
    ),
    "foreign_fact": Kind(
        "the explanation brings in a fact that the scenario does not hold", 0.04,
        (r"explanation|reasoning|rationale",
         r"invent|outside|bring in|bring anything|\badd|introduc"
         r"|not (?:in|mentioned|stated|told|given)|rely|only on|beyond|made.?up"),
        "The explanation must not bring in anything that is not in the scenario.",
    ),
    "names_feeling": Kind(
        "the client labels the feeling instead of telling the scene", 0.06,
        (r"\b(?:name|naming|mention|stat(?:e|ing)|label|word|say|tell)", r"emotion|feel|felt", _NOT),
        "The client must not label the feeling; it shows in the scene.",
    ),
    "speaks_for_both": Kind(
        "the message goes on with a line of the other speaker", 0.02,
        (r"therapist|speaker|other person|both",
         r"speak|\blines?\b|role|tag|words|voice|write|repl(?:y|ies)|answer for"),
        "Never write the therapist's line; speak for the client alone.",
    ),
    "repeats_turn": Kind(
        "the message was said before in the session", 0.04,
        (r"repeat|again|twice|verbatim|duplicat|same (?:question|words)", r"question|turn|message|word|said|say|ask"),
        "Never repeat a question or a turn that was there before.",
    ),
    "closed_question": Kind(
        "the question can be answered with yes or no", 0.08,
        (r"yes.or.no|yes/no|closed|open", r"question"),
        "Always ask an open question, never one that yes or no would answer.",
    ),
    "early_advice": Kind(
        "the message gives advice where the client is still telling", 0.05,
        (r"advi[cs]e|solution|suggest|recommend|what to do|should do",),
        "Never give advice; reflect and ask.",
    ),
    "breaks_format": Kind(
        "the last output field is missing", 0.01,
        (r"fields?|format|structure", r"all|every|each|complete|exact|missing|omit|leave out|required"),
        "You must write every output field in the exact format.",
    ),
}  # fmt: skip
DEFAULT_RATES: dict[Mistake, float] = {name: kind.rate for name, kind in KINDS.items()}

_RULE = re.compile(
    r"\b(?:never|avoid|must|always|do not|don't|may not|should(?! the\b)|ensure|make sure"
    r"|no\b(?! hurry)|cannot|forbidden)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n\s*\n|\n\s*(?=[-*\d])")


class Mistakes:
    """Decides, by seed and prompt, whether a mistake is made in a call.

    Args:
        rates: rate of each mistake; one that is not named is never made.
    """

    def __init__(self, rates: dict[Mistake, float]):
        self.rates = rates

    def makes(self, mistake: Mistake, prompt: Prompt) -> bool:
        """Return True when ``mistake`` is made in answer to ``prompt``."""
        rate = self.rates.get(mistake, 0.0)
        if not rate or "complaint" in prompt.inputs:
            return False
        return rng_for(mistake, prompt.seed, *prompt.inputs.values()).random() < effective_rate(mistake, rate, prompt)


def effective_rate(mistake: Mistake, rate: float, prompt: Prompt) -> float:
    """Return the rate that is left of ``rate`` once the prompt's rules and demonstrations are heeded."""
    if mistake in heeded(prompt.instructions):
        return min(rate, FLOOR)
    if demos := prompt.demonstrations():
        if mistake == "breaks_format":
            shown = any(set(prompt.outputs) - set(outputs) for _, outputs in demos)
        else:
            shown = any(SPOTS[mistake](given, outputs) for given, outputs in demos)
        if not shown:
            return max(min(rate, FLOOR), rate * DEMO_FACTOR ** len(demos))
    return rate


@lru_cache(maxsize=512)
def heeded(instructions: str) -> frozenset[Mistake]:
    """Return the mistakes that a text of instructions addresses by a rule."""
    rules = [sentence for sentence in _SENTENCE.split(instructions) if _RULE.search(sentence)]
    return frozenset(
        name
        for name, kind in KINDS.items()
        if any(all(re.search(topic, rule, re.IGNORECASE) for topic in kind.topics) for rule in rules)
    )
