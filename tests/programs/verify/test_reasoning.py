from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest

from corpus.records import ApplicationDraft, Draft, UnderstandingDraft
from programs.asking import AskFailed
from programs.verify.reasoning import ReasoningJudge

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


def judge(lm: dspy.LM, answer: str = "Relief\nShe won", reasoning: str = "She won.", **told: str) -> dspy.Prediction:
    with dspy.context(roles={"judge": lm}):
        told = {"scenario": "Ada won.", "question": "What?\nWhy?", **told}
        return ReasoningJudge()(answer=answer, reasoning=reasoning, **told)


def test_the_judge_sees_the_answer_and_not_the_key(played: Played) -> None:
    lm = played(lambda prompt, values: {"remarks": " Told. ", "grounded": "yes", "consistent": "partly"})
    found = judge(lm)
    assert (found.remarks, found.grounded, found.consistent, found.calls) == ("Told.", "yes", "partly", 1)
    (prompt,) = lm.engine.prompts
    assert prompt.inputs == {
        "scenario": "Ada won.", "question": "What?\nWhy?", "reasoning": "She won.", "answer": "Relief\nShe won",
    }  # fmt: skip


def test_another_score_is_asked_again(played: Played) -> None:
    with pytest.raises(AskFailed) as caught:
        judge(played(lambda prompt, values: {"remarks": "Hm.", "grounded": "very", "consistent": "yes"}))
    assert caught.value.reason == "judge: unreadable answer"


def test_the_scripted_judge_tells_sound_reasoning_from_another_items(
    flawless_teacher: dspy.LM, drafts: list[Draft]
) -> None:
    def of(draft: Draft, other: Draft) -> tuple[str, str]:
        found = judge(flawless_teacher, answer_of(draft), other.explanation, scenario=draft.scenario)
        return found.grounded, found.consistent

    own = [of(draft, draft) for draft in drafts[:30]]
    foreign = [of(draft, other) for draft, other in zip(drafts[:30], drafts[30:60], strict=True)]
    turned = [
        judge(flawless_teacher, draft.wrong[0], draft.explanation, scenario=draft.scenario).consistent
        for draft in drafts
        if isinstance(draft, ApplicationDraft)
    ]
    assert turned.count("yes") <= 0.1 * len(turned), "to a wrong answer that the reasoning may name, and refutes"
    assert own.count(("yes", "yes")) >= 24
    assert sum(grounded == "yes" for grounded, _ in foreign) <= 6
    assert sum(consistent == "yes" for _, consistent in foreign) <= 6


def answer_of(draft: Draft) -> str:
    if isinstance(draft, UnderstandingDraft):
        return f"{draft.emotion}\n{draft.cause}"
    assert isinstance(draft, ApplicationDraft)
    return draft.best
