from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import dspy
import pytest

from corpus.config import VerifyConfig
from corpus.judgements import why_aside
from corpus.records import Draft, Judgement
from programs.asking import AskFailed
from programs.verify.verifier import Verifier
from signatures.judging import EXPLANATION_SCORES
from tests.programs.verify.conftest import write_drafts

Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]
ALL = VerifyConfig()
KINDS = {"faults": "item", "cites": "explanation"}


def kind_of(prompt: Any) -> str:
    for output, kind in KINDS.items():
        if output in prompt.outputs:
            return kind
    return "solve" if "scenario" in prompt.inputs else "guess"


class Judge:
    """Answers as the scripted judge would who never errs, but for what is set; notes the asks."""

    def __init__(self, draft: Draft, played: Played, **set_: Any):
        self.draft, self.set = draft, set_
        self.lm = played(self._play)

    def _play(self, prompt: Any, values: dict[str, Any]) -> Any:
        kind = kind_of(prompt)
        if kind in self.set:
            return self.set[kind](prompt, values)
        if kind == "item":
            return {"remarks": "Item read.", "faults": []}
        if kind == "explanation":
            return {"remarks": "Explanation read."} | dict.fromkeys(EXPLANATION_SCORES, "yes")
        return self.key(prompt, values) if kind == "solve" else values

    def key(self, prompt: Any, values: dict[str, Any]) -> dict[str, Any]:
        texts = [self.draft.emotion, self.draft.cause] if self.draft.task == "EU" else [self.draft.best]
        fields = [name for name in prompt.inputs if name.endswith("choices")]
        letters = [
            next(line[0] for line in prompt.inputs[field].splitlines() if line[3:] == text)
            for field, text in zip(fields, texts, strict=True)
        ]
        return values | dict(zip([n for n in values if n != "reasoning"], letters, strict=True))

    @property
    def asked(self) -> list[str]:
        return [kind_of(prompt) for prompt in self.lm.engine.prompts]

    def verify(self, config: VerifyConfig = ALL, seed: int = 0) -> dspy.Prediction:
        with dspy.context(roles={"judge": self.lm}):
            return Verifier()(draft=self.draft, config=config, seed=seed)


def always(**values: Any) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    return lambda prompt, said: said | values


def test_a_sound_draft_is_asked_everything_and_no_more(played: Played, draft: Draft) -> None:
    judge = Judge(draft, played)
    answer = judge.verify()
    assert judge.asked == ["item", "explanation", "solve", "solve", "solve", "solve", "guess"]
    found = answer.judgement
    assert (found.id, found.faults, found.remarks) == (draft.id, (), "Item read.\nExplanation read.")
    assert (found.solved.asked, found.solved.right) == (4, 4)
    assert found.guessed in (True, False)
    assert (answer.calls, answer.retries, answer.complaints) == (7, 0, {})
    assert why_aside(found, ALL) == ""


def test_a_confirmed_fault_of_the_item_ends_the_asking(played: Played, draft: Draft) -> None:
    judge = Judge(draft, played, item=always(remarks="Silly.", faults=["absurd_distractor", "long_key"]))
    found = judge.verify().judgement
    assert judge.asked == ["item"] * 3
    assert found == Judgement(id=draft.id, faults=("absurd_distractor", "long_key"), remarks="Silly.")


def test_a_confirmed_fault_of_the_explanation_ends_the_asking(played: Played, draft: Draft) -> None:
    judge = Judge(
        draft, played,
        explanation=always(**dict.fromkeys(EXPLANATION_SCORES, "yes") | {"remarks": "A sister?", "stays_within": "no"}),
    )  # fmt: skip
    found = judge.verify().judgement
    assert judge.asked == ["item"] + ["explanation"] * 3
    assert (found.faults, found.remarks) == (("foreign_fact",), "Item read.\nA sister?")
    assert (found.solved, found.guessed) == (None, None)


