"""The writer of sessions: holds each plan's session by the plan's own method."""

from __future__ import annotations

from collections.abc import Collection

import dspy

from corpus.records import Method, Plan
from programs.concise import ConciseSession
from programs.mads import TherapySession

METHODS: dict[Method, type[dspy.Module]] = {"mads": TherapySession, "concise": ConciseSession}


class SessionWriter(dspy.Module):
    """Plan → `dspy.Prediction(session=Session, calls, retries, complaints)`.

    Args:
        methods: which methods it masters; an optimizer would spend calls on the prompts of one that no plan has.
    """

    def __init__(self, methods: Collection[Method] = ("mads", "concise")) -> None:
        super().__init__()
        for method in METHODS:
            if method in methods:
                setattr(self, method, METHODS[method]())

    def forward(self, plan: Plan) -> dspy.Prediction:
        """Hold one session.

        Raises:
            AskFailed: a role gave no acceptable answer; the session is lost and counted.
            AttributeError: the plan's method is not one that the writer masters.
        """
        return getattr(self, plan.method)(plan=plan)
