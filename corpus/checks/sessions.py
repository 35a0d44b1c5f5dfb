"""What a session must satisfy by rule: whole, in order, each message the words of one person who does their part.

The rules of client, therapist, and phases are the paper's, arXiv 2601.01407, sections A and C; open questions and the
restraint from advice are motivational interviewing's (Miller & Rollnick, 2013).  What a rule cannot decide, whether
there is a conflicting thought or whether the feeling really moves, is left to the judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from corpus.checks.speech import (
    find_advice,
    find_foreign_words,
    find_label,
    is_closed,
    questions_of,
    tells_event,
    words_after_question,
)
from corpus.records import Method, Session, Speaker, Turn
from corpus.safety import puts_safety_first, voices_risk
from corpus.text import count_sentences

WHOLE = 0  # stands for the session as a whole where a fault belongs to no message
MESSAGES: dict[Method, tuple[int, int]] = {"mads": (8, 28), "concise": (10, 10)}  # the supervisor may stop at turn 4
MAX_WORDS: dict[Speaker, int] = {"CLIENT": 160, "THERAPIST": 110}  # asked for: one to five sentences; one or two
MIN_OPENING_WORDS = 12
MIN_TOLD_WORDS = 6  # fewer words tell no moment
MAX_QUESTIONS = 2  # asked for: one; a second that only turns the first is common in speech
MAX_TAIL = 5  # words after the last question, such as "Take your time."
REPEAT = 90.0  # similarity from which two messages are the same; of their sorted words it is more
REPEAT_SORTED = 95.0
MIN_REPEAT_WORDS, MIN_CONTAINED_WORDS = 4, 10  # "Yes, I did." may come twice
SAFETY = "safety"
PHASES = ("facts and feelings", "meaning", "perspective")
SAFETY_STAGES = ("at risk", "held")  # stand in place of a stage of the arc


@dataclass(frozen=True)
class SessionFault:
    """A fault of a message (``turn``, counted from 1 over both speakers) or of the whole session (0).

    ``name`` is one of a fixed set of short phrases, which are counted; ``detail`` says what was seen.
    """

    turn: int
    name: str
    detail: str


def check_session(session: Session) -> tuple[SessionFault, ...]:
    """Return the faults of a session in the order of its messages, those of the whole first."""
    faults = [*_check_whole(session), *_check_phases(session), *_check_arc(session), *_check_repeats(session)]
    names = (session.plan.client.name,)
    for number, turn in enumerate(session.turns, 1):
        faults += [SessionFault(number, *fault) for fault in _check_message(turn, names)]
        if turn.speaker == "CLIENT":
            faults += [SessionFault(number, *fault) for fault in _check_client(session, number)]
        else:
            faults += [SessionFault(number, *fault) for fault in _check_therapist(session, number)]
    return tuple(sorted(faults, key=lambda fault: fault.turn))


def share_at_fault(session: Session, faults: tuple[SessionFault, ...]) -> float:
    """Return the share of messages with a fault, 0..1; faults of the whole session count as one message together."""
    return min(1.0, len({fault.turn for fault in faults}) / max(1, len(session.turns)))


def _check_whole(session: Session) -> Iterator[SessionFault]:
    """Length, turns taken, and that every planned moment is told."""
    fewest, most = MESSAGES[session.plan.method]
    if not fewest <= len(session.turns) <= most:
        yield SessionFault(WHOLE, "session length", f"{len(session.turns)} messages, wanted are {fewest} to {most}")
    for number, turn in enumerate(session.turns, 1):
        if turn.speaker != ("CLIENT", "THERAPIST")[(number - 1) % 2]:
            yield SessionFault(number, "speakers out of turn", f"{turn.speaker} speaks here")
            break
    told = {turn.moment: turn.text for turn in session.turns if turn.speaker == "CLIENT" and turn.moment}
    heard = " ".join(turn.text for turn in session.turns)
    for moment in session.plan.moments:
        people = {moment.subject.name, moment.other.name} - {session.plan.client.name}
        if len(told.get(moment.id, "").split()) < MIN_TOLD_WORDS:
            yield SessionFault(WHOLE, "moment not told", moment.id)
        elif not any(re.search(rf"\b{re.escape(name)}\b", heard) for name in people):
            yield SessionFault(WHOLE, "moment not told", f"{moment.id}: nobody names {' or '.join(sorted(people))}")


def _check_phases(session: Session) -> Iterator[SessionFault]:
    """The therapist's phases are known and in order; safety may come at any time."""
    reached = 0
    phases = [(number, turn.phase) for number, turn in enumerate(session.turns, 1) if turn.speaker == "THERAPIST"]
    if not any(phase for _, phase in phases):
        yield SessionFault(WHOLE, "no phases", "no message of the therapist has one")
        return
    for number, phase in phases:
        if phase == SAFETY:
            continue
        if phase not in PHASES:
            yield SessionFault(number, "phase unknown", phase or "none")
        elif (rank := PHASES.index(phase)) < reached:
            yield SessionFault(number, "phases out of order", f"{phase} after {PHASES[reached]}")
        else:
            reached = rank


