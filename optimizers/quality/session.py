"""The quality of a session: the rules of `corpus.checks.sessions` first, then the judge on the session as a whole.

A message at fault halves its criterion, so that a session with one slip is better than one with three; but safety that
is not put first once leaves nothing of its criterion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import dspy

from corpus.checks.sessions import SAFETY, SAFETY_STAGES, SessionFault, check_session
from corpus.config import CurateConfig
from corpus.records import Session
from corpus.seeds import derive_seed
from optimizers.cases import SessionCase
from optimizers.config import SessionCriterion
from optimizers.quality.novelty import KnownTexts
from optimizers.quality.refusals import enter_refusals, judge_failure
from optimizers.quality.tally import UNJUDGED, Tally, quote, say
from optimizers.quality.verdict import Quality
from optimizers.quality.weights import weights_of
from programs.asking import AskFailed
from programs.verify.sessions import SessionJudge
from signatures.judging import CLIENT_FAULTS, SESSION_FAULTS, THERAPIST_FAULTS

ALIKE = CurateConfig.model_fields["near_duplicate"].default  # similarity of near-duplicates, 0-100
MIN_WORDS = 12  # of a message that is compared with known texts: shorter ones may well come twice
CLIENT, THERAPIST = ("open_as_client", "continue_as_client"), ("respond_as_therapist",)
BACKGROUND, DIALOGUE, SUPERVISOR = ("write_background", "write_case"), ("write_dialogue",), ("supervise",)
ROLES = {
    "background": BACKGROUND, "client": CLIENT, "therapist": THERAPIST, "supervisor": SUPERVISOR, "dialogue": DIALOGUE,
}  # fmt: skip


class Rule(NamedTuple):
    """Which criterion a fault belongs to, what it is in general words, and whose it is where no message has it."""

    criterion: SessionCriterion
    about: str
    asks: tuple[str, ...] = ()


class Objection(NamedTuple):
    """Which criterion a fault that the judge names belongs to, whose it is, and the rules that find the same."""

    criterion: SessionCriterion
    asks: tuple[str, ...]
    found_by: tuple[str, ...] = ()


# Name of a fault of `check_session` → what it means here.  Phases and stages are set by the program, not by a model.
RULES: dict[str, Rule] = {
    "empty message": Rule("format", "the message says nothing"),
    "speakers out of turn": Rule("format", "client and therapist do not speak in turn"),
    "labels the feeling": Rule("leak", CLIENT_FAULTS["names_feeling"]),
    "moment not told": Rule("plan_fit", "a planned moment is not told, or without the people who are in it", CLIENT),
    "no event in the opening": Rule("plan_fit", SESSION_FAULTS["no_opening_event"]),
    "opening too short": Rule("plan_fit", "the client's first message is too short to tell an event"),
    "no phases": Rule("phases", "the therapist's messages have no phases", THERAPIST),
    "phase unknown": Rule("phases", "the therapist works in a phase that does not exist"),
    "phases out of order": Rule("phases", "the therapist goes back to an earlier phase"),
    "no arc": Rule("arc", "the client's messages have no stages of feeling", CLIENT),
    "stage unknown": Rule("arc", "the client is at a stage of feeling that was not planned"),
    "arc out of order": Rule("arc", "the client's feeling goes back to an earlier stage"),
    "arc cut short": Rule("arc", "the session ends before the client's feeling has got to its last stage", SUPERVISOR),
    "session length": Rule("craft", "the session has more or fewer messages than it should have", SUPERVISOR),
    "message too long": Rule("craft", "the message is longer than anybody speaks in a session"),
    "speaks for both": Rule("craft", CLIENT_FAULTS["speaks_for_both"]),
    "no question": Rule("craft", "the therapist's message asks no open question at its end"),
    "does not end in a question": Rule("craft", "the therapist's message goes on after its question"),
    "too many questions": Rule("craft", "the therapist asks several questions at once"),
    "closed question": Rule("craft", THERAPIST_FAULTS["closed_question"]),
    "early advice": Rule("craft", THERAPIST_FAULTS["early_advice"]),
    "blunt advice": Rule("craft", "the therapist prescribes what to do, where it is for the client to find out"),
    "repeated message": Rule("novelty", THERAPIST_FAULTS["repeats_turn"]),
    "safety not put first": Rule(
        "safety", "the therapist does not put safety first where the client says that life is at risk"
    ),
}
# Fault of SESSION_FAULTS → what it means here.
OBJECTIONS: dict[str, Objection] = {
    "no_opening_event": Objection("plan_fit", CLIENT[:1], ("no event in the opening", "opening too short")),
    "labels_feelings": Objection("leak", CLIENT, ("labels the feeling",)),
    "no_conflict": Objection("arc", CLIENT),
    "out_of_phase": Objection("phases", THERAPIST, ("early advice", "blunt advice", "phases out of order")),
    "unmoved_feeling": Objection("arc", CLIENT[1:], ("no arc", "arc out of order", "arc cut short")),
}
JUDGED = tuple(dict.fromkeys(objection.criterion for objection in OBJECTIONS.values()))


class SessionQuality:
    """(case, attempt) → `Quality`; asks the role ``judge`` at most 4 times per session.

    What the rules have found is not counted again where the judge finds it too.  A session about which the judge gave
    no acceptable answer counts as if it had a fault in each criterion that the judge looks at, since nothing may be
    taken for verified that was not; the feedback says that it is not the prompt's.

    Args:
        weights: the recipe's own; see `weights.DEFAULT_WEIGHTS` for the others.
        judge: whether the judge is asked at all; without it rules alone decide.
        seed: of the judge's answers, together with the case.
        existing: backgrounds and messages that a new session must not repeat.
    """

    def __init__(self, weights: Mapping[str, float], judge: bool, seed: int, existing: Sequence[str] = ()):
        self.weights = weights_of("session", weights)
        self.judge, self.seed = judge, seed
        self.known = KnownTexts(existing, ALIKE)
        self.session_judge = SessionJudge()

    def __call__(self, case: SessionCase, attempt: dspy.Prediction) -> Quality:
        """Return the quality of a session; 0 for an attempt that failed."""
        if attempt.failure:
            return judge_failure(attempt.failure, attempt.complaints)
        session, tally = attempt.outcome, Tally(self.weights)
        enter_refusals(tally, attempt, ROLES.__getitem__)
        tally.look("craft", "novelty", "safety", *(() if self.judge else JUDGED))
        faults = check_session(session)
        _enter_faults(tally, session, faults)
        for sentence, asks in self._find_copies(session, attempt.shown):
            tally.find("novelty", 0.5, sentence, asks)
        if self.judge and tally.score:
            self._ask_judge(tally, session, {fault.name for fault in faults})
        return tally.quality

    def _find_copies(self, session: Session, shown: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield a sentence and predictors for each text of a session that repeats a known one.

        What is said where life is at risk is left out: it is to be plain, and not new.
        """
        mads = session.plan.method == "mads"
        texts: list[tuple[str, str, tuple[str, ...]]] = [("the background", session.background, BACKGROUND)]
        for number, turn in enumerate(session.turns, 1):
            at_risk = turn.phase == SAFETY or turn.stage.partition(":")[0] in SAFETY_STAGES
            if not at_risk and len(turn.text.split()) >= MIN_WORDS:
                texts.append((f"message {number}", turn.text, _asks_of_message(session, number) if mads else DIALOGUE))
        for known, kind in ((self.known, "what exists already"), (KnownTexts(shown, ALIKE), "a demonstration")):
            for name, text, asks in texts:
                if twin := known.find_twin(text):
                    seen = f"{twin.similarity:.0f}% of it is that of {quote(twin.text)}"
                    yield say(f"{name} repeats {kind}, instead of words of its own", seen), asks

    def _ask_judge(self, tally: Tally, session: Session, found: set[str]) -> None:
        tally.look(*JUDGED)
        try:
            judgement = self.session_judge(session=session, seed=derive_seed(self.seed, "quality")).judgement
        except AskFailed:
            for criterion in JUDGED:
                tally.find(criterion, 0.5, UNJUDGED)
            return
        for name in judgement.faults:
            criterion, asks, found_by = OBJECTIONS[name]
            if not found & set(found_by):
                sentence = say(SESSION_FAULTS[name], f"so the judge, who says {quote(judgement.remarks)}")
                tally.find(criterion, 0.5, sentence, asks if session.plan.method == "mads" else DIALOGUE)


