"""What an item must satisfy by rule.  Each check returns an empty string, or the short reason that is counted.

The rules are sparing: what they cannot decide safely is left to the judge.  They follow the item-writing guidelines of
Haladyna, Downing and Rodriguez (Applied Measurement in Education 15, 2002): one best answer, options of one make and
length, no clue to the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import combinations
from statistics import median

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from corpus.checks.naming import find_named_emotions
from corpus.config import CurateConfig
from corpus.records import ApplicationDraft, ApplicationItem, Draft, UnderstandingDraft, UnderstandingItem
from corpus.taxonomy import are_synonyms, load_taxonomy, split_label

Check = Callable[[Draft, CurateConfig], str]
WRONG_EMOTIONS, WRONG_CHOICES = 5, 3  # EmoBench's six emotions, four causes, four options
TWIN_SIMILARITY = 82.0  # token-sort similarity from which two choices say the same
MARGIN = 4  # words by which a key may exceed the median option in any case
_NARRATORS = {"I": "I|me|my|My|myself", "You": "[Yy]ou|[Yy]our|yourself"}
_QUOTATION = re.compile(r"^\s*[\"“][^\"“”]*[\"”][.]?\s*$")
_SPEAKS = re.compile(
    r"[\"“‘:]|\b(?:acknowledg|add|admi|advi|agree|answer|apologi|appreciat|ask|assur|call|comfort|compliment|confess"
    r"|confront|congratulat|consol|describ|disagree|encourag|explain|express|invit|insist|joke|mention|messag|offer|phon"
    r"|point|prais|promis|propos|reassur|remind|repl|respond|sa[iy]|shar|speak|spoke|suggest|talk|tease|tell|text|thank"
    r"|told|urg|warn|whisper|wish|word|writ|wrote)\w*",
    re.IGNORECASE,
)


def check_fields(draft: Draft, config: CurateConfig) -> str:
    """Nothing is empty, and there are as many choices as EmoBench has."""
    texts: tuple[str, ...] = (draft.scenario, draft.subject, draft.explanation)
    if isinstance(draft, UnderstandingDraft):
        texts += (draft.emotion, *draft.wrong_emotions, draft.cause, *draft.wrong_causes)
        counts = len(draft.wrong_emotions) == WRONG_EMOTIONS and len(draft.wrong_causes) == WRONG_CHOICES
    else:
        texts += (draft.best, *draft.wrong)
        counts = len(draft.wrong) == WRONG_CHOICES
    if not all(text.strip() for text in texts):
        return "empty field"
    return "" if counts else "number of choices"


def check_label(draft: Draft, config: CurateConfig) -> str:
    """Categories and labels are known, and the key is not among the wrong answers."""
    taxonomy = load_taxonomy()
    if isinstance(draft, ApplicationDraft):
        if draft.category not in taxonomy.ea.categories:
            return "category not in the taxonomy"
        return "label among the wrong choices" if draft.best in draft.wrong else ""
    if draft.finegrained_category not in taxonomy.eu.get(draft.coarse_category, {}):
        return "category not in the taxonomy"
    for label in (draft.emotion, *draft.wrong_emotions):
        if any(name not in taxonomy.emotions for name in split_label(label)):
            return "emotion not in the taxonomy"
    if any(set(split_label(draft.emotion)) == set(split_label(wrong)) for wrong in draft.wrong_emotions):
        return "label among the wrong choices"
    return "label among the wrong choices" if draft.cause in draft.wrong_causes else ""


def check_leak(draft: Draft, config: CurateConfig) -> str:
    """An EU scenario names no emotion."""
    if isinstance(draft, ApplicationDraft):
        return ""
    names = (draft.subject, *(person.name for person in draft.people))
    return "scenario names an emotion" if find_named_emotions(draft.scenario, draft.emotion, names) else ""


def check_length(draft: Draft, config: CurateConfig) -> str:
    """Scenarios keep within the recipe's word bounds."""
    low, high = config.eu_words if isinstance(draft, UnderstandingDraft) else config.ea_words
    return "" if low <= len(draft.scenario.split()) <= high else "scenario length"


