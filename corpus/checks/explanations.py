"""What an explanation must satisfy by rule: it rests on the scenario, rules a wrong answer out, and ends at the key.

A rule sees words.  Whether a step follows, and whether a fact is foreign to the scenario, is for the judge to say.
"""

from __future__ import annotations

import re

from corpus.checks.wording import content_words, plain, split_sentences
from corpus.config import CurateConfig
from corpus.embeddings import Encoder
from corpus.records import Draft, UnderstandingDraft
from corpus.taxonomy import match_words_of, split_label

MIN_QUOTED = 3  # words of a quotation that occurs in the scenario
MIN_SUPPORT = 4  # content words that explanation and scenario must share where nothing is quoted
# Cosine of explanation and scenario.  With all-MiniLM-L6-v2 explanations of the scripted teacher have 0.26 to 0.78, 19
# in 20 of them over 0.45; phrases that could stand under any item have 0.28 at most.
MIN_COSINE = 0.4
NOT_GROUNDED = "explanation not grounded"
CLOSING = 2  # sentences at the end in which the key must be named
NAMED = 0.4  # share of a choice's content words from which a sentence speaks of it
CLEARLY = 0.3  # by how much more a last sentence must speak of a wrong choice than of the key, to contradict it

_QUOTED = re.compile(r"“([^“”]+)”|\"([^\"]+)\"|‘([^‘’]+)’(?!\w)|(?<!\w)'((?:[^']|(?<=\w)'(?=\w))+)'(?!\w)")
_REJECTS = re.compile(
    r"\b(?:not|never|no|cannot|\w+n['’]t|rather|instead|than|over|unlike|wrong\w*|mistak\w*|fail\w*|miss\w*|mislead\w*"
    r"|less|although|though|while|whereas|however|but|without|neither|nor|against|tempt\w*|error|overlook\w*|ignor\w*)\b",
    re.IGNORECASE,
)


def check_grounding(draft: Draft, config: CurateConfig) -> str:
    """The explanation quotes the scenario, or shares content words with it; names alone could stand under any item."""
    scenario = plain(draft.scenario)
    quotations = (plain(next(filter(None, groups))) for groups in _QUOTED.findall(draft.explanation))
    if any(len(quoted.split()) >= MIN_QUOTED and quoted in scenario for quoted in quotations):
        return ""
    names = content_words(" ".join((draft.subject, *(person.name for person in draft.people))))
    shared = (content_words(draft.explanation) & content_words(draft.scenario)) - names
    return "" if len(shared) >= MIN_SUPPORT else NOT_GROUNDED


def is_grounded_in_meaning(draft: Draft, encoder: Encoder) -> bool:
    """Whether an explanation that shares no words with the scenario means something close to it all the same."""
    explanation, scenario = encoder.encode([draft.explanation, draft.scenario])
    return float(explanation @ scenario) >= MIN_COSINE


def check_ending(draft: Draft, config: CurateConfig) -> str:
    """The last sentences name the key, and the very last does not arrive at a wrong answer."""
    end = _Ending(draft.explanation, _choices(draft))
    if end.arrives_at_wrong() or (isinstance(draft, UnderstandingDraft) and _ends_at_other_emotion(draft, end)):
        return "explanation contradicts the key"
    if end.names_key() or (isinstance(draft, UnderstandingDraft) and match_words_of(end.closing, draft.emotion)):
        return ""
    return "explanation does not end at the key"


def check_ruling_out(draft: Draft, config: CurateConfig) -> str:
    """Something is said of a wrong answer, by its words or by a turn that sets one aside."""
    if _REJECTS.search(draft.explanation):
        return ""
    key, *wrong = _choices(draft)
    said = content_words(draft.explanation)
    told = any(_share(content_words(choice) - content_words(key), said) >= NAMED for choice in wrong)
    if isinstance(draft, UnderstandingDraft):
        told = told or any(match_words_of(draft.explanation, label) for label in draft.wrong_emotions)
    return "" if told else "explanation rules nothing out"


EXPLANATION_CHECKS = (check_grounding, check_ending, check_ruling_out)


class _Ending:
    """The end of an explanation, read against the key (the first choice) and the wrong choices."""

    def __init__(self, explanation: str, choices: list[str]):
        self.choices = choices
        self.text = plain(explanation)
        self.sentences = split_sentences(explanation)
        self.last, self.closing = self.sentences[-1], " ".join(self.sentences[-CLOSING:])

    def arrives_at_wrong(self) -> bool:
        """Whether the last thing said is a wrong choice, to the letter or in most of its words."""
        verbatim = [choice for choice in self.choices if self.text.endswith(plain(choice))]
        if verbatim:  # of a choice that ends in another one, the longer is meant
            longest = max(verbatim, key=len)
            return longest != self.choices[0] and not self._is_set_aside(longest)
        said, key = content_words(self.last), content_words(self.choices[0])
        return any(
            len(own := content_words(choice) - key) >= 2
            and _share(own, said) >= max(NAMED, _share(key - content_words(choice), said) + CLEARLY)
            and not set(_rejections(self.last)) - set(_rejections(choice))
            for choice in self.choices[1:]
        )

    def names_key(self) -> bool:
        """Whether the closing sentences speak of the key: to the letter, or in a good part of its own words."""
        key, *_ = self.choices
        if self.text.endswith(plain(key)):
            return True
        words = content_words(key)
        return _share(words, content_words(self.closing)) >= min(NAMED, 2 / max(1, len(words)))

    def without_choices(self) -> str:
        """The last sentence without the choice that it ends with, whose words are not the explanation's own."""
        said = plain(self.last)
        ends = [plain(choice) for choice in self.choices if said.endswith(plain(choice))]
        return said.removesuffix(max(ends, key=len, default=""))

    def _is_set_aside(self, choice: str) -> bool:
        """Whether the words before a choice at the end, in its sentence, reject it: ``… rather than <choice>``."""
        ends = (plain(" ".join(self.sentences[-count:])) for count in range(1, len(self.sentences) + 1))
        end = next(end for end in ends if end.endswith(plain(choice)))  # a choice may be several sentences long
        return bool(_REJECTS.search(end.removesuffix(plain(choice))))


def _choices(draft: Draft) -> list[str]:
    """The right cause or option, then the wrong ones."""
    if isinstance(draft, UnderstandingDraft):
        return [draft.cause, *draft.wrong_causes]
    return [draft.best, *draft.wrong]


def _ends_at_other_emotion(draft: UnderstandingDraft, end: _Ending) -> bool:
    """Whether the last sentence names a whole wrong label, and nothing of the key's own."""
    said = end.without_choices()
    if _REJECTS.search(said) or match_words_of(said, draft.emotion):
        return False
    return any(all(match_words_of(said, part) for part in split_label(label)) for label in draft.wrong_emotions)


def _rejections(text: str) -> list[str]:
    return [found.lower() for found in _REJECTS.findall(text)]


def _share(words: set[str], said: set[str]) -> float:
    return len(words & said) / len(words) if words else 0.0
