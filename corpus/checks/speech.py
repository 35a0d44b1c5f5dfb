"""What one message of a session does, as far as English shows it: whose words it holds, what it asks, advises, labels.

The rules are sparing: they take a message for sound unless its own words speak against it.  Quoted speech is never held
against the one who quotes it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from corpus.records import Speaker
from corpus.taxonomy import find_emotion_words, load_taxonomy

_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")
_BREAK = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][”\")]))\s+")
_START = r"(?:^|[.!?…]\s+|[.!?…][”\")*]{1,3}\s+)"

_ROLES = "client|patient|therapist|counsell?or|psychologist|supervisor|assistant|user|human"
_TITLED = "|".join(f"{role.capitalize()}|{role.upper()}" for role in _ROLES.split("|"))
_ROLE_TAG = re.compile(
    rf"\b(?:{_TITLED})\b\**\s*(?:\([^)]*\))?\s*\**:|{_START}\**(?:(?i:{_ROLES}))\**(?:\s*:|\s?[-–—]\s)"
)
_ACTS = "nods|leans|pauses|smiles|looks|waits|sits|writes|sighs|laughs|cries|shrugs|hesitates|stares|wipes"
_NARRATED: dict[Speaker, re.Pattern[str]] = {
    "CLIENT": re.compile(rf"{_START}[(\[*_]{{0,3}}The (?:therapist|counsell?or) (?:\w+ly )?(?:{_ACTS})\b"),
    "THERAPIST": re.compile(rf"{_START}[(\[*_]{{0,3}}The (?:client|patient) (?:\w+ly )?(?:{_ACTS})\b"),
}
_MARKUP = re.compile(r"\[\[ ?##|```|</?think>|<\|")

_AUX = r"(?:do|does|did|is|are|was|were|am|can|could|have|has|had|will|would|should|might|may)(?:n't)?"
_WHO = r"(?:you|he|she|it|they|we|I|that|this|there|your|his|her|their|the|any(?:one|body|thing)?)"
_LEAD_IN = re.compile(
    r"^(?:(?:and|so|but|or|then|now|well|okay|also|perhaps|maybe|(?!(?:what|how|why|who|which|where)\b)[A-Z]\w+,),?\s+)+",
    re.IGNORECASE,
)
_TAG_QUESTION = re.compile(rf",\s*(?:right|correct|yes|no|true|{_AUX} {_WHO})\s*\?\W*$", re.IGNORECASE)
_INVERTED = re.compile(rf"^{_AUX}\b|,\s+(?:and |but |so |then )?{_AUX} {_WHO}\b", re.IGNORECASE)
_ASKED = re.compile(r"^(?:what|how|why|who|whose|whom|which|where)\b", re.IGNORECASE)
_CLEFT = re.compile(r"^(?:is|was)(?:n't)? (?:that|this|it) (?:what|how|why|where|when|who)\b", re.IGNORECASE)
_STATED = re.compile(r"^(?:you|it|that|this|he|she|they|there)(?:'\w+)?\s", re.IGNORECASE)
_OPENER = re.compile(
    r"\b(?:what|how|why)\b"
    r"|\b(?:say|tell|know|remember|recall|imagine|describe|notice|guess|sense of|and|or) (?:\w+ )?"
    r"(?:who|where|which|when)\b"
    r"|\bor\b(?! (?:not|something|anything|so)\s*\?)"
    r"|\b(?:you|I|we) (?:\w+ ){0,6}?(?:(?:tell(?:ing)?|shar(?:e|ing) with|show|give|help) me\b|describ(?:e|ing)\b"
    r"|say (?:more|a (?:bit|little|word)|something)\b|tell more\b|(?:walk|take|talk|lead) me\b|paint\b|elaborate\b"
    r"|expand\b|explain\b|picture\b|imagine\b|(?:put|find) (?:\w+ ){0,4}words?\b"
    r"|(?:share|give) (?:\w+ )?(?:more|example))",
    re.IGNORECASE,
)
_ANY_OPENER = re.compile(r"\b(?:what|how|why|who\w*|where|when|which|or)\b", re.IGNORECASE)
_SHORT = 4  # words: below it a question without a verb, such as "And then?", lets the other go on

_STATIVE = "want|like|feel|think|believe|trust|know|need|have|deserve|remember|see|love|care"
_RECALLING = "imagine|picture|remember|recall|describe|put|say|tell me|stay|notice|go back|see"
_SELF = rf"(?:{_START}|\b(?:I think|I believe|maybe|perhaps),? )you (?:really |simply |just |probably |definitely )?"
# Nobody asked for it: words that no phase of a session excuses.
_BLUNT = re.compile(
    r"\bmy (?:advice|recommendation|suggestion)\b"
    r"|\bI(?: would|'d| can| could)? (?:only |strongly |really |just )?(?:advise|recommend|urge)\b"
    r"|\bif I were you\b|\bin your (?:place|shoes),? I(?:'d| would)\b"
    rf"|\bwhy don't you (?!(?:{_STATIVE})\b)|\byou(?:'d| had) better\b(?! (?:have|off|luck|\w+s)\b)"
    rf"|{_SELF}(?:should|ought to)\b(?! (?:(?:not|never|also|always) )?(?:have|be|feel|know)\b)",
    re.IGNORECASE,
)
# What a counsellor may bring up once all has been told, and not before.
_GENTLE = re.compile(
    r"\bI(?: would|'d| can| could| might)? (?:only |just )?suggest\b(?! we\b)|\bI(?: would|'d) encourage you\b"
    rf"|{_SELF}(?:could|might) (?:try|start by|begin by|consider|set aside)\b"
    rf"|{_SELF}(?:may|might) want to (?:try|consider|talk|write|tell|ask|start|take|set|think about|reach)\b"
    rf"|{_START}(?:please )?(?:try (?:not to|to (?!(?:{_RECALLING})\b)|\w+ing\b)|consider \w+ing\b"
    r"|make sure (?:you|to|that you)\b|(?:remember|be sure) to\b)"
    r"|\bit(?:'s| is) (?:important|best|essential) (?:for you )?(?:to (?!(?:you|him|her|them|me|us)\b)|that you\b)"
    r"|\bit (?:would|might|could) be (?:best|wise|a good idea) (?:for you )?to\b"
    r"|\bhow about (?:you |just )?\w+ing\b|\bhave you (?:ever )?(?:tried|considered) \w+ing\b"
    r"|\bthe best thing (?:you can do|to do|would be)\b|\bwhat you need to do\b"
    r"|\bone thing (?:that )?you (?:can|could|might) (?:do|try)\b",
    re.IGNORECASE,
)

_FILLING = (
    r"so|very|really|just|quite|rather|too|an?|the|bit|little|lot|of|waves?|kind|sort|pang|rush|flash|mix|mixture"
    r"|nothing|but|only|both|more|and|such|something|like|all|still|also|pretty|much|sudden|deep|strange|certain|sense"
    r"|feeling|this|that|\w+ly"
)
_FEELS = re.compile(
    r"\b(?:I(?: (?:just|only|still|also|really|\w+ly))?(?:'m| am| was|'ve been| have been| had been| felt| feel"
    r"| got| get| became)(?: (?:feeling|getting|left|becoming))?"
    r"|(?:made|makes|making|left|leaves) me(?: feel)?|filled me with)"
    rf"(?: (?:{_FILLING}))* (?P<felt>in (?:love|shock)|at peace|let down|mad at|no hope"
    r"|(?!(?:not|never|no|hardly|less|unaware|his|her|their|your|its|our)\b)[\w-]+)",
    re.IGNORECASE,
)
_IDIOM = re.compile(
    r"I(?:'m| am) (?:so |very |really |just )?(?:afraid (?:I|not|so|that's|we|it)\b|(?:glad|happy) (?:to|you|that)\b)",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"\b(?:if|whether|says?|said|thinks?|thought|asked|told \w+|pretend\w*|though|claims?|believes?)(?: that)? $",
    re.IGNORECASE,
)

_IRREGULAR = (
    "was|were|had|did|said|went|came|left|told|took|saw|found|got|gave|sat|stood|put|wrote|rang|read|heard|knew|thought"
    "|began|brought|bought|broke|caught|chose|cut|drove|ate|fell|forgot|held|hit|kept|let|lost|made|met|paid|ran|sent"
    "|set|shook|shut|spoke|spent|threw|tore|understood|woke|wore|won|lay|led|hung|felt|meant|slept|built|sang|drew"
)
_EVENT = re.compile(
    rf"\b(?:{_IRREGULAR}|[a-z]{{2,}}ed)\b|[“\"]"
    r"|\b(?:yesterday|ago|tonight|last (?:\w+ )?(?:night|week|month|year|\w+day)"
    r"|this (?:morning|afternoon|evening|week)|the other (?:day|night)|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b"
)


def find_foreign_words(text: str, speaker: Speaker, names: tuple[str, ...] = ()) -> str:
    """Return a speaker's tag, a stage direction of the other speaker, or markup in a message; empty when it is clean.

    Args:
        text: the message, on one line.
        speaker: who says it.
        names: of the two speakers, where they are known.
    """
    for pattern in (_MARKUP, _ROLE_TAG, _NARRATED[speaker], *_name_patterns(names)):
        if found := pattern.search(text):
            return found[0].strip()
    return ""


@lru_cache(maxsize=256)
def _name_patterns(names: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Patterns of ``Name:`` at the head of a sentence, and of a stage direction in brackets."""
    known = "|".join(map(re.escape, names))
    who = f"(?:the )?(?:{_ROLES}{'|' + known if known else ''})"
    direction = re.compile(rf"[(\[*_]{{1,3}}\s*{who}\s(?:\w+ly )?\w+s\b[^()\[\]*_]*[)\]*_]", re.IGNORECASE)
    return (direction, re.compile(rf"{_START}\**(?:{known})\s*(?:\([^)]*\))?\**:\s")) if known else (direction,)


