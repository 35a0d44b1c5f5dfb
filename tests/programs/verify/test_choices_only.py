from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy

from corpus.records import Draft
from programs.verify.choices_only import ChoicesOnlyReader
from programs.verify.posing import pose
from signatures.formats import LETTERS

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


def guess(judge: dspy.LM, draft: Draft, seed: int = 0) -> dspy.Prediction:
    with dspy.context(roles={"judge": judge}):
        return ChoicesOnlyReader()(draft=draft, seed=seed)


def test_the_reader_sees_questions_and_options_and_no_scenario(played: Played, draft: Draft) -> None:
    judge = played(lambda prompt, values: values)
    assert guess(judge, draft).calls == 1
    (prompt,) = judge.engine.prompts
    wanted = {"question_1", "emotion_choices", "question_2", "cause_choices"}
    assert set(prompt.inputs) == (wanted if draft.task == "EU" else {"question", "choices"})
    assert not any(draft.scenario in value for value in prompt.inputs.values())


def test_a_guess_is_right_only_when_all_questions_are(played: Played, draft: Draft) -> None:
    posed = pose(draft, 0, "choices only")
    keys = [LETTERS[choices.index(key)] for choices, key in posed.questions]
    wrong = [*keys[:-1], "B" if keys[-1] == "A" else "A"]
    for letters, guessed in ((keys, True), (wrong, False)):

        def say(prompt: Any, values: dict[str, Any], letters: list[str] = letters) -> dict[str, Any]:
            return {"reasoning": "x"} | dict(zip((n for n in values if n != "reasoning"), letters, strict=True))

        assert guess(played(say), draft).guessed is guessed


def test_the_scripted_judge_guesses_at_chance(drafts: list[Draft]) -> None:
    read = ChoicesOnlyReader()
    for task, chance in (("EU", 1 / 24), ("EA", 1 / 4)):
        asked = [draft for draft in drafts if draft.task == task]
        guessed = [read(draft=draft, seed=seed).guessed for seed in range(6) for draft in asked]
        error = (chance * (1 - chance) / len(guessed)) ** 0.5
        assert abs(sum(guessed) / len(guessed) - chance) < 4 * error
