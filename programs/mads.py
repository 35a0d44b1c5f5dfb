"""The multi-agent therapy session (MADS): background, client, therapist, and a supervisor who says when it is enough.

The rules (phases by turn, a look every 2 turns from turn 4, at most 14 turns) are the paper's, arXiv 2601.01407,
section A.  A turn is one message of the client and one of the therapist.
"""

from __future__ import annotations

from typing import cast

import dspy

from corpus.records import Look, Moment, Plan, Session, Turn, render_turns
from corpus.safety import voices_risk
from programs.asking import Asker
from programs.briefing import brief_case, care_for, introduce
from programs.messages import (
    SAFETY,
    clean_message,
    phase_of,
    why_not_client,
    why_not_therapist,
)
from signatures.session import (
    ContinueAsClient,
    OpenAsClient,
    RespondAsTherapist,
    SuperviseSession,
    WriteBackground,
)

FIRST_LOOK, LOOK_EVERY, LAST_TURN = 4, 2, 14
RECENT_TURNS = 4
MIN_BACKGROUND_WORDS, MAX_BACKGROUND_WORDS = 150, 500  # asked for: 200-400; outside these the writer is asked again
RISK = "at risk: says, without any detail, that staying alive has become a question"
HELD = "held: answers what was asked about safety, and says who can be there"


class TherapySession(dspy.Module):
    """Plan → `dspy.Prediction(session=Session, calls=int, retries=int, complaints=dict[reason, int])`."""

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
        written = ask("background", self.write_background, check=_check_background, **brief_case(plan))
        background = written.background.strip()
        turns: list[Turn] = []
        looks: list[Look] = []
        waiting = list(plan.moments)
        expected = max(FIRST_LOOK, len(plan.moments) + 2 * bool(plan.risk_turn))
        for number in range(1, LAST_TURN + 1):
            stage = RISK if number == plan.risk_turn else HELD if _risk_in(turns) else plan.stage(number, expected)
            moment = waiting.pop(0) if waiting and stage not in (RISK, HELD) else None
            turns.append(self._client_turn(ask, plan, background, turns, moment, stage))
            turns.append(self._therapist_turn(ask, plan, turns, number))
            if number >= FIRST_LOOK and (number - FIRST_LOOK) % LOOK_EVERY == 0:
                looks.append(self._look(ask, plan, turns, number))
                if looks[-1].complete and number >= plan.risk_turn:
                    break
        session = Session(id=plan.id, plan=plan, background=background, turns=tuple(turns), looks=tuple(looks))
        return dspy.Prediction(session=session, **ask.costs)

    def _client_turn(
        self, ask: Asker, plan: Plan, background: str, turns: list[Turn], moment: Moment | None, stage: str
    ) -> Turn:
        inputs = {
            "client": introduce(plan.client),
            "background": background,
            "manner": plan.attributes.manner,
            "stage": stage,
            "moment": moment.brief() if moment else "none",
        }
        predictor = self.continue_as_client if turns else self.open_as_client
        if turns:
            inputs["recent_turns"] = render_turns(turns[-RECENT_TURNS:])
        said = {turn.text for turn in turns}
        answer = ask(
            "client", predictor, check=lambda a: why_not_client(clean_message(a.message, "CLIENT"), said), **inputs
        )
        return Turn(
            speaker="CLIENT",
            text=clean_message(answer.message, "CLIENT"),
            moment=moment.id if moment else "",
            stage=stage,
        )

    def _therapist_turn(self, ask: Asker, plan: Plan, turns: list[Turn], number: int) -> Turn:
        said, heard = {turn.text for turn in turns}, turns[-1].text
        phase = SAFETY if voices_risk(heard) or _risk_in(turns[:-1]) else phase_of(number)
        answer = ask(
            "therapist",
            self.respond_as_therapist,
            check=lambda a: why_not_therapist(clean_message(a.message, "THERAPIST"), said, heard),
            phase=phase,
            care=care_for(plan),
            recent_turns=render_turns(turns[-RECENT_TURNS:]),
        )
        return Turn(speaker="THERAPIST", text=clean_message(answer.message, "THERAPIST"), phase=phase.partition(":")[0])

    def _look(self, ask: Asker, plan: Plan, turns: list[Turn], number: int) -> Look:
        answer = ask(
            "supervisor", self.supervise,
            planned="\n".join(_describe(moment) for moment in plan.moments), transcript=render_turns(turns),
        )  # fmt: skip
        fields = ("scenario_clear", "emotions_present", "causes_present", "dilemma_present", "rich_enough")
        return Look(turn=number, **{name: cast(bool, answer[name]) for name in fields})


def _risk_in(turns: list[Turn]) -> bool:
    """Whether the client's last message voiced risk: the turn after it still belongs to safety."""
    return bool(turns) and voices_risk(turns[-2].text)


def _describe(moment: Moment) -> str:
    kind = moment.sub_category or moment.category
    return f"{kind.replace('_', ' ')}: about {moment.subject.name}, with {moment.other.name}"


def _check_background(answer: dspy.Prediction) -> str:
    words = len(answer.background.split())
    if not MIN_BACKGROUND_WORDS <= words <= MAX_BACKGROUND_WORDS:
        return f"background length: it has {words} words, wanted are 200 to 400"
    return ""
