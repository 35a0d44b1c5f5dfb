"""The cases of a compilation: three parts that share nothing, and never an item that is held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpus.errors import DataError, RunError
from corpus.plans import make_plans
from corpus.records import Plan, Session
from optimizers.case_files import PARTS, Cases, read_cases, write_cases
from optimizers.cases import Case, ExamCase, ItemCase, SessionCase
from optimizers.config import Kind
from programs.briefing import brief_moments
from runs.compiling.cases import (
    PER_SESSION,
    draw_exam_cases,
    draw_item_cases,
    draw_session_cases,
    plan_cases,
    sessions_needed,
)
from runs.folder import Run
from runs.items import read_items
from tests.optimizers.handmade import told
from tests.review.conftest import make_ea, write_run
from tests.runs.compiling.conftest import Load

SIZES = {"train": 8, "dev": 6, "final": 10}


@pytest.fixture
def drawn(load: Load, curated: Run) -> dict[Kind, Cases]:
    """Cases of every kind, for sessions of many moments."""
    recipe = load("plan.method=mads")
    return {
        "session": draw_session_cases(recipe),
        "items": draw_item_cases(recipe, told),
        "exam": draw_exam_cases(recipe, curated),
    }


def plan_of(case: Case) -> Plan:
    assert isinstance(case, SessionCase | ItemCase)
    return case.plan if isinstance(case, SessionCase) else case.session.plan


def test_parts_have_their_sizes_and_share_no_case(drawn: dict[Kind, Cases]) -> None:
    for cases in drawn.values():
        assert {part: len(cases.part(part)) for part in PARTS} == SIZES
        ids = [case.id for part in PARTS for case in cases.part(part)]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("kind", ["session", "items"])
def test_no_session_and_no_persona_is_in_two_parts(kind: Kind, drawn: dict[Kind, Cases]) -> None:
    for fact in (lambda plan: plan.id, lambda plan: plan.persona.persona):
        seen = [{fact(plan_of(case)) for case in drawn[kind].part(part)} for part in PARTS]
        assert not seen[0] & seen[1]
        assert not seen[2] & (seen[0] | seen[1])


def test_a_compilation_writes_no_session_of_the_run(load: Load) -> None:
    recipe = load("plan.sessions=40", "plan.method=mads")
    own = {brief_moments(plan) for plan in make_plans(recipe.plan, recipe.seed)}
    for_compiling = {brief_moments(plan) for _, plan in plan_cases(recipe)}
    assert (len(own), len(for_compiling)) == (40, 46)
    assert not own & for_compiling


def test_what_one_compilation_learned_from_is_no_final_case_of_a_larger_one(load: Load) -> None:
    small = draw_session_cases(load("plan.method=mads"))
    large = draw_session_cases(load("plan.method=mads", "compile.final=60", "compile.train=30"))
    learned = {plan_of(case).persona.persona for case in (*small.train, *small.dev)}
    assert learned.isdisjoint(plan_of(case).persona.persona for case in large.final)


def test_items_come_from_few_sessions_and_are_of_both_tasks(drawn: dict[Kind, Cases], load: Load) -> None:
    cases = drawn["items"]
    assert sessions_needed(load()) == 2 + 2 + 3
    for part in PARTS:
        found = [case for case in cases.part(part) if isinstance(case, ItemCase)]
        assert len({case.session.id for case in found}) == -(-len(found) // PER_SESSION)
        assert {case.moment.task for case in found} == {"EU", "EA"}
        assert {case.cluster for case in found} == {case.session.id for case in found}


def test_sessions_that_failed_are_replaced_and_too_many_end_it(load: Load) -> None:
    asked: list[Plan] = []

    def hold(plan: Plan) -> Session | None:
        asked.append(plan)
        return told(plan) if len(asked) % 2 else None

    recipe = load("plan.method=mads")
    cases = draw_item_cases(recipe, hold)
    assert {part: len(cases.part(part)) for part in PARTS} == SIZES
    assert 2 * sessions_needed(recipe) - 3 <= len(asked) <= 2 * sessions_needed(recipe) + 3
    with pytest.raises(RunError, match=r"^compile: too few cases: sessions failed \(`emoreason doctor`"):
        draw_item_cases(recipe, lambda plan: None)


def test_an_exam_prompt_learns_from_training_items_and_is_measured_on_validation_items(
    drawn: dict[Kind, Cases], curated: Run
) -> None:
    splits = {item.qid: split for split in ("train", "validation", "heldout") for item in read_items(curated, split)}
    for part, split in (("train", "train"), ("dev", "train"), ("final", "validation")):
        found = [case for case in drawn["exam"].part(part) if isinstance(case, ExamCase)]  # type: ignore[arg-type]
        assert {splits[case.item.qid] for case in found} == {split}
        assert {case.item.task for case in found} == {"EU", "EA"}


def test_an_exam_prompt_needs_a_curated_run_with_enough_items(load: Load, curated: Run, tmp_path: Path) -> None:
    raw = write_run(tmp_path / "raw", [make_ea(1)], curated=False)
    with pytest.raises(RunError, match=r"raw: stage `curate` is not done; run `emoreason curate`"):
        draw_exam_cases(load(), raw)
    with pytest.raises(RunError, match=r"has 20 training and 14 validation items, .* lower these or generate more"):
        draw_exam_cases(load("compile.final=15"), curated)


def test_the_same_recipe_draws_the_same_and_another_seed_others(load: Load) -> None:
    def fingerprints(*overrides: str) -> dict[str, str]:
        return draw_session_cases(load(*overrides)).fingerprints

    assert fingerprints() == fingerprints()
    assert set(fingerprints().values()).isdisjoint(fingerprints("seed=4").values())
    assert [text.partition(" ")[0] for text in fingerprints().values()] == ["8", "6", "10"]


def test_cases_come_back_from_their_file(drawn: dict[Kind, Cases], tmp_path: Path) -> None:
    for kind, cases in drawn.items():
        path = tmp_path / f"{kind}.jsonl"
        write_cases(path, cases)
        for part in PARTS:
            assert read_cases(path, kind, part) == cases.part(part)
        assert read_cases(path, kind) == cases.final


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"part": "final"}', '{"part": "final", "case": {"plan": 3}}', '{"case": {}}']
)
def test_a_line_that_is_no_case_is_named(line: str, drawn: dict[Kind, Cases], tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    write_cases(path, drawn["session"])
    count = len(path.read_text(encoding="utf-8").splitlines())
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=rf"cases.jsonl, line {count + 1}: no case of kind session; compile the progr"):
        read_cases(path, "session")


def test_cases_of_another_kind_or_a_moment_that_is_gone(drawn: dict[Kind, Cases], tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    with pytest.raises(DataError, match=r"cases.jsonl: cannot be read; compile the program again"):
        read_cases(path, "items")
    write_cases(path, drawn["items"])
    with pytest.raises(DataError, match="no case of kind exam"):
        read_cases(path, "exam")
    row = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    row["case"]["moment"] = "another"
    path.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match="line 1: no case of kind items"):
        read_cases(path, "items")


def test_a_text_with_line_ends_of_other_kinds_stays_one_line(drawn: dict[Kind, Cases], tmp_path: Path) -> None:
    case = drawn["items"].final[0]
    assert isinstance(case, ItemCase)
    odd = ItemCase(case.session.model_copy(update={"background": "One\u2028two\u0085three\u2029four."}), case.moment)
    write_cases(tmp_path / "cases.jsonl", Cases([], [], [odd]))
    assert read_cases(tmp_path / "cases.jsonl", "items") == [odd]
