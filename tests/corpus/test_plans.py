from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import PlanConfig
from corpus.errors import DataError, RecipeError
from corpus.plans import make_plans
from corpus.records import Moment, Plan
from corpus.taxonomy import load_taxonomy, split_label

TAXONOMY = load_taxonomy()


def moments_of(plans: list[Plan], task: str) -> list[Moment]:
    return [moment for plan in plans for moment in plan.moments if moment.task == task]


@pytest.fixture(scope="module")
def many() -> list[Plan]:
    """Enough plans to count what they deal."""
    return list(make_plans(PlanConfig(sessions=2000, persona_uses=8), seed=11))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), sessions=st.integers(1, 12), low=st.integers(2, 14), data=st.data())
def test_a_seed_gives_its_plans_and_another_seed_shares_no_id(
    seed: int, sessions: int, low: int, data: st.DataObject
) -> None:
    config = PlanConfig(sessions=sessions, moments=(low, data.draw(st.integers(low, 14))))
    plans = list(make_plans(config, seed))
    assert plans == list(make_plans(config, seed))
    ids = {moment.id for plan in plans for moment in plan.moments}
    others = {moment.id for plan in make_plans(config, seed + 1) for moment in plan.moments}
    assert len(plans) == sessions
    assert not ids & others
    assert len(ids) == sum(len(plan.moments) for plan in plans)
    assert all(config.moments[0] <= len(plan.moments) <= config.moments[1] for plan in plans)


def test_another_seed_gives_other_plans() -> None:
    one, other = (list(make_plans(PlanConfig(sessions=20), seed)) for seed in (1, 2))
    assert [plan.persona for plan in one] != [plan.persona for plan in other]
    assert [m.aim for m in moments_of(one, "EU")] != [m.aim for m in moments_of(other, "EU")]
    assert not {plan.seed for plan in one} & {plan.seed for plan in other}


def test_ids_tell_seed_index_and_moment() -> None:
    first, second = make_plans(PlanConfig(sessions=2), seed=7)
    assert (first.id, second.id) == ("s7-00000", "s7-00001")
    assert [moment.id for moment in second.moments] == [f"s7-00001-m{n}" for n in range(len(second.moments))]


def test_every_sub_category_gets_an_equal_share(many: list[Plan]) -> None:
    counts = Counter(moment.sub_category for moment in moments_of(many, "EU"))
    share = counts.total() / 11
    assert len(counts) == 11
    assert all(abs(count - share) < 0.04 * share for count in counts.values())


def test_every_application_cell_gets_an_equal_share(many: list[Plan]) -> None:
    counts = Counter((moment.category, moment.question_type) for moment in moments_of(many, "EA"))
    share = counts.total() / 8
    assert set(counts) == set(TAXONOMY.cells)
    assert all(abs(count - share) < 0.04 * share for count in counts.values())


def test_few_sessions_are_balanced_already() -> None:
    counts = Counter(m.sub_category for m in moments_of(list(make_plans(PlanConfig(sessions=40), seed=2)), "EU"))
    assert len(counts) == 11
    assert max(counts.values()) - min(counts.values()) <= 8


def test_half_of_the_moments_are_of_each_task(many: list[Plan]) -> None:
    understanding, application = len(moments_of(many, "EU")), len(moments_of(many, "EA"))
    assert abs(understanding - application) < 0.01 * (understanding + application)
    for plan in many:
        assert abs(len(moments_of([plan], "EU")) - len(moments_of([plan], "EA"))) <= 1


def test_every_aim_of_a_cell_is_planned_about_equally_often(many: list[Plan]) -> None:
    dealt: dict[tuple[str, str], Counter[str]] = {}
    for plan in many:
        for moment in plan.moments:
            cell = (moment.sub_category or moment.category, moment.question_type)
            dealt.setdefault(cell, Counter())[moment.aim] += 1
    for (name, question_type), counts in dealt.items():
        if name in TAXONOMY.sub_categories:
            aims = TAXONOMY.sub_categories[name].aims
        else:
            aims = TAXONOMY.ea.categories[name].calls_for[question_type]  # type: ignore[index]
        assert set(counts) == set(aims)
        share = counts.total() / len(aims)
        assert all(abs(count - share) < 0.22 * share for count in counts.values())


