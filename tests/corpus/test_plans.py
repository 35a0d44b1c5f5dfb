from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import PlanConfig
from corpus.decks import cell_shares
from corpus.errors import DataError, RecipeError
from corpus.pairing import judge_fit
from corpus.plans import Planner, describe_appraisal, make_plans
from corpus.records import Moment, Plan
from corpus.taxonomy import load_taxonomy, split_label

TAXONOMY = load_taxonomy()


def moments_of(plans: list[Plan], task: str) -> list[Moment]:
    return [moment for plan in plans for moment in plan.moments if moment.task == task]


@pytest.fixture(scope="module")
def many() -> list[Plan]:
    """Enough plans to count what they deal."""
    return list(make_plans(PlanConfig(sessions=700, persona_uses=3), seed=11))


@pytest.fixture(scope="module")
def both() -> list[Plan]:
    """Plans of both methods, seven to three."""
    return list(make_plans(PlanConfig(sessions=400, method={"mads": 0.7, "concise": 0.3}), seed=12))


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> list[Plan]:
    """Plans of both methods on one theme that touches self-harm."""
    path = tmp_path_factory.mktemp("themes") / "t.jsonl"
    path.write_text(json.dumps({"category": "health", "theme": "t", "description": "d", "care": "self-harm"}) + "\n")
    config = PlanConfig(sessions=600, themes=path, method={"mads": 0.5, "concise": 0.5})
    return list(make_plans(config, seed=13))


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


@pytest.mark.parametrize(("task", "cells"), [("EU", 11), ("EA", 8)])
def test_every_cell_gets_its_share_to_within_one_deck(many: list[Plan], task: str, cells: int) -> None:
    counts = Counter(moment.cell for moment in moments_of(many, task))
    assert len(counts) == cells
    assert max(counts.values()) - min(counts.values()) <= 4  # cards of a cell in a deck


def test_few_sessions_are_balanced_already() -> None:
    counts = Counter(m.sub_category for m in moments_of(list(make_plans(PlanConfig(sessions=40), seed=2)), "EU"))
    assert len(counts) == 11
    assert max(counts.values()) - min(counts.values()) <= 4


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
        assert max(counts.values()) - min(counts.values()) <= 1


def test_understanding_moments_carry_category_appraisal_and_what_must_hold(many: list[Plan]) -> None:
    for moment in moments_of(many[:300], "EU"):
        sub = TAXONOMY.eu[moment.category][moment.sub_category]
        assert moment.appraisal == describe_appraisal(moment.aim)
        assert sub.build in moment.build
        assert sub.knows in moment.build
        assert moment.question_type == ""


def test_application_moments_say_what_is_called_for_and_why_other_answers_fall_short(many: list[Plan]) -> None:
    for moment in moments_of(many[:300], "EA"):
        need = TAXONOMY.ea.needs[moment.aim]
        assert moment.aim in TAXONOMY.ea.categories[moment.category].calls_for[moment.question_type]  # type: ignore[index]
        assert moment.appraisal == need.calls
        assert need.others_fall_short in moment.build
        assert moment.sub_category == moment.before == ""


@pytest.mark.parametrize("label", ["Relief", "Relief & Guilt", "Joy & Surprise"])
def test_an_appraisal_names_all_dimensions_of_each_emotion(label: str) -> None:
    text = describe_appraisal(label)
    for name in split_label(label):
        emotion = TAXONOMY.emotions[name]
        for said in (emotion.appraisal, emotion.event, emotion.expectation, emotion.cause, emotion.standards):
            assert said in text
    assert text.count("; and at once: ") == len(split_label(label)) - 1


def test_each_wrong_answer_is_planned_from_another_misreading_of_the_kind(many: list[Plan]) -> None:
    for moment in (moment for plan in many[:300] for moment in plan.moments):
        known = TAXONOMY.sub_categories[moment.sub_category] if moment.sub_category else TAXONOMY.ea
        assert len(set(moment.misreadings)) == 3
        assert set(moment.misreadings) <= {TAXONOMY.misreadings[name] for name in known.misreadings}


def test_only_a_transition_says_what_was_felt_before_and_it_is_not_what_is_felt_after(many: list[Plan]) -> None:
    seen = set()
    for moment in moments_of(many, "EU"):
        if moment.sub_category == "emotion_transition":
            seen.add(moment.before)
            assert moment.before == TAXONOMY.emotions[split_label(moment.aim)[0]].opposite
            assert moment.before not in split_label(moment.aim)
        else:
            assert moment.before == ""
    assert len(seen) > 5


def test_no_two_moments_of_one_cell_and_aim_have_the_same_variant(many: list[Plan]) -> None:
    keys = [(moment.cell, moment.aim, moment.variant) for plan in many for moment in plan.moments]
    assert len(set(keys)) == len(keys)


