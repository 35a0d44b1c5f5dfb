"""The reviewer: a judge model names the faults of an item, of its explanation, or of a message of a session."""

from __future__ import annotations

from collections.abc import Mapping

import dspy

from corpus.records import ApplicationDraft, Turn, UnderstandingDraft, render_turns
from corpus.text import one_line
from programs.asking import Asker
from programs.verify.findings import Finding, read_scores
from signatures.judging import (
    CLIENT_FAULTS,
    EXPLANATION_SCORES,
    ITEM_FAULTS,
    THERAPIST_FAULTS,
    ReviewApplicationItem,
    ReviewExplanation,
    ReviewMessage,
    ReviewUnderstandingItem,
)


class Reviewer(dspy.Module):
    """Draft → `dspy.Prediction(remarks=str, faults=list[str], calls, retries, complaints)`; asks the role ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.review_understanding = dspy.Predict(ReviewUnderstandingItem)
        self.review_application = dspy.Predict(ReviewApplicationItem)
        self.review_explanation = dspy.Predict(ReviewExplanation)
        self.review_message = dspy.Predict(ReviewMessage)

    def forward(self, draft: UnderstandingDraft | ApplicationDraft, seed: int = 0) -> dspy.Prediction:
        """Look once at an item and once at its explanation; nothing is confirmed.

        Raises:
            AskFailed: the judge gave no acceptable answer.
        """
        ask = Asker(seed)
        item, explanation = self.look_at_item(ask, draft), self.look_at_explanation(ask, draft)
        return dspy.Prediction(
            remarks=f"{item.remarks}\n{explanation.remarks}", faults=[*item.faults, *explanation.faults], **ask.costs
        )

    def look_at_item(self, ask: Asker, draft: UnderstandingDraft | ApplicationDraft) -> Finding:
        """Name faults of ITEM_FAULTS; raises AskFailed."""
        understanding = isinstance(draft, UnderstandingDraft)
        names = ("emotion", "wrong_emotions", "cause", "wrong_causes") if understanding else ("best", "wrong")
        values = draft.model_dump(mode="json", include={"scenario", "subject", *names})
        predictor = self.review_understanding if understanding else self.review_application
        return _look(ask, predictor, ITEM_FAULTS, **values)

    def look_at_explanation(self, ask: Asker, draft: UnderstandingDraft | ApplicationDraft) -> Finding:
        """Name faults of EXPLANATION_FAULTS; raises AskFailed."""
        question, right, wrong = _key_of(draft)
        answer = ask(
            "judge", self.review_explanation, scenario=draft.scenario, question=question, right_answer=right,
            wrong_answers="\n".join(f"- {one_line(text)}" for text in wrong), explanation=draft.explanation,
        )  # fmt: skip
        return read_scores(answer, EXPLANATION_SCORES)

    def review_turn(self, turns: list[Turn], index: int, seed: int = 0) -> dspy.Prediction:
        """Review message ``index`` of a session, given the four before it; raises AskFailed."""
        turn = turns[index]
        rubric = CLIENT_FAULTS if turn.speaker == "CLIENT" else THERAPIST_FAULTS
        before = render_turns(turns[max(0, index - 4) : index])
        ask = Asker(seed)
        found = _look(ask, self.review_message, rubric, speaker=turn.speaker, recent_turns=before, message=turn.text)
        return dspy.Prediction(remarks=found.remarks, faults=list(found.faults), **ask.costs)


def _look(ask: Asker, predictor: dspy.Predict, rubric: Mapping[str, str], **values: object) -> Finding:
    def check(answer: dspy.Prediction) -> str:
        unknown = [name for name in answer.faults if name not in rubric]
        return f"unknown fault: {unknown[0]!r} is not in the rubric" if unknown else ""

    lines = "\n".join(f"{name}: {about}" for name, about in rubric.items())
    answer = ask("judge", predictor, check=check, rubric=lines, **values)
    return Finding(tuple(answer.faults), answer.remarks.strip())


def _key_of(draft: UnderstandingDraft | ApplicationDraft) -> tuple[str, str, tuple[str, ...]]:
    """The question of a draft, its right answer, and the wrong ones."""
    if isinstance(draft, UnderstandingDraft):
        question = f"What is felt in the end, and why? Asked of: {draft.subject}"
        right, wrong = f"{draft.emotion}, because: {draft.cause}", (*draft.wrong_emotions, *draft.wrong_causes)
        return question, right, wrong
    question = f"What would be the most helpful {draft.question_type.lower()}? Asked of: {draft.subject}"
    return question, draft.best, draft.wrong
