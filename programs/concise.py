"""The concise pipeline: a short case and five rounds in two calls, no supervisor (arXiv 2601.01407, section B)."""

from __future__ import annotations

import dspy

from corpus.records import Plan, Session, Turn
from corpus.safety import voices_risk
from programs.asking import Asker
from programs.briefing import brief_case, brief_moments, care_for, introduce
from programs.messages import (
    SAFETY,
    clean_message,
    phase_of,
    why_not_client,
    why_not_therapist,
)
from signatures.session import WriteCase, WriteDialogue

ROUNDS = 5
MIN_CASE_WORDS, MAX_CASE_WORDS = 50, 260  # asked for: 80-160


class ConciseSession(dspy.Module):
    """Plan → `dspy.Prediction(session=Session, calls, retries, complaints)`, as `TherapySession` gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.write_case = dspy.Predict(WriteCase)
        self.write_dialogue = dspy.Predict(WriteDialogue)

    def forward(self, plan: Plan) -> dspy.Prediction:
        """Write one case.

        Raises:
            AskFailed: a role gave no acceptable answer; the session is lost and counted.
        """
        ask = Asker(plan.seed)
        background = ask("background", self.write_case, check=_check_case, **brief_case(plan)).case.strip()
        stages = [plan.stage(number, ROUNDS) for number in range(1, ROUNDS + 1)]
        messages = ask(
            "dialogue",
            self.write_dialogue,
            check=_check_dialogue,
            background=background,
            manner=plan.attributes.manner,
            arc="\n".join(stages),
            client=introduce(plan.client),
            moments=brief_moments(plan),
            care=care_for(plan),
        ).messages
        turns: list[Turn] = []
        for index, text in enumerate(messages):
            number, by_therapist = divmod(index, 2)
            told = plan.moments[number].id if number < len(plan.moments) else ""
            if by_therapist:
                phase = SAFETY if voices_risk(turns[-1].text) else phase_of(number + 1)
                said = clean_message(text, "THERAPIST")
                turns.append(Turn(speaker="THERAPIST", text=said, phase=phase.partition(":")[0]))
            else:
                said = clean_message(text, "CLIENT")
                turns.append(Turn(speaker="CLIENT", text=said, moment=told, stage=stages[number]))
        session = Session(id=plan.id, plan=plan, background=background, turns=tuple(turns), looks=())
        return dspy.Prediction(session=session, **ask.costs)


def _check_case(answer: dspy.Prediction) -> str:
    words = len(answer.case.split())
    if not MIN_CASE_WORDS <= words <= MAX_CASE_WORDS:
        return f"case length: it has {words} words, wanted are 80 to 160"
    return ""


def _check_dialogue(answer: dspy.Prediction) -> str:
    if len(answer.messages) != 2 * ROUNDS:
        return f"wrong count: {len(answer.messages)} messages, wanted are {2 * ROUNDS}, client and therapist in turn"
    said: set[str] = set()
    heard = ""
    for index, message in enumerate(answer.messages):
        text = clean_message(message, "THERAPIST" if index % 2 else "CLIENT")
        fault = why_not_therapist(text, said, heard) if index % 2 else why_not_client(text, said)
        if fault:
            return f"{fault} (message {index + 1})"
        said.add(text)
        heard = text
    return ""
