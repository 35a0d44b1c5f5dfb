from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import dspy
import pytest
from dspy.utils import DummyLM

from corpus.checks import explanations, items
from corpus.config import CurateConfig
from corpus.records import Draft
from optimizers.cases import ItemCase
from optimizers.config import ItemCriterion
from optimizers.quality.items import FAULTS, RULES, ItemQuality
from optimizers.quality.weights import DEFAULT_WEIGHTS
from signatures.judging import EXPLANATION_FAULTS, ITEM_FAULTS
from tests.optimizers.quality.conftest import Tried

CURATE = CurateConfig()


def assess(judge: bool = True, votes: int = 2, **changes: Any) -> ItemQuality:
    return ItemQuality(**{"weights": {}, "curate": CURATE, "judge": judge, "votes": votes, "seed": 1} | changes)


@pytest.fixture
def case_of(item_cases: list[ItemCase]) -> Callable[[str], ItemCase]:
    return lambda task: next(case for case in item_cases if case.moment.task == task)


@pytest.fixture(params=["EU", "EA"])
def case(request: pytest.FixtureRequest, case_of: Callable[[str], ItemCase]) -> ItemCase:
    return case_of(request.param)


def altered(draft: Draft, **changes: Any) -> Draft:
    return draft.model_copy(update=changes)


def reasons_of_rules() -> set[str]:
    """Every reason that a check of `corpus.checks` returns."""
    found = set()
    checks = (items.check_fields, *items.ITEM_CHECKS, *explanations.EXPLANATION_CHECKS)
    for check in checks:
        for node in ast.walk(ast.parse(inspect.getsource(check))):
            if isinstance(node, ast.Return) and node.value is not None:
                values = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
                module = inspect.getmodule(check)
                found |= {
                    value.value if isinstance(value, ast.Constant) else getattr(module, ast.unparse(value))
                    for value in values
                }
    return found - {""}


def test_every_reason_of_the_rules_has_a_criterion() -> None:
    assert reasons_of_rules() == set(RULES)


def test_every_fault_of_the_judge_has_a_criterion() -> None:
    assert set(FAULTS) == {*ITEM_FAULTS, *EXPLANATION_FAULTS}


def test_every_criterion_has_a_weight_that_a_recipe_may_change() -> None:
    criteria = {*(criterion for criterion, _ in RULES.values()), *FAULTS.values()}
    assert criteria <= set(DEFAULT_WEIGHTS["items"]) == set(ItemCriterion.__args__)
    assert assess(weights={"leak": 0.2}).weights == DEFAULT_WEIGHTS["items"] | {"leak": 0.2}


def test_a_sound_item_meets_every_criterion(item_cases: list[ItemCase], try_item: Tried) -> None:
    found = [assess()(case, try_item(case)) for case in item_cases]
    whole = [quality for quality in found if quality.score == 1]
    assert len(whole) >= 0.85 * len(found)
    assert set(whole[0].scores) == set(DEFAULT_WEIGHTS["items"])
    assert all(not verdict.feedback for verdict in whole[0].verdicts)


def test_the_same_seed_finds_the_same(case: ItemCase, try_item: Tried) -> None:
    attempt = try_item(case)
    assert assess()(case, attempt) == assess()(case, attempt)


def test_without_a_judge_only_rules_decide(case: ItemCase, try_item: Tried) -> None:
    attempt = try_item(case)
    with dspy.context(lm=None):
        quality = assess(judge=False)(case, attempt)
    assert quality.score == 1
    assert "agreement" not in quality.scores
    assert {"distractors", "grounded"} <= set(quality.scores)


def test_nobody_is_asked_once_a_rule_has_decided(case_of: Callable[[str], ItemCase], try_item: Tried) -> None:
    case = case_of("EU")
    attempt = try_item(case, names_emotion=1.0)
    with dspy.context(lm=None):
        quality = assess()(case, attempt)
    assert quality.score == 0
    assert quality.scores["leak"] == 0
    assert "distractors" not in quality.scores  # only the judge could have vouched for it
    assert "agreement" not in quality.scores


def test_a_light_fault_does_not_keep_the_judge_from_its_part(
    case_of: Callable[[str], ItemCase], try_item: Tried
) -> None:
    case = case_of("EU")
    quality = assess(weights={"leak": 0.5, "grounded": 0.5})(case, try_item(case, names_emotion=1.0))
    assert 0 < quality.score <= 0.5
    assert "agreement" in quality.scores


def test_without_votes_nobody_answers_blindly(case: ItemCase, try_item: Tried) -> None:
    assert "agreement" not in assess(votes=0)(case, try_item(case)).scores


def test_what_the_judge_does_not_answer_counts_as_failed(case: ItemCase, try_item: Tried) -> None:
    attempt = try_item(case)
    with dspy.context(lm=DummyLM([{"nonsense": "?"}] * 20)):
        quality = assess()(case, attempt)
    assert quality.score == 0
    assert quality.scores["distractors"] == 0
    assert "grounded" not in quality.scores  # nobody looked
    assert ("leak" in quality.scores) == (case.moment.task == "EU")  # of which a rule can tell
    assert "none of the prompt" in quality.feedback()