def check_subject(draft: Draft, config: CurateConfig) -> str:
    """The person asked about occurs in the scenario; a narrator and the one addressed also as me, my, your."""
    words = _NARRATORS.get(draft.subject, re.escape(draft.subject))
    return "" if re.search(rf"(?<!\w)(?:{words})(?!\w)", draft.scenario) else "subject not in the scenario"


def check_choices(draft: Draft, config: CurateConfig) -> str:
    """No two choices say the same in other words, or the item would have two keys."""
    if isinstance(draft, UnderstandingDraft):
        emotions = {frozenset(split_label(label)) for label in (draft.emotion, *draft.wrong_emotions)}
        if len(emotions) <= len(draft.wrong_emotions):
            return "choices alike"
    key, wrong = _long_choices(draft)
    processed = [default_process(choice) for choice in (key, *wrong)]  # lower case, no punctuation
    alike = any(fuzz.token_sort_ratio(a, b) >= TWIN_SIMILARITY for a, b in combinations(processed, 2))
    return "choices alike" if alike else ""


def check_synonyms(draft: Draft, config: CurateConfig) -> str:
    """No wrong emotion means nearly the same as the key, or the item would have two keys."""
    if isinstance(draft, ApplicationDraft):
        return ""
    near = any(are_synonyms(draft.emotion, wrong) for wrong in draft.wrong_emotions)
    return "near-synonym of the key" if near else ""


def check_key_length(draft: Draft, config: CurateConfig) -> str:
    """The key is not much longer than the median choice: longest-is-right is the oldest clue to a key."""
    key, wrong = _long_choices(draft)
    words = len(key.split())
    middle = median([words, *(len(choice.split()) for choice in wrong)])
    return "key much longer" if words > config.key_length * middle and words - middle > MARGIN else ""


def check_question_type(draft: Draft, config: CurateConfig) -> str:
    """Options are of the kind that is asked for, as far as a rule can tell when all four are of another.

    Of an Action: not one act, but four quotations.  Of a Response: four times the subject is told to do something, and
    no word of it is about speaking.
    """
    if isinstance(draft, UnderstandingDraft):
        return ""
    options = (draft.best, *draft.wrong)
    if draft.question_type == "Action":
        unfit = all(_QUOTATION.match(option) for option in options)
    else:
        unfit = all(option.startswith(f"{draft.subject} ") and not _SPEAKS.search(option) for option in options)
    return "choices do not fit the question" if unfit else ""


ITEM_CHECKS: tuple[Check, ...] = (  # of drafts that pass `check_fields`
    check_label,
    check_leak,
    check_length,
    check_subject,
    check_choices,
    check_synonyms,
    check_key_length,
    check_question_type,
)


def longest_key_share(records: Iterable[Draft | UnderstandingItem | ApplicationItem]) -> float:
    """Return the share of drafts or items whose right cause or option is the longest choice, in words.

    A key that shares the greatest length counts as its part of those that do, so that 0.25 is chance.

    Raises:
        ZeroDivisionError: without records.
    """
    shares = []
    for record in records:
        key, wrong = _long_choices(record)
        lengths = [len(choice.split()) for choice in (key, *wrong)]
        shares.append((lengths[0] == max(lengths)) / lengths.count(max(lengths)))
    return sum(shares) / len(shares)


def _long_choices(record: Draft | UnderstandingItem | ApplicationItem) -> tuple[str, tuple[str, ...]]:
    """The right cause or option, and the wrong ones."""
    if isinstance(record, UnderstandingDraft):
        return record.cause, record.wrong_causes
    if isinstance(record, ApplicationDraft):
        return record.best, record.wrong
    choices, label = record.questions[-1]
    return label, tuple(choice for choice in choices if choice != label)
