from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.config import VerifyConfig
from corpus.judgements import AMBIGUOUS, DISPUTED, why_aside
from corpus.records import Draft, Judgement, Solved, UnderstandingDraft
from programs.asking import AskFailed
from programs.verify.posing import letter_choices
from programs.verify.solver import BlindSolver, is_settled
from signatures.formats import LETTERS

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]
FIVE = VerifyConfig()


def key_of(draft: Draft) -> tuple[str, ...]:
    return (draft.emotion, draft.cause) if isinstance(draft, UnderstandingDraft) else (draft.best,)


def letter_for(prompt: Any, field: str, text: str) -> str:
    return next(str(line[0]) for line in prompt.inputs[field].splitlines() if line[3:] == text)


def answers(draft: Draft, rights: list[bool]) -> Callable[[Any, dict[str, Any]], Any]:
    """Plays a reader who is right in some votes and takes the first wrong answer of the last question in others."""
    given_ = iter(rights)

    def play(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        fields = ["emotion_choices", "cause_choices"] if draft.task == "EU" else ["choices"]
        picks = list(key_of(draft))
        if not next(given_):
            picks[-1] = draft.wrong_causes[0] if isinstance(draft, UnderstandingDraft) else draft.wrong[0]
        letters = [letter_for(prompt, field, pick) for field, pick in zip(fields, picks, strict=True)]
        names = [name for name in values if name.startswith("answer")]
        return {"reasoning": "Read."} | dict(zip(names, letters, strict=True))

    return play


def solve(judge: dspy.LM, draft: Draft, config: VerifyConfig = FIVE, seed: int = 0) -> dspy.Prediction:
    with dspy.context(roles={"judge": judge}):
        return BlindSolver()(draft=draft, config=config, seed=seed)


@pytest.mark.parametrize(
    ("rights", "asked", "reason"),
    [
        ("1111", 4, ""),
        ("01111", 5, ""),
        ("00111", 5, AMBIGUOUS),
        ("11010", 5, AMBIGUOUS),
        ("000", 3, DISPUTED),
        ("01010", 5, DISPUTED),
        ("0100", 4, DISPUTED),
    ],
)
def test_asking_ends_when_the_end_is_settled(
    played: Played, draft: Draft, rights: str, asked: int, reason: str
) -> None:
    votes = [right == "1" for right in rights]
    judge = played(answers(draft, votes))
    answer = solve(judge, draft)
    assert (answer.solved.asked, answer.solved.right) == (asked, sum(votes))
    assert answer.calls == len(judge.engine.prompts) == asked
    assert why_aside(Judgement(id=draft.id, solved=answer.solved), FIVE) == reason


def test_votes_are_counted_by_the_text_of_the_choice(played: Played, draft: Draft) -> None:
    solved = solve(played(answers(draft, [True, False, True, True, True])), draft).solved
    *first, last = solved.votes
    wrong = draft.wrong_causes[0] if isinstance(draft, UnderstandingDraft) else draft.wrong[0]
    assert last == {key_of(draft)[-1]: 4, wrong: 1}
    assert first == [{key: 5} for key in key_of(draft)[:-1]]


def test_the_judge_sees_no_key_and_another_order_in_every_vote(played: Played, draft: Draft) -> None:
    judge = played(answers(draft, [True] * 4))
    solve(judge, draft)
    prompts = judge.engine.prompts
    fields = [name for name in prompts[0].inputs if name.endswith("choices")]
    assert len({tuple(prompt.inputs[name] for name in fields) for prompt in prompts}) > 1
    assert len({prompt.seed for prompt in prompts}) == len(prompts)
    for prompt in prompts:
        assert set(prompt.inputs) - {"question", "question_1", "question_2", "scenario"} == set(fields)
        assert prompt.outputs[0] == "reasoning"
        assert not any(draft.explanation in value for value in prompt.inputs.values())


def test_the_same_seed_poses_the_same_and_another_seed_another(played: Played, draft: Draft) -> None:
    def posed(seed: int) -> list[dict[str, str]]:
        judge = played(answers(draft, [True] * 4))
        solve(judge, draft, seed=seed)
        return [prompt.inputs for prompt in judge.engine.prompts]

    assert posed(1) == posed(1)
    assert posed(1) != posed(2)


def test_an_unreadable_letter_is_asked_again_and_one_that_stays_so_is_a_named_failure(
    played: Played, draft: Draft
) -> None:
    def mumble(prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        if "complaint" in prompt.inputs:
            return values
        return values | {name: "hard to say" for name in values if name.startswith("answer")}

    answer = solve(played(mumble), draft, VerifyConfig(votes=1))
    assert (answer.solved.asked, answer.calls) == (1, 2)
    assert answer.complaints == {"judge: unreadable letter": 1}
    with pytest.raises(AskFailed) as caught:
        solve(played(lambda prompt, values: dict.fromkeys(values, "hard to say")), draft)
    assert caught.value.reason == "judge: unreadable letter"


def test_no_votes_ask_nothing(played: Played, draft: Draft) -> None:
    judge = played(lambda prompt, values: values)
    assert solve(judge, draft, VerifyConfig(votes=0)).solved.asked == 0
    assert judge.engine.prompts == []


@given(
    rights=st.lists(st.booleans(), min_size=1, max_size=25),
    agreement=st.sampled_from([0.51, 0.55, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]),
)
def test_an_early_end_is_the_end_that_all_votes_would_have_led_to(rights: list[bool], agreement: float) -> None:
    config = VerifyConfig(votes=len(rights), agreement=agreement)

    def end(asked: int) -> str:
        solved = Solved(asked=asked, right=sum(rights[:asked]), votes=())
        return why_aside(Judgement(id="x", solved=solved), config)

    asked = next(n for n in range(len(rights) + 1) if is_settled(n, sum(rights[:n]), config))
    assert asked >= 1
    assert end(asked) == end(len(rights))


def test_the_scripted_judge_solves_its_own_items(drafts: list[Draft]) -> None:
    solver = BlindSolver()
    solved = [solver(draft=draft, config=FIVE, seed=seed).solved for seed, draft in enumerate(drafts)]
    assert sum(one.agreement >= FIVE.agreement for one in solved) >= 0.93 * len(drafts)
    assert sum(one.asked for one in solved) < 4.5 * len(drafts)


def test_letters_suffice_for_the_choices_of_an_item(draft: Draft) -> None:
    lines = letter_choices(key_of(draft) * 5).splitlines()
    assert [line[:3] for line in lines] == [f"{letter}) " for letter in LETTERS[: len(lines)]]