def test_scenarios_are_told_mostly_in_the_third_person(many: list[Plan]) -> None:
    counts = Counter(moment.narration for plan in many for moment in plan.moments)
    shares = {"third person": 0.8, "first person": 0.14, "second person": 0.06}
    assert counts.keys() == shares.keys()
    assert all(abs(counts[kind] / counts.total() - share) < 0.015 for kind, share in shares.items())


def test_people_in_a_session_have_distinct_names(many: list[Plan]) -> None:
    for plan in many:
        subjects = [m.subject.name for m in plan.moments if m.subject != plan.client]
        names = [plan.client.name, *subjects, *(m.other.name for m in plan.moments)]
        assert len(set(names)) == len(names)


def test_about_half_of_the_moments_are_about_the_client(many: list[Plan]) -> None:
    about = [moment.subject == plan.client for plan in many for moment in plan.moments]
    assert 0.47 < sum(about) / len(about) < 0.53


def test_persona_and_theme_fit_and_the_plan_says_why(many: list[Plan]) -> None:
    for plan in many:
        fit = judge_fit(plan.persona, plan.theme)
        assert fit.possible
        assert plan.fit == fit.reasons


def test_a_persona_is_not_used_more_often_than_allowed_and_no_pair_comes_twice(many: list[Plan]) -> None:
    assert max(Counter(plan.persona.persona for plan in many).values()) == 3
    pairs = [(plan.persona.persona, plan.theme.theme) for plan in many]
    assert len(set(pairs)) == len(pairs)


def test_the_arc_follows_the_clients_coping(many: list[Plan]) -> None:
    arcs: dict[str, set[tuple[str, ...]]] = {}
    for plan in many:
        arcs.setdefault(plan.attributes.coping, set()).add(plan.arc)
    assert all(len(found) == 1 for found in arcs.values())
    assert len({arc for found in arcs.values() for arc in found}) == len(arcs) == 6


def test_methods_are_dealt_in_their_shares(both: list[Plan]) -> None:
    assert Counter(plan.method for plan in both) == {"mads": 280, "concise": 120}
    assert Counter(plan.method for plan in both[:20]) == {"mads": 14, "concise": 6}


def test_a_small_share_of_a_method_is_planned_too() -> None:
    plans = make_plans(PlanConfig(sessions=200, method={"mads": 0.98, "concise": 0.02}), seed=1)
    assert 2 <= sum(plan.method == "concise" for plan in plans) <= 8


def test_a_concise_session_has_four_or_five_moments_and_a_mads_session_six_to_eight(both: list[Plan]) -> None:
    lengths = {method: {len(p.moments) for p in both if p.method == method} for method in ("mads", "concise")}
    assert lengths == {"mads": {6, 7, 8}, "concise": {4, 5}}


def test_both_methods_together_keep_the_shares_of_the_cells(both: list[Plan]) -> None:
    counts = Counter(moment.cell for plan in both for moment in plan.moments)
    for task, cells in (("EU", TAXONOMY.sub_categories), ("EA", TAXONOMY.ea.categories)):
        of_task = [count for cell, count in counts.items() if cell.split(" / ")[0] in cells]
        assert max(of_task) - min(of_task) <= 4, task


def test_themes_that_need_care_are_planned_unless_the_recipe_leaves_them_out() -> None:
    for allowed in (True, False):
        plans = make_plans(PlanConfig(sessions=200, sensitive_themes=allowed), seed=5)
        assert any(plan.theme.care for plan in plans) == allowed


def test_about_half_of_the_long_sessions_on_self_harm_voice_the_risk_between_turns_3_and_5(careful: list[Plan]) -> None:
    turns = Counter(plan.risk_turn for plan in careful if plan.method == "mads")
    assert turns.keys() == {0, 3, 4, 5}
    assert 0.4 < turns[0] / turns.total() < 0.6
    assert {plan.risk_turn for plan in careful if plan.method == "concise"} == {0}


def test_no_risk_is_planned_on_other_themes(many: list[Plan]) -> None:
    assert {plan.risk_turn for plan in many if plan.theme.care != "self-harm"} == {0}
    assert any(plan.risk_turn for plan in many)
    assert any(plan.theme.care == "abuse" for plan in many)


def test_a_session_full_of_moments_leaves_no_turn_for_the_risk(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"category": "health", "theme": "t", "description": "d", "care": "self-harm"}) + "\n")
    plans = make_plans(PlanConfig(sessions=60, themes=path, moments=(14, 14)), seed=1)
    assert {plan.risk_turn for plan in plans} == {0}