def test_a_failed_attempt_is_worth_nothing(case: ItemCase, attempted: Tried) -> None:
    quality = assess()(case, attempted(None, failure="converter: wrong count: …", complaints={}))
    assert (quality.score, quality.scores) == (0.0, {"format": 0.0})
    assert "wrong count" in quality.feedback()


def test_an_incomplete_draft_is_worth_nothing(case: ItemCase, try_item: Tried, attempted: Tried) -> None:
    draft = try_item(case).outcome
    quality = assess()(case, attempted(altered(draft, explanation=" ")))
    assert (quality.score, quality.scores) == (0.0, {"format": 0.0})


@pytest.mark.parametrize(
    ("task", "changes", "criterion", "said"),
    [
        ("EU", {"emotion": "Hangry"}, "plan_fit", "that may be used: Hangry."),
        ("EU", {"emotion": "Boredom"}, "plan_fit", "The right emotion is not the planned one: it is Boredom"),
        ("EU", {"finegrained_category": "persona", "coarse_category": "personal_beliefs_and_experiences"},
         "plan_fit", "another kind than was planned"),
        ("EA", {"category": "Personal-Self"}, "plan_fit", "another kind than was planned"),
        ("EA", {"subject": "Zebulon"}, "plan_fit", "somebody who is not in the planned moment: it asks about Zebulon"),
        ("EU", {"scenario": "Too short."}, "plan_fit", "it has 2 words, and 25 to 120 are allowed"),
        ("EU", {"wrong_emotions": ("Joy", "Joy", "Anger", "Pride", "Love")}, "distractors",
         "Two of the wrong emotions are the same: Joy, Joy"),
        ("EA", {"wrong": ("Sit down with him", "Sit down with him!", "Shout.")}, "distractors",
         "Two of the wrong answers say the same as each other: “Sit down with him” and “Sit down with him!”"),
        ("EA", {"explanation": "It rained. One word led to another."}, "grounded",
         "does not name the right answer at its end: its last sentence is “One word led to another.”"),
        ("EA", {"best": "word " * 30}, "distractors", "it has 30 words"),
    ],
)  # fmt: skip
def test_rules_say_what_they_saw(
    case_of: Callable[[str], ItemCase],
    try_item: Tried,
    attempted: Tried,
    task: str,
    changes: dict[str, Any],
    criterion: str,
    said: str,
) -> None:
    case = case_of(task)
    draft = altered(try_item(case).outcome, **changes)
    quality = assess(judge=False)(case, attempted(draft))
    assert quality.scores[criterion] == 0
    wrote, other = ("write_understanding", "write_application")[:: 1 if task == "EU" else -1]
    assert said in quality.feedback(f"program.{wrote}")
    assert said not in quality.feedback(f"program.{other}")


def test_a_key_in_other_words_is_named_as_such(
    case_of: Callable[[str], ItemCase], try_item: Tried, attempted: Tried
) -> None:
    case = case_of("EA")
    draft = try_item(case).outcome
    twin = altered(draft, wrong=(f"{draft.best.rstrip('.')}!", *draft.wrong[1:]))
    said = assess(judge=False)(case, attempted(twin)).feedback()
    assert "A wrong cause or option says the same as the right one in other words: " in said


def test_the_other_person_of_a_moment_may_be_asked_about(
    case_of: Callable[[str], ItemCase], try_item: Tried, attempted: Tried
) -> None:
    case = case_of("EA")
    draft = altered(try_item(case).outcome, subject=case.moment.other.name)
    assert "not in the planned moment" not in assess(judge=False)(case, attempted(draft)).feedback()


@pytest.mark.parametrize("source", ["existing", "shown"])
def test_a_scenario_that_is_there_already_is_not_new(case: ItemCase, try_item: Tried, source: str) -> None:
    attempt = try_item(case)
    known = (attempt.outcome.scenario.replace("the", "a", 1),)
    attempt["shown"] = known if source == "shown" else ()
    quality = assess(judge=False, existing=known if source == "existing" else ())(case, attempt)
    assert (quality.score, quality.scores["novelty"]) == (0, 0)
    assert ("a demonstration" if source == "shown" else "exists already") in quality.feedback()


def test_blind_readers_who_go_elsewhere_lower_the_agreement(
    case_of: Callable[[str], ItemCase], try_item: Tried, attempted: Tried
) -> None:
    case = case_of("EA")
    draft = try_item(case).outcome
    keyed = altered(draft, best=draft.wrong[0], wrong=(draft.best, *draft.wrong[1:]))
    weights = {"distractors": 0.0, "grounded": 0.0}
    quality = assess(weights=weights, votes=3)(case, attempted(keyed))
    assert quality.scores["agreement"] == 0
    assert f"0 of 2 did, and chosen instead were “{draft.best}”" in quality.feedback()
