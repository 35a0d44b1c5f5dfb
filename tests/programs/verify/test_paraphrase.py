from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest

from corpus.records import Draft
from programs.asking import AskFailed
from programs.verify.paraphrase import ParaphraseJudge

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]
OURS = "Mira found the letter in the drawer, unopened, and put it back without a word."
THEIRS = "Without a word the unopened letter that Mira found was put back in the drawer."


def compare(judge: dspy.LM, one: str = OURS, other: str = THEIRS, seed: int = 0) -> dspy.Prediction:
    with dspy.context(roles={"judge": judge}):
        return ParaphraseJudge()(scenario=one, exam_scenario=other, seed=seed)


@pytest.mark.parametrize(
    ("relation", "paraphrase"), [("same story", True), ("same theme", False), ("different", False)]
)
def test_only_the_same_story_is_a_paraphrase(played: Played, relation: str, paraphrase: bool) -> None:
    judge = played(lambda prompt, values: {"remarks": "Both about a letter.", "relation": relation})
    answer = compare(judge)
    assert (answer.paraphrase, answer.relation, answer.remarks) == (paraphrase, relation, "Both about a letter.")
    assert answer.calls == 1
    (prompt,) = judge.engine.prompts
    assert prompt.inputs == {"scenario": OURS, "exam_scenario": THEIRS}
    assert prompt.outputs == ("remarks", "relation")


def test_another_relation_is_asked_again(played: Played) -> None:
    with pytest.raises(AskFailed) as caught:
        compare(played(lambda prompt, values: {"remarks": "Hm.", "relation": "cousins"}))
    assert caught.value.reason == "judge: unreadable answer"


def test_the_scripted_judge_knows_a_reordered_text_from_another(flawless_teacher: dspy.LM, drafts: list[Draft]) -> None:
    scenarios = [draft.scenario for draft in drafts[:40]]
    turned = [". ".join(reversed(text.rstrip(".").split(". "))) for text in scenarios]
    same = [compare(flawless_teacher, one, other).paraphrase for one, other in zip(scenarios, turned, strict=True)]
    others = [
        compare(flawless_teacher, one, other).paraphrase for one, other in zip(scenarios[1:], turned[:-1], strict=True)
    ]
    assert sum(same) >= 0.85 * len(same)
    assert sum(others) <= 4
    assert compare(flawless_teacher).paraphrase
    assert not compare(flawless_teacher, OURS, "The bus was late, and Jonas ran all the way to the harbour.").paraphrase