def _check_arc(session: Session) -> Iterator[SessionFault]:
    """The client's stages are those of the planned arc, in order, to its end."""
    arc, reached = session.plan.arc, 0
    stages = [(number, turn.stage) for number, turn in enumerate(session.turns, 1) if turn.speaker == "CLIENT"]
    if not any(stage for _, stage in stages):
        yield SessionFault(WHOLE, "no arc", "no message of the client has a stage")
        return
    for number, stage in stages:
        if stage.partition(":")[0] in SAFETY_STAGES:
            continue
        if stage not in arc:
            yield SessionFault(number, "stage unknown", stage or "none")
        elif (place := arc.index(stage)) < reached:
            yield SessionFault(number, "arc out of order", f"{stage} after {arc[reached]}")
        else:
            reached = place
    if reached < len(arc) - 1:
        yield SessionFault(WHOLE, "arc cut short", f"ends at stage {reached + 1} of {len(arc)}")


def _check_repeats(session: Session) -> Iterator[SessionFault]:
    """No message says what its speaker said before, word for word or nearly, alone or within more."""
    for speaker in ("CLIENT", "THERAPIST"):
        said: list[tuple[int, str]] = []
        for number, turn in enumerate(session.turns, 1):
            if turn.speaker == speaker:
                words = default_process(turn.text)
                if before := next((number for number, earlier in said if _same(earlier, words)), 0):
                    yield SessionFault(number, "repeated message", f"as message {before}")
                said.append((number, words))


def _same(one: str, two: str) -> bool:
    shorter, longer = sorted((one, two), key=len)
    if (count := len(shorter.split())) < MIN_REPEAT_WORDS:
        return False
    return (
        fuzz.ratio(one, two) >= REPEAT
        or fuzz.token_sort_ratio(one, two) >= REPEAT_SORTED
        or (count >= MIN_CONTAINED_WORDS and shorter in longer)
    )


def _check_message(turn: Turn, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What holds for either speaker: some words, not too many, and nobody else's."""
    words = len(turn.text.split())
    if not words:
        yield "empty message", ""
    if words > MAX_WORDS[turn.speaker]:
        yield "message too long", f"{words} words"
    if found := find_foreign_words(turn.text, turn.speaker, names):
        yield "speaks for both", found


def _check_client(session: Session, number: int) -> Iterator[tuple[str, str]]:
    """The opening tells an event; where a moment is told, the feeling is not labelled (it would be the item's key)."""
    turn = session.turns[number - 1]
    if number == 1:
        names = tuple(person.name for moment in session.plan.moments for person in (moment.subject, moment.other))
        if len(turn.text.split()) < MIN_OPENING_WORDS and count_sentences(turn.text) < 2:
            yield "opening too short", f"{len(turn.text.split())} words"
        elif not tells_event(turn.text, names):
            yield "no event in the opening", turn.text[:80]
    aims = {moment.id: moment.aim for moment in session.plan.moments if moment.task == "EU"}
    if (number == 1 or turn.moment) and (label := find_label(turn.text, aims.get(turn.moment, ""))):
        yield "labels the feeling", label


def _check_therapist(session: Session, number: int) -> Iterator[tuple[str, str]]:
    """Safety first where life is at risk; else one open question at the end, and no advice.

    The last phase looks at what could be done: once the client has told all, a gentle suggestion is in place.
    """
    turn, heard = session.turns[number - 1], session.turns[number - 2] if number > 1 else None
    at_risk = heard is not None and voices_risk(heard.text)
    if at_risk and not puts_safety_first(turn.text):
        yield "safety not put first", turn.text[:80]
    if at_risk or turn.phase == SAFETY:
        return
    questions = questions_of(turn.text)
    if not questions:
        yield "no question", turn.text[-80:]
    elif words_after_question(turn.text) > MAX_TAIL:
        yield "does not end in a question", turn.text[-80:]
    elif len(questions) > MAX_QUESTIONS:
        yield "too many questions", f"{len(questions)}"
    elif is_closed(questions[-1]):
        yield "closed question", questions[-1]
    telling = turn.phase != PHASES[-1] or (heard is not None and heard.moment != "")
    if advice := find_advice(turn.text, gentle=telling):
        yield "early advice" if telling else "blunt advice", advice