def questions_of(text: str) -> list[str]:
    """Return the questions of a message, without those in quoted speech, which is left as empty quotation marks."""
    return [sentence for sentence in _BREAK.split(_without_quotes(text)) if "?" in sentence]


def words_after_question(text: str) -> int:
    """Count the words of a message that follow its last question; all of them when it asks nothing."""
    return len(_without_quotes(text).rpartition("?")[2].split())


def is_closed(question: str) -> bool:
    """Return True when yes or no answers a question.

    One that only dresses an open one politely ("Can you tell me what …?"), or offers a choice, is open: what counts is
    how it can be answered (Miller & Rollnick, 2013, ch. 6).
    """
    text = _LEAD_IN.sub("", question.replace("’", "'"))
    if _TAG_QUESTION.search(text) or _CLEFT.search(text):
        return True
    if _ASKED.search(text):
        return False
    if inverted := _INVERTED.search(text):
        return not _OPENER.search(text[inverted.start() :])
    return bool(_STATED.match(text)) and len(text.split()) >= _SHORT and not _ANY_OPENER.search(text)


def find_advice(text: str, gentle: bool = True) -> str:
    """Return the words with which a message advises the other what to do; empty when it does not.

    Args:
        text: the message.
        gentle: whether what is merely suggested counts too ("You could try to …"), not only what is prescribed.
    """
    plain = _without_quotes(text)
    found = _BLUNT.search(plain) or (_GENTLE.search(plain) if gentle else None)
    return found[0].strip(' .!?…”")') if found else ""


