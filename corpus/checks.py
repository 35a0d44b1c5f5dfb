"""What a draft must satisfy by rule.  Each check returns an empty string, or the short reason that is counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from corpus.config import CurateConfig
from corpus.records import ApplicationDraft, UnderstandingDraft
from corpus.taxonomy import find_emotion_words, load_taxonomy, split_label

Check = Callable[[UnderstandingDraft | ApplicationDraft, CurateConfig], str]
TWIN_SIMILARITY = 82.0  # token-sort similarity from which two choices say the same
MIN_SUPPORT = 4  # words of four letters or more that explanation and scenario must share
_NARRATORS = {"I": "I|me|my|My|myself", "You": "[Yy]ou|[Yy]our|yourself"}
_WORD = re.compile(r"[^\W\d_]{4,}")


def check_label(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """Labels are known emotions, and the key is not among the wrong answers."""
    if isinstance(draft, ApplicationDraft):
        return "label among the wrong choices" if draft.best in draft.wrong else ""
    known = load_taxonomy().emotions
    for label in (draft.emotion, *draft.wrong_emotions):
        if any(name not in known for name in split_label(label)):
            return "emotion not in the taxonomy"
    if any(set(split_label(draft.emotion)) == set(split_label(wrong)) for wrong in draft.wrong_emotions):
        return "label among the wrong choices"
    return "label among the wrong choices" if draft.cause in draft.wrong_causes else ""


def check_leak(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """An EU scenario names no emotion."""
    if isinstance(draft, UnderstandingDraft) and find_emotion_words(draft.scenario):
        return "scenario names an emotion"
    return ""


def check_length(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """Scenarios keep within the recipe's word bounds."""
    low, high = config.eu_words if isinstance(draft, UnderstandingDraft) else config.ea_words
    return "" if low <= len(draft.scenario.split()) <= high else "scenario length"


def check_subject(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """The person asked about occurs in the scenario; a narrator and the one addressed also as me, my, your."""
    words = _NARRATORS.get(draft.subject, re.escape(draft.subject))
    named = draft.subject and re.search(rf"(?<!\w)(?:{words})(?!\w)", draft.scenario)
    return "" if named else "subject not in the scenario"


def check_choices(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """No two choices say the same in other words, or the item would have two keys."""
    if isinstance(draft, UnderstandingDraft):
        emotions = {frozenset(split_label(label)) for label in (draft.emotion, *draft.wrong_emotions)}
        if len(emotions) <= len(draft.wrong_emotions):
            return "choices alike"
        choices = (draft.cause, *draft.wrong_causes)
    else:
        choices = (draft.best, *draft.wrong)
    plain = [default_process(choice) for choice in choices]  # lower case, no punctuation
    alike = any(fuzz.token_sort_ratio(a, b) >= TWIN_SIMILARITY for a, b in combinations(plain, 2))
    return "choices alike" if alike else ""


def check_explanation(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """The explanation rests on the scenario: it shares content words with it."""
    shared = set(_WORD.findall(draft.explanation.lower())) & set(_WORD.findall(draft.scenario.lower()))
    return "" if len(shared) >= MIN_SUPPORT else "explanation not grounded"


CHECKS: tuple[Check, ...] = (
    check_label,
    check_leak,
    check_length,
    check_subject,
    check_choices,
    check_explanation,
)


def find_fault(draft: UnderstandingDraft | ApplicationDraft, config: CurateConfig) -> str:
    """Return the reason of the first check that a draft fails, or an empty string."""
    return next((reason for check in CHECKS if (reason := check(draft, config))), "")