def test_moments_carry_their_categories_and_appraisals(many: list[Plan]) -> None:
    for moment in moments_of(many[:200], "EU"):
        assert moment.sub_category in TAXONOMY.eu[moment.category]
        assert all(TAXONOMY.emotions[name].appraisal in moment.appraisal for name in split_label(moment.aim))
    for moment in moments_of(many[:200], "EA"):
        assert moment.appraisal == TAXONOMY.ea.needs[moment.aim]


def test_people_in_a_session_have_distinct_names(many: list[Plan]) -> None:
    for plan in many:
        subjects = [m.subject.name for m in plan.moments if m.subject != plan.client]
        names = [plan.client.name, *subjects, *(m.other.name for m in plan.moments)]
        assert len(set(names)) == len(names)


def test_about_half_of_the_moments_are_about_the_client(many: list[Plan]) -> None:
    about = [moment.subject == plan.client for plan in many for moment in plan.moments]
    assert 0.47 < sum(about) / len(about) < 0.53


def test_themes_fit_the_ages_of_their_personas(many: list[Plan]) -> None:
    for plan in many:
        low, high = plan.theme.age_relevance
        assert plan.persona.age is not None
        assert low <= plan.persona.age <= high


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([*TAXONOMY.sub_categories, *TAXONOMY.ea.categories]), st.integers(0, 99))
def test_weight_0_removes_a_category_and_leaves_the_others(name: str, seed: int) -> None:
    plans = make_plans(PlanConfig(sessions=40, weights={name: 0}), seed)
    seen = {moment.sub_category or moment.category for plan in plans for moment in plan.moments}
    assert seen == {*TAXONOMY.sub_categories, *TAXONOMY.ea.categories} - {name}


@pytest.mark.parametrize("weight", [0.5, 2, 3.25])
def test_weights_are_honoured(weight: float) -> None:
    config = PlanConfig(sessions=750, weights={"faux_pas": weight, "Social-Self": weight})
    plans = list(make_plans(config, seed=4))
    for task, name, rest in (("EU", "faux_pas", 10), ("EA", "Social-Self", 3)):
        counts = Counter(moment.sub_category or moment.category for moment in moments_of(plans, task))
        expected = counts.total() * weight / (weight + rest)
        assert abs(counts[name] - expected) < 0.08 * expected


def test_an_unknown_weight_is_a_recipe_error_that_lists_the_known() -> None:
    with pytest.raises(RecipeError, match=r"plan\.weights\.faux_pass: no such category.*faux_pas.*Social-Self"):
        next(make_plans(PlanConfig(weights={"faux_pass": 2}), seed=1))


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 1e9])
def test_an_impossible_weight_is_a_recipe_error_that_names_the_key(weight: float) -> None:
    with pytest.raises(RecipeError, match=r"plan\.weights\.persona"):
        next(make_plans(PlanConfig(weights={"persona": weight}), seed=1))


def test_a_task_must_keep_one_category() -> None:
    weights = dict.fromkeys(TAXONOMY.ea.categories, 0.0)
    with pytest.raises(RecipeError, match=r"every EA category has weight 0"):
        next(make_plans(PlanConfig(weights=weights), seed=1))


def test_own_personas_and_themes_are_used(tmp_path: Path) -> None:
    personas, themes = tmp_path / "p.jsonl", tmp_path / "t.jsonl"
    personas.write_text('{"persona": "A lighthouse keeper"}\n')
    themes.write_text(json.dumps({"category": "c", "theme": "The lamp", "description": "It went out."}) + "\n")
    (plan,) = make_plans(PlanConfig(sessions=1, personas=personas, themes=themes), seed=1)
    assert (plan.persona.persona, plan.theme.theme) == ("A lighthouse keeper", "The lamp")


def test_a_missing_persona_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl: cannot be read"):
        next(make_plans(PlanConfig(personas=tmp_path / "gone.jsonl"), seed=1))