def find_label(text: str, aim: str = "") -> str:
    """Return the words with which the speaker names a feeling as theirs, such as "I felt ashamed"; empty if none.

    Args:
        text: the message.
        aim: the emotion label that the message is to show, if any: more words would give it away.
    """
    text = _without_quotes(text)
    for found in _FEELS.finditer(text):
        words = find_emotion_words(found[0], aim)
        named = bool(words) and found[0].endswith(words[-1])
        if re.search(r"\bfe(?:lt|el|eling)\b", found[0], re.IGNORECASE):  # where the name of an emotion says it too
            named = named or found["felt"].title() in load_taxonomy().emotions
        if named and not _IDIOM.match(text, found.start()) and not _REPORTED.search(text[: found.start()]):
            return found[0]
    return ""


def tells_event(text: str, names: tuple[str, ...] = ()) -> bool:
    """Return True when something in a message happened: a past tense, a time, quoted speech, or a person by name."""
    return bool(_EVENT.search(text)) or any(re.search(rf"\b{re.escape(name)}\b", text) for name in names)


def _without_quotes(text: str) -> str:
    """Replace quoted speech by quotation marks that keep its full stop, and write apostrophes straight."""
    return _QUOTED.sub(lambda m: "“.”" if m[0][-2:-1] in tuple(".!?…") else "“”", text).replace("’", "'")