@settings(max_examples=12, deadline=None)
@given(
    lacking=st.dictionaries(st.sampled_from(sorted(cell_shares({}))), st.integers(1, 9), max_size=4),
    method=st.sampled_from(["mads", "concise", {"mads": 1, "concise": 1}]),
    seed=st.integers(0, 99),
)
def test_a_further_round_plans_what_is_lacking_and_nothing_else(
    lacking: dict[str, int], method: Any, seed: int
) -> None:
    planner = Planner(PlanConfig(sessions=16, method=method), seed)
    first = list(planner.first_round())
    further = list(planner.further_round(lacking))
    assert Counter(moment.cell for plan in further for moment in plan.moments) == lacking
    assert all(len(plan.moments) <= (8 if plan.method == "mads" else 5) for plan in further)
    assert [plan.id for plan in [*first, *further]] == [f"s{seed}-{n:05d}" for n in range(16 + len(further))]
    again = Planner(PlanConfig(sessions=16, method=method), seed)
    assert [*again.first_round(), *again.further_round(lacking)] == [*first, *further]


def test_variants_and_pairs_go_on_in_further_rounds() -> None:
    planner = Planner(PlanConfig(sessions=60), 3)
    plans = [*planner.first_round(), *planner.further_round({"faux_pas": 40}), *planner.further_round({"persona": 9})]
    keys = [(moment.cell, moment.aim, moment.variant) for plan in plans for moment in plan.moments]
    pairs = [(plan.persona.persona, plan.theme.theme) for plan in plans]
    assert len(set(keys)) == len(keys)
    assert len(set(pairs)) == len(pairs)


def test_further_rounds_end_when_no_persona_is_left(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"persona": f"Number {n}"}) + "\n" for n in range(6)))
    planner = Planner(PlanConfig(sessions=4, personas=path, persona_uses=1), 3)
    plans = [*planner.first_round(), *planner.further_round({"faux_pas": 999})]
    assert len(plans) <= 6
    assert list(planner.further_round({"faux_pas": 1})) == []


def test_nothing_lacking_plans_nothing() -> None:
    planner = Planner(PlanConfig(sessions=2), 3)
    assert len(list(planner.first_round())) == 2
    assert list(planner.further_round({})) == []


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([*TAXONOMY.sub_categories, *TAXONOMY.ea.categories]), st.integers(0, 99))
def test_weight_0_removes_a_category_and_leaves_the_others(name: str, seed: int) -> None:
    plans = make_plans(PlanConfig(sessions=40, weights={name: 0}), seed)
    seen = {moment.sub_category or moment.category for plan in plans for moment in plan.moments}
    assert seen == {*TAXONOMY.sub_categories, *TAXONOMY.ea.categories} - {name}


@pytest.mark.parametrize("weight", [0.5, 2, 3.25])
def test_weights_are_honoured(weight: float) -> None:
    weights = {"faux_pas": weight, "Social-Self": weight}
    plans = list(make_plans(PlanConfig(sessions=300, weights=weights), seed=4))
    shares = cell_shares(weights)
    for task in ("EU", "EA"):
        counts = Counter(moment.cell for moment in moments_of(plans, task))
        for cell, count in counts.items():
            assert abs(count - shares[cell] * counts.total()) <= 4 * max(1, weight)


def test_an_unknown_weight_is_a_recipe_error() -> None:
    with pytest.raises(RecipeError, match=r"plan\.weights\.faux_pass"):
        make_plans(PlanConfig(weights={"faux_pass": 2}), seed=1)


def test_own_personas_and_themes_are_used(tmp_path: Path) -> None:
    personas, themes = tmp_path / "p.jsonl", tmp_path / "t.jsonl"
    personas.write_text('{"persona": "A lighthouse keeper"}\n')
    themes.write_text(json.dumps({"category": "c", "theme": "The lamp", "description": "It went out."}) + "\n")
    (plan,) = make_plans(PlanConfig(sessions=1, personas=personas, themes=themes), seed=1)
    assert (plan.persona.persona, plan.theme.theme) == ("A lighthouse keeper", "The lamp")


def test_a_missing_persona_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl: cannot be read"):
        next(make_plans(PlanConfig(personas=tmp_path / "gone.jsonl"), seed=1))


def test_the_planner_hands_out_the_lines_that_it_could_not_use(tmp_path: Path) -> None:
    personas, themes = tmp_path / "p.jsonl", tmp_path / "t.jsonl"
    personas.write_text('{"persona": "A lighthouse keeper"}\n{"persona": ')
    themes.write_text("[]\n" + json.dumps({"category": "c", "theme": "The lamp", "description": "It went out."}))
    planner = Planner(PlanConfig(sessions=1, personas=personas, themes=themes), seed=1)
    assert [(row.path, row.line) for row in planner.rejected] == [(str(themes), 1), (str(personas), 2)]
    assert len(list(planner.first_round())) == 1
    assert Planner(PlanConfig(sessions=1), seed=1).rejected == []
