"""The session judge: whether a session as a whole has what its items are to be drawn from."""

from __future__ import annotations

import dspy

from corpus.records import Session, SessionJudgement, render_turns
from corpus.seeds import derive_seed
from programs.asking import Asker
from programs.verify.findings import confirm, read_scores
from signatures.judging import SESSION_SCORES, JudgeSession


class SessionJudge(dspy.Module):
    """Session → `dspy.Prediction(judgement=SessionJudgement, calls, retries, complaints)`; asks the role ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.judge_session = dspy.Predict(JudgeSession)

    def forward(self, session: Session, seed: int = 0) -> dspy.Prediction:
        """Judge a session once, and again when a fault was found.

        Args:
            session: what is to be judged.
            seed: the run's; each session gets one of its own from it.

        Raises:
            AskFailed: the judge gave no acceptable answer.
        """
        ask = Asker(derive_seed(seed, session.id, "session"))
        transcript = render_turns(session.turns)
        found = confirm(lambda: read_scores(ask("judge", self.judge_session, transcript=transcript), SESSION_SCORES))
        judgement = SessionJudgement(id=session.id, faults=found.faults, remarks=found.remarks)
        return dspy.Prediction(judgement=judgement, **ask.costs)
