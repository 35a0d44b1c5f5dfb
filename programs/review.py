"""The reviewer: a judge model names the faults of an item, or of a message, that a rubric lists."""

from __future__ import annotations

from collections.abc import Mapping

import dspy

from corpus.records import ApplicationDraft, Turn, UnderstandingDraft, render_turns
from programs.asking import Asker
from signatures.judging import (
    CLIENT_FAULTS,
    ITEM_FAULTS,
    THERAPIST_FAULTS,
    ReviewApplicationItem,
    ReviewMessage,
    ReviewUnderstandingItem,
)


class Reviewer(dspy.Module):
    """Draft or message → `dspy.Prediction(remarks=str, faults=list[str])`; asks the role ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.review_understanding = dspy.Predict(ReviewUnderstandingItem)
        self.review_application = dspy.Predict(ReviewApplicationItem)
        self.review_message = dspy.Predict(ReviewMessage)

    def forward(self, draft: UnderstandingDraft | ApplicationDraft, seed: int = 0) -> dspy.Prediction:
        """Review an item.

        Raises:
            AskFailed: the judge gave no acceptable answer.
        """
        understanding = isinstance(draft, UnderstandingDraft)
        names = ("emotion", "wrong_emotions", "cause", "wrong_causes") if understanding else ("best", "wrong")
        values = draft.model_dump(mode="json", include={"scenario", "subject", "explanation", *names})
        predictor = self.review_understanding if understanding else self.review_application
        return self._ask(predictor, ITEM_FAULTS, seed, **values)

    def review_turn(self, turns: list[Turn], index: int, seed: int = 0) -> dspy.Prediction:
        """Review message ``index`` of a session, given the four before it; raises AskFailed."""
        turn = turns[index]
        rubric = CLIENT_FAULTS if turn.speaker == "CLIENT" else THERAPIST_FAULTS
        before = render_turns(turns[max(0, index - 4) : index])
        return self._ask(
            self.review_message, rubric, seed, speaker=turn.speaker, recent_turns=before, message=turn.text
        )

    @staticmethod
    def _ask(predictor: dspy.Predict, rubric: Mapping[str, str], seed: int, **values: object) -> dspy.Prediction:
        def check(answer: dspy.Prediction) -> str:
            unknown = [name for name in answer.faults if name not in rubric]
            return f"unknown fault: {unknown[0]!r} is not in the rubric" if unknown else ""

        lines = "\n".join(f"{name}: {about}" for name, about in rubric.items())
        return Asker(seed)("judge", predictor, check=check, rubric=lines, **values)
