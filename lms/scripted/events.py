"""From a planned moment to one told event: which frame, which turn, which wording, which details, whose voice.

An event is a function of the moment's own lines, so every role that is shown the moment tells the same event.  The
moment's variant number picks frame and wording: the variants of one category and aim go through the frames in turn, and
36 tellings of a frame share at most one text in three (a Latin square), so items come out different by construction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from dspy.lm15 import InvalidRequestError

from corpus.seeds import rng_for
from lms.scripted.frames import (
    FORMS,
    ApplicationFile,
    ApplicationFrame,
    ApplicationTurn,
    UnderstandingFrame,
    UnderstandingTurn,
    load_frames,
)

Voice = Literal["", "I", "you"]  # how the subject is told of: by name, or as the narrator, or as the one addressed
VOICES: dict[str, Voice] = {"third person": "", "first person": "I", "second person": "you"}

# he, him, his, himself, was — for each pronoun set
_FORMS = {
    "she": ("she", "her", "her", "herself", "was"),
    "he": ("he", "him", "his", "himself", "was"),
    "they": ("they", "them", "their", "themselves", "were"),
    "I": ("I", "me", "my", "myself", "was"),
    "you": ("you", "you", "your", "yourself", "were"),
}

_SPEECH = (
    "asked|said|cried|called|shouted|whispered|murmured|muttered|exclaimed|demanded|repeated|replied|answered|added"
    "|snapped|hissed|begged|told|screamed|yelled|wrote|wondered|growled|bellowed|roared|squeaked|sang"
)
# A slot that begins a sentence; one that only names the speaker of a question or an exclamation does not.
_SENTENCE_SLOT = re.compile(rf"(^[\"“]?|[.!?] [\"“]?|[.][\"”] |[!?][\"”] (?!\{{[^}}]*\}} (?:{_SPEECH})\b))\{{")
_SUBJECT_WAS = re.compile(r"(\{S\}) was\b")  # suits a name and I, not you


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def _index() -> dict[tuple[str, ...], list[tuple[UnderstandingFrame | ApplicationFrame, int]]]:
    index: dict[tuple[str, ...], list[tuple[UnderstandingFrame | ApplicationFrame, int]]] = {}
    for frame_file in load_frames():
        if isinstance(frame_file, ApplicationFile):
            for frame in frame_file.frames:
                for number, turn in enumerate(frame.turns):
                    key = (frame_file.category, frame.question_type, turn.need)
                    index.setdefault(key, []).append((frame, number))
        else:
            for eu_frame in frame_file.frames:
                for number, eu_turn in enumerate(eu_frame.turns):
                    index.setdefault((frame_file.sub_category, eu_turn.emotion), []).append((eu_frame, number))
    return index


@dataclass(frozen=True)
class Event:
    """One frame with one turn as the truth, its details filled in, ready to be told."""

    frame: UnderstandingFrame | ApplicationFrame
    number: int
    details: tuple[tuple[str, str], ...]
    subject: tuple[str, str]
    other: tuple[str, str]
    voice: Voice
    telling: int
    key: str

    @classmethod
    def of(cls, moment: dict[str, str]) -> Event:
        """Compose the event of a moment.

        Raises:
            InvalidRequestError: no frame has such a label in such a category.
        """
        names = ("sub-category", "emotion") if moment["task"] == "EU" else ("category", "question type", "calls for")
        key = tuple(moment[name] for name in names)
        candidates = _index().get(key)
        if not candidates:
            raise InvalidRequestError(f"the scripted teacher knows no event for {' / '.join(key)}")
        telling, which = divmod(int(moment.get("variant", "0")), len(candidates))
        frame, number = candidates[which]
        rng = rng_for("event", *moment.values())
        details = tuple((name, rng.choice(fillings)) for name, fillings in frame.vary.items())
        voice = VOICES[moment.get("told in", "third person")]
        subject, other = _person(moment["about"]), _person(moment["with"])
        return cls(frame, number, details, subject, other, voice, telling, moment["moment"])

    @property
    def turn(self) -> UnderstandingTurn | ApplicationTurn:
        """The turn that really happened."""
        return self.frame.turns[self.number]

    @property
    def others(self) -> list[UnderstandingTurn | ApplicationTurn]:
        """The three turns that did not happen."""
        turns: tuple[UnderstandingTurn | ApplicationTurn, ...] = self.frame.turns
        return [turn for number, turn in enumerate(turns) if number != self.number]

    @property
    def asked(self) -> str:
        """Whose feeling or action is asked for, as the scenario tells of them."""
        if isinstance(self.turn, UnderstandingTurn) and self.turn.who == "O":
            return self.other[0]
        return _capital(self.voice) or self.subject[0]

    def scene(self) -> list[str]:
        """The scenario's texts in the wording of this telling: opening, happening, and for understanding the sign."""
        opening = self.telling % FORMS
        happening = (opening + self.telling // FORMS) % FORMS
        said = [self.frame.setup[opening], self.turn.happens[happening]]
        if isinstance(self.turn, UnderstandingTurn):
            said.append(self.turn.shows[(opening + happening) % FORMS])
        return [self.tell(text, self.voice) for text in said]

    def tell(self, text: str, voice: Voice = "") -> str:
        """Fill the slots of a frame text, with the subject by name or as ``voice``."""
        name, pronouns = self.subject
        he, him, his, himself, was = _FORMS[voice or pronouns]
        o_he, o_him, o_his, _, _ = _FORMS[self.other[1]]
        slots = {
            "S": he if voice else name,
            "Sobj": him if voice else name,
            "S's": his if voice else f"{name}'s",
            "he": he, "He": _capital(he), "him": him, "his": his, "His": _capital(his),
            "himself": himself, "was": was,
            "O": self.other[0],
            "o_he": o_he, "o_He": _capital(o_he), "o_him": o_him, "o_his": o_his, "o_His": _capital(o_his),
            **dict(self.details),
        }  # fmt: skip
        slots |= {f"^{slot}": _capital(filling) for slot, filling in slots.items()}
        if voice == "you":
            text = _SUBJECT_WAS.sub(r"\1 were", text)
        told = _SENTENCE_SLOT.sub(r"\1{^", text).format_map(slots)
        return told.replace(f"I and {self.other[0]}", f"{self.other[0]} and I") if voice == "I" else told

    def form(self, forms: tuple[str, ...], use: str, voice: Voice = "") -> str:
        """Tell one of several surface forms; ``use`` makes the same event sound different in different places."""
        return self.tell(rng_for(self.key, use, forms[0]).choice(forms), voice)


def _person(text: str) -> tuple[str, str]:
    name, _, pronouns = text.partition(" (")
    return name, pronouns.rstrip(")")