def test_a_fault_that_is_seen_once_does_not_count(played: Played, draft: Draft) -> None:
    looks = iter([["long_key"], [], []])
    judge = Judge(draft, played, item=lambda prompt, values: {"remarks": "Look.", "faults": next(looks)})
    found = judge.verify().judgement
    assert judge.asked == ["item"] * 3 + ["explanation"] + ["solve"] * 4 + ["guess"]
    assert (found.faults, found.solved.agreement) == ((), 1.0)


def test_what_the_solver_sets_aside_is_not_guessed_at(played: Played, draft: Draft) -> None:
    judge = Judge(draft, played, solve=lambda prompt, values: values | {"reasoning": "x"} | _first_wrong(draft, prompt))
    found = judge.verify().judgement
    assert judge.asked == ["item", "explanation", "solve", "solve", "solve"]
    assert (found.solved.asked, found.solved.right, found.guessed) == (3, 0, None)
    assert why_aside(found, ALL) == "label disputed"


def _first_wrong(draft: Draft, prompt: Any) -> dict[str, str]:
    """The letter of a wrong answer for the last question, and any for the first."""
    field, text = ("cause_choices", draft.wrong_causes[0]) if draft.task == "EU" else ("choices", draft.wrong[0])
    letter = next(line[0] for line in prompt.inputs[field].splitlines() if line[3:] == text)
    return {"answer_q1": "A", "answer_q2": letter} if draft.task == "EU" else {"answer": letter}


@pytest.mark.parametrize(
    ("off", "asked"),
    [
        ({"review": False}, ["solve"] * 4 + ["guess"]),
        ({"votes": 0}, ["item", "explanation", "guess"]),
        ({"choices_only": False}, ["item", "explanation"] + ["solve"] * 4),
        ({"review": False, "votes": 0}, ["guess"]),
        ({"review": False, "choices_only": False, "votes": 1}, ["solve"]),
        ({"review": False, "choices_only": False, "votes": 0}, []),
    ],
)
def test_what_is_switched_off_is_not_asked(played: Played, draft: Draft, off: dict[str, Any], asked: list[str]) -> None:
    judge = Judge(draft, played)
    found = judge.verify(VerifyConfig(**off)).judgement
    assert judge.asked == asked
    assert (found.solved is None) == ("solve" not in asked)
    assert (found.guessed is None) == ("guess" not in asked)


def test_a_judge_that_gives_no_answer_is_a_failure_with_its_costs(played: Played, draft: Draft) -> None:
    judge = Judge(draft, played, solve=lambda prompt, values: dict.fromkeys(values, "hm"))
    with pytest.raises(AskFailed) as caught:
        judge.verify()
    assert caught.value.reason == "judge: unreadable letter"
    assert caught.value.costs["calls"] == len(judge.asked) == 6


def test_every_draft_has_seeds_of_its_own_and_the_same_each_time(played: Played, drafts: list[Draft]) -> None:
    def seeds(draft: Draft, seed: int) -> list[int]:
        judge = Judge(draft, played)
        judge.verify(seed=seed)
        return [prompt.seed for prompt in judge.lm.engine.prompts]

    one, again, other_run, other = seeds(drafts[0], 1), seeds(drafts[0], 1), seeds(drafts[0], 2), seeds(drafts[1], 1)
    assert one == again
    assert len({*one, *other_run, *other}) == len(one) + len(other_run) + len(other)


@pytest.mark.parametrize("mistake", ["twin_distractor", "absurd_distractor", "foreign_fact"])
def test_what_only_a_judge_can_see_is_set_aside(mistake: str) -> None:
    verifier = Verifier()
    spoilt = write_drafts(**{mistake: 1.0})
    aside = [why_aside(verifier(draft=draft, config=ALL, seed=1).judgement, ALL) for draft in spoilt]
    assert sum(map(bool, aside)) >= 0.85 * len(spoilt)


def test_clean_drafts_are_seldom_lost_and_an_agreement_stands_beside_them(drafts: list[Draft]) -> None:
    verifier = Verifier()
    answers = [verifier(draft=draft, config=ALL, seed=1) for draft in drafts]
    lost = Counter(why_aside(answer.judgement, ALL) for answer in answers)
    assert lost.total() - lost[""] <= 0.06 * len(drafts)
    assert sum(answer.calls for answer in answers) < 9 * len(drafts)