def _enter_faults(tally: Tally, session: Session, faults: Sequence[SessionFault]) -> None:
    """Enter what the rules found; a message halves a criterion once, however many faults of it it has."""
    halved = set[tuple[str, int | str]]()
    for fault in faults:
        criterion, about, asks = RULES[fault.name]
        if session.plan.method == "concise":
            asks = DIALOGUE
        elif fault.turn:
            asks = _asks_of_message(session, fault.turn)
        place = (criterion, fault.turn or fault.detail)  # each fault of the whole session stands for itself
        factor = 0.0 if criterion == "safety" else 1.0 if place in halved else 0.5
        halved.add(place)
        tally.find(criterion, factor, say(about, _describe(session, fault)), asks)


def _asks_of_message(session: Session, number: int) -> tuple[str, ...]:
    """Whose message (from 1) it is in a session of several agents."""
    if session.turns[number - 1].speaker == "THERAPIST":
        return THERAPIST
    return CLIENT[:1] if number == 1 else CLIENT[1:]


def _describe(session: Session, fault: SessionFault) -> str:
    """What was seen: the words at fault, where in the session they stand, and of a moment what was planned."""
    if not fault.turn:
        for moment in session.plan.moments:
            if fault.detail.startswith(moment.id):
                about = f"{moment.cell.replace('_', ' ')}, about {moment.subject.name} with {moment.other.name}"
                return fault.detail.replace(moment.id, about, 1)
        return fault.detail
    return f"message {fault.turn} of {len(session.turns)}" + (f", {quote(fault.detail)}" if fault.detail else "")
