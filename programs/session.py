"""The multi-agent therapy session: background, client, therapist, and a supervisor who says when it is enough.

The rules (phases by turn, a look every 2 turns from turn 4, at most 14 turns) are the paper's, arXiv 2601.01407,
section A.  A turn is one message of the client and one of the therapist.
"""

from __future__ import annotations

from typing import cast

import dspy

from corpus.records import Look, Moment, Person, Plan, Session, Turn, render_turns
from corpus.text import one_line
from programs.asking import Asker, Check
from signatures.session import (
    ContinueAsClient,
    OpenAsClient,
    RespondAsTherapist,
    SuperviseSession,
    WriteBackground,
)

FIRST_LOOK, LOOK_EVERY, LAST_TURN = 4, 2, 14
RECENT_TURNS = 4
MIN_BACKGROUND_WORDS, MAX_BACKGROUND_WORDS = 120, 600  # asked for: 200-400; outside these the writer is asked again


def phase_of(turn: int) -> str:
    """Return what the therapist works on in a turn (1-based), by the paper's three phases."""
    if turn <= 2:
        return "facts and feelings: find out what happened, and tell it apart from what was felt"
    if turn <= 4:
        return "meaning: explore beliefs, values, culture, and what things and people stand for"
    return "perspective: look at it through the eyes of others, and at what could be done"


class TherapySession(dspy.Module):
    """Plan → `dspy.Prediction(session=Session, calls=int, retries=int)`."""

    def __init__(self) -> None:
        super().__init__()
        self.write_background = dspy.Predict(WriteBackground)
        self.open_as_client = dspy.Predict(OpenAsClient)
        self.continue_as_client = dspy.Predict(ContinueAsClient)
        self.respond_as_therapist = dspy.Predict(RespondAsTherapist)
        self.supervise = dspy.Predict(SuperviseSession)

    def forward(self, plan: Plan) -> dspy.Prediction:
        """Hold one session.

        Raises:
            AskFailed: a role gave no acceptable answer; the session is lost and counted.
        """
        ask = Asker(plan.seed)
        background = ask(
            "background",
            self.write_background,
            check=_check_background,
            persona=plan.persona.persona,
            client=_introduce(plan.client),
            theme=f"{plan.theme.theme}. {plan.theme.description}",
            moments="\n\n".join(moment.brief() for moment in plan.moments),
        ).background.strip()
        turns: list[Turn] = []
        looks: list[Look] = []
        waiting = list(plan.moments)
        for number in range(1, LAST_TURN + 1):
            moment = waiting.pop(0) if waiting else None
            turns.append(self._client_turn(ask, plan, background, turns, moment))
            turns.append(self._therapist_turn(ask, turns, number))
            if number >= FIRST_LOOK and (number - FIRST_LOOK) % LOOK_EVERY == 0:
                looks.append(self._look(ask, plan, turns, number))
                if looks[-1].complete:
                    break
        session = Session(id=plan.id, plan=plan, background=background, turns=tuple(turns), looks=tuple(looks))
        return dspy.Prediction(session=session, calls=ask.calls, retries=ask.retries)

    def _client_turn(self, ask: Asker, plan: Plan, background: str, turns: list[Turn], moment: Moment | None) -> Turn:
        inputs = {
            "client": _introduce(plan.client),
            "background": background,
            "manner": plan.manner,
            "moment": moment.brief() if moment else "none",
        }
        predictor = self.continue_as_client if turns else self.open_as_client
        if turns:
            inputs["recent_turns"] = render_turns(turns[-RECENT_TURNS:])
        answer = ask("client", predictor, check=_check_message({turn.text for turn in turns}), **inputs)
        return Turn(speaker="CLIENT", text=one_line(answer.message), moment=moment.id if moment else "")

    def _therapist_turn(self, ask: Asker, turns: list[Turn], number: int) -> Turn:
        answer = ask(
            "therapist", self.respond_as_therapist, check=_check_message({turn.text for turn in turns}),
            phase=phase_of(number), recent_turns=render_turns(turns[-RECENT_TURNS:]),
        )  # fmt: skip
        return Turn(speaker="THERAPIST", text=one_line(answer.message))

    def _look(self, ask: Asker, plan: Plan, turns: list[Turn], number: int) -> Look:
        answer = ask(
            "supervisor", self.supervise,
            planned="\n".join(_describe(moment) for moment in plan.moments), transcript=render_turns(turns),
        )  # fmt: skip
        fields = ("scenario_clear", "emotions_present", "causes_present", "dilemma_present", "rich_enough")
        return Look(turn=number, **{name: cast(bool, answer[name]) for name in fields})


def _introduce(person: Person) -> str:
    return f"{person.name} ({person.pronouns})"


def _describe(moment: Moment) -> str:
    kind = moment.sub_category or moment.category
    return f"{kind.replace('_', ' ')}: about {moment.subject.name}, with {moment.other.name}"


def _check_background(answer: dspy.Prediction) -> str:
    words = len(answer.background.split())
    if not MIN_BACKGROUND_WORDS <= words <= MAX_BACKGROUND_WORDS:
        return f"background length: it has {words} words, wanted are 200 to 400"
    return ""


def _check_message(said: set[str]) -> Check:
    def check(answer: dspy.Prediction) -> str:
        message = one_line(answer.message)
        if not message:
            return "empty message: say something"
        if message in said:
            return "repeated turn: this was said before, word for word; say something new"
        return ""

    return check
