"""Recognising the scripted teacher's mistakes in what was written: the truth against which filters are tested.

Each spotter takes the fields that the writer was given and the fields that it wrote.  The judge uses them (with a
stated share of errors), and so does the writer itself, to see whether a demonstration is clean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from corpus.safety import puts_safety_first
from corpus.taxonomy import find_emotion_words, load_taxonomy
from lms.scripted.recognise import recognise_answer

Fields = Mapping[str, Any]
Spot = Callable[[Mapping[str, str], Fields], bool]

LONG_BY = 7  # words by which a key exceeds every wrong answer
ABSURD = (
    "A flock of singing cupboards had flown over the roof",
    "The moon had sent a bill for the light of last night",
    "Put a bucket on your head and bark until everybody leaves",
    "Tell everyone present: \"I am the king of teapots, and you are all spoons.\"",
)  # fmt: skip
LONG_TAIL = ", as anybody would see who had been there from the beginning and had watched all of it closely"
GENERIC = (
    "The person is feeling this way because of what happened in the situation.",
    "This is the best answer because it is the most fitting one in the situation.",
)
FOREIGN = (
    "The letter from the hospital, which came that morning, had prepared the ground for it.",
    "It also matters that the two had once been engaged to be married.",
    "The twins had warned of exactly this at the christening.",
    "The court had decided so in the spring, and everybody knew.",
)
SYNONYMS = tuple(frozenset(pair) for pair in load_taxonomy().synonyms)

_CLOSED = re.compile(
    r"(?:^|[.!…”] )(?:Do|Did|Does|Is|Are|Was|Were|Can|Could|Have|Has|Will|Would|Should)\b[^.!?]*\?\s*$"
)
_ADVICE = re.compile(
    r"\b(?:you should|you had better|my advice|why don't you|I would advise|if I were you)\b", re.IGNORECASE
)
_LABEL = re.compile(r"\bI (?:felt|was|am|feel) (?:so |very |really |just )?", re.IGNORECASE)


def _key(fields: Fields) -> str:
    return str(fields.get("cause") or fields.get("best") or "")


def _wrong(fields: Fields) -> list[str]:
    return list(fields.get("wrong_causes") or fields.get("wrong") or [])


def _names_emotion(given: Mapping[str, str], fields: Fields) -> bool:
    return "emotion" in fields and bool(find_emotion_words(str(fields.get("scenario", "")), str(fields["emotion"])))


def _near_synonym(given: Mapping[str, str], fields: Fields) -> bool:
    key = str(fields.get("emotion", ""))  # of a pair, a near-synonym of one half is still wrong
    return any(frozenset((key, label)) in SYNONYMS for label in fields.get("wrong_emotions") or [])


def _twin(given: Mapping[str, str], fields: Fields) -> bool:
    key = recognise_answer(_key(fields))
    return key is not None and any(recognise_answer(wrong) == key for wrong in _wrong(fields))


def _long_key(given: Mapping[str, str], fields: Fields) -> bool:
    wrong = _wrong(fields)
    return bool(wrong) and len(_key(fields).split()) - max(len(text.split()) for text in wrong) >= LONG_BY


def _absurd(given: Mapping[str, str], fields: Fields) -> bool:
    return any(text in ABSURD for text in _wrong(fields))


def _generic(given: Mapping[str, str], fields: Fields) -> bool:
    return "explanation" in fields and "“" not in str(fields["explanation"])


def _contradicts(given: Mapping[str, str], fields: Fields) -> bool:
    end = str(fields.get("explanation", "")).rpartition("nswer: ")[2]
    return bool(end) and any(text and text in end for text in _wrong(fields)) and _key(fields) not in end


def _foreign(given: Mapping[str, str], fields: Fields) -> bool:
    return any(text in str(fields.get("explanation", "")) for text in FOREIGN)


def _messages(fields: Fields, first: int) -> list[str]:
    """The message of a turn, or of a dialogue those of one speaker: 0 the client's, 1 the therapist's."""
    messages = fields.get("messages")
    return list(messages)[first::2] if messages else [str(fields["message"])] if "message" in fields else []


def _names_feeling(given: Mapping[str, str], fields: Fields) -> bool:
    return any(_LABEL.search(text) and find_emotion_words(text) for text in _messages(fields, 0))


def _speaks_for_both(given: Mapping[str, str], fields: Fields) -> bool:
    return any("THERAPIST:" in text for text in _messages(fields, 0))


def _repeats(given: Mapping[str, str], fields: Fields) -> bool:
    if messages := fields.get("messages"):
        return len(set(messages)) < len(messages)
    message = str(fields.get("message", ""))
    return bool(message) and f"THERAPIST: {message}" in given.get("recent_turns", "").splitlines()


def _closed(given: Mapping[str, str], fields: Fields) -> bool:
    messages = _messages(fields, 1 if "messages" in fields else 0)
    return any(_CLOSED.search(text) and not puts_safety_first(text) for text in messages)


def _advice(given: Mapping[str, str], fields: Fields) -> bool:
    return any(_ADVICE.search(text) for text in _messages(fields, 1 if "messages" in fields else 0))


SPOTS: dict[str, Spot] = {
    "names_emotion": _names_emotion,
    "near_synonym": _near_synonym,
    "twin_distractor": _twin,
    "long_key": _long_key,
    "absurd_distractor": _absurd,
    "generic_explanation": _generic,
    "contradicts_key": _contradicts,
    "foreign_fact": _foreign,
    "names_feeling": _names_feeling,
    "speaks_for_both": _speaks_for_both,
    "repeats_turn": _repeats,
    "closed_question": _closed,
    "early_advice": _advice,
}
