from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest

from programs.asking import ATTEMPTS, Asker, AskFailed
from signatures.session import RespondAsTherapist

TALK = {
    "phase": "meaning: explore",
    "care": "nothing in particular",
    "recent_turns": "CLIENT: I left early.\nTHERAPIST: And?\nCLIENT: I went home.",
}
THERAPIST = dspy.Predict(RespondAsTherapist)
Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


def test_an_acceptable_answer_is_asked_for_once(played: Played) -> None:
    lm = played(lambda prompt, values: values)
    ask = Asker(seed=1)
    with dspy.context(lm=lm):
        assert ask("therapist", THERAPIST, check=lambda answer: "", **TALK).message
    assert (ask.calls, ask.retries, len(lm.engine.prompts)) == (1, 0, 1)
    assert "complaint" not in lm.engine.prompts[0].inputs


def test_a_complaint_stands_in_the_next_prompt_beside_the_same_inputs(played: Played) -> None:
    lm = played(lambda prompt, values: {"message": f"answer {prompt.inputs.get('complaint', 'first')}"})
    ask = Asker(seed=1)
    with dspy.context(lm=lm):
        answer = ask(
            "therapist", THERAPIST, check=lambda a: "too plain: add warmth" if "first" in a.message else "", **TALK
        )
    assert answer.message == "answer too plain: add warmth"
    assert (ask.calls, ask.retries) == (2, 1)
    assert lm.engine.prompts[1].inputs == {**lm.engine.prompts[0].inputs, "complaint": "too plain: add warmth"}
    assert "complaint" not in THERAPIST.signature.fields


def test_the_last_complaint_counts(played: Played) -> None:
    lm = played(lambda prompt, values: {"message": str(len(lm.engine.prompts))})
    with dspy.context(lm=lm), pytest.raises(AskFailed) as caught:
        Asker(seed=1)("therapist", THERAPIST, check=lambda answer: f"bad number: {answer.message}", **TALK)
    assert [prompt.inputs.get("complaint") for prompt in lm.engine.prompts] == [None, "bad number: 1", "bad number: 2"]
    assert caught.value.reason == "therapist: bad number"
    assert str(caught.value) == "therapist: bad number: 3"


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()])
def test_unreadable_answers_are_asked_for_again_and_counted_under_one_reason(
    played: Played, adapter: dspy.Adapter
) -> None:
    lm = played(lambda prompt, values: f"I would rather not, {len(lm.engine.prompts)}")
    ask = Asker(seed=1)
    with dspy.context(lm=lm, adapter=adapter), pytest.raises(AskFailed) as caught:
        ask("therapist", THERAPIST, **TALK)
    assert caught.value.reason == "therapist: unreadable answer"
    assert len(str(caught.value).splitlines()) == 1
    assert ask.calls == ATTEMPTS == 3
    assert len({prompt.seed for prompt in lm.engine.prompts}) == ATTEMPTS


def test_a_model_that_is_out_of_reach_is_not_a_bad_answer(played: Played) -> None:
    def breaks(prompt: Any, values: dict[str, Any]) -> str:
        raise dspy.lm15.TransportError("no route")

    ask = Asker(seed=1)
    with dspy.context(lm=played(breaks)), pytest.raises(dspy.LMError, match="no route"):
        ask("therapist", THERAPIST, **TALK)
    assert ask.calls == 1


def test_every_call_has_its_own_seed_and_the_same_ones_again(played: Played) -> None:
    def seeds(seed: int) -> list[int]:
        lm = played(lambda prompt, values: values)
        ask = Asker(seed)
        with dspy.context(lm=lm):
            for _ in range(5):
                ask("therapist", THERAPIST, **TALK)
        return [prompt.seed for prompt in lm.engine.prompts]

    assert len(set(seeds(1))) == 5
    assert seeds(1) == seeds(1)
    assert not set(seeds(1)) & set(seeds(2))
