"""From a planned moment to one told event: which frame, which turn, which details, whose voice.

An event is a function of the moment's own lines, so every role that is shown the moment tells the same event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from dspy.lm15 import InvalidRequestError

from corpus.seeds import rng_for
from lms.scripted.frames import (
    ApplicationFile,
    ApplicationFrame,
    ApplicationTurn,
    UnderstandingFrame,
    UnderstandingTurn,
    load_frames,
)

# he, him, his, himself, was — for each pronoun set; "I" is the client telling their own story.
_FORMS = {
    "she": ("she", "her", "her", "herself", "was"),
    "he": ("he", "him", "his", "himself", "was"),
    "they": ("they", "them", "their", "themselves", "were"),
    "I": ("I", "me", "my", "myself", "was"),
}

_SENTENCE_SLOT = re.compile(r"(^[\"“]?|[.!?][\"”]? [\"“]?)\{")  # a slot that begins a sentence


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
        rng = rng_for("event", *moment.values())
        frame, number = rng.choice(candidates)
        details = tuple((name, rng.choice(fillings)) for name, fillings in frame.vary.items())
        return cls(frame, number, details, _person(moment["about"]), _person(moment["with"]), moment["moment"])

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
        """The name of the person whose feeling or action is asked for."""
        about_other = isinstance(self.turn, UnderstandingTurn) and self.turn.who == "O"
        return self.other[0] if about_other else self.subject[0]

    def tell(self, text: str, client: str = "") -> str:
        """Fill the slots of a frame text; in the first person where the subject is ``client``."""
        name, pronouns = self.subject
        mine = name == client
        he, him, his, himself, was = _FORMS["I" if mine else pronouns]
        o_he, o_him, o_his, _, _ = _FORMS[self.other[1]]
        slots = {
            "S": "I" if mine else name,
            "Sobj": "me" if mine else name,
            "S's": "my" if mine else f"{name}'s",
            "he": he, "He": _capital(he), "him": him, "his": his, "His": _capital(his),
            "himself": himself, "was": was,
            "O": self.other[0],
            "o_he": o_he, "o_He": _capital(o_he), "o_him": o_him, "o_his": o_his, "o_His": _capital(o_his),
            **dict(self.details),
        }  # fmt: skip
        slots |= {f"^{slot}": _capital(filling) for slot, filling in slots.items()}
        return _SENTENCE_SLOT.sub(r"\1{^", text).format_map(slots)

    def form(self, forms: tuple[str, ...], use: str, client: str = "") -> str:
        """Tell one of several surface forms; ``use`` makes the same event sound different in different places."""
        return self.tell(rng_for(self.key, use, forms[0]).choice(forms), client)


def _person(text: str) -> tuple[str, str]:
    name, _, pronouns = text.partition(" (")
    return name, pronouns.rstrip(")")
