from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError, UsageError
from eval.benchmarks import BENCHMARKS, Part, Question, find_benchmark, reordered
from eval.emobench import Language
from tests.conftest import OWN_EMOBENCH, ROOT

CHOICES = st.lists(st.text("abc ", min_size=1, max_size=4), min_size=2, max_size=6, unique=True)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    parts = []
    for number in range(draw(st.integers(1, 2))):
        choices = tuple(draw(CHOICES))
        key = draw(st.integers(0, len(choices) - 1))
        parts.append(Part(f"answer_q{number}", "option", f"choices_{number}", choices, key))
    return Question(draw(st.text("EQ-1", max_size=5)), "en", "a scenario", "", {"scenario": "s"}, tuple(parts))


@given(questions(), st.integers(0, 30))
def test_another_order_keeps_the_choices_and_their_key(question: Question, order: int) -> None:
    shown = reordered(question, order)
    for before, after in zip(question.parts, shown.parts, strict=True):
        assert sorted(after.choices) == sorted(before.choices)
        assert after.choices[after.key] == before.choices[before.key]
        assert shown.inputs[after.shown_as] == after.choices
        assert [before.choices[after.published(n)] for n in range(len(after.choices))] == list(after.choices)
    assert replace(shown, parts=question.parts) == question
    assert reordered(question, order) == shown


@given(questions(), st.integers(0, 30))
def test_over_as_many_orders_as_choices_the_key_stands_everywhere_once(question: Question, start: int) -> None:
    for n, part in enumerate(question.parts):
        keys = [reordered(question, start + k).parts[n].key for k in range(len(part.choices))]
        assert sorted(keys) == list(range(len(part.choices)))


def test_order_0_is_the_published_one(understanding: Question) -> None:
    assert reordered(understanding, 0) is understanding
    assert [part.published(2) for part in understanding.parts] == [2, 2]


def test_the_other_choices_are_shuffled_too(understanding: Question) -> None:
    emotions = [reordered(understanding, k).parts[0].choices for k in range(7)]
    assert len(set(emotions)) == 7
    wrong = {tuple(c for c in choices if c != "Surprise & Delight") for choices in emotions}
    assert len(wrong) > 4, "the wrong ones keep one order among themselves"


def test_items_of_one_exam_are_shuffled_each_in_its_own_way() -> None:
    found = {reordered(q, 1).parts[0].order for q in BENCHMARKS["emobench-eu"].load(str(OWN_EMOBENCH))}
    assert len(found) > 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_limit_draws_from_all_categories_and_a_higher_one_keeps_what_a_lower_one_drew(lang: Language) -> None:
    categories = ["first"] * 50 + ["second"] * 50
    every = [Question(f"EA-{n}", lang, f"scenario {n}", name, {}) for n, name in enumerate(categories)]
    benchmark = replace(BENCHMARKS["emobench-ea"], loader=lambda source, wanted: every)
    few, more = (benchmark.load("", lang, limit) for limit in (10, 20))
    assert [question.id for question in few] == [f"EA-{n}" for n in (7, 10, 23, 33, 37, 40, 56, 59, 67, 69)]
    assert {question.category for question in few} == {"first", "second"}
    assert [question for question in more if question in few] == few
    assert len(more) == 20
    assert more == [question for question in every if question in more], "in the published order"
    assert benchmark.load("", lang, 1000) == benchmark.load("", lang) == every


def test_a_question_that_comes_twice_is_refused() -> None:
    one = Question("EA-7", "en", "a scenario", "", {})
    benchmark = replace(BENCHMARKS["emobench-ea"], loader=lambda source, wanted: [one, one])
    with pytest.raises(DataError, match=r"^data: question EA-7 comes twice; keep one of them$"):
        benchmark.load("data")


def test_a_total_is_the_share_of_all_points(application: Question) -> None:
    benchmark = BENCHMARKS["emobench-ea"]
    total = benchmark.total([1.0, 0.0, 1.0, 1.0])
    assert (total.n, total.parsed, total.score, total.valid) == (4, 1.0, 75.0, True)


@pytest.mark.parametrize(
    ("name", "near"),
    [("emobench", "emobench-e"), ("EQ-Bench", "eq-bench"), ("tom-bench", "tombench"), ("emobench_eu", "emobench-eu")],
)
def test_an_unknown_benchmark_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"there is no benchmark '{name}'; did you mean {near}") as caught:
        find_benchmark(name)
    assert all(known in str(caught.value) for known in BENCHMARKS)


def test_a_name_like_no_other_gets_the_list_alone() -> None:
    with pytest.raises(UsageError, match=r"^there is no benchmark 'xyz'; known are emobench-ea, "):
        find_benchmark("xyz")


def test_a_benchmark_is_found_by_its_name() -> None:
    assert [find_benchmark(name).name for name in BENCHMARKS] == list(BENCHMARKS)


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^eq-bench is not there in zh; choose en$"):
        BENCHMARKS["eq-bench"].load("hub", "zh")


def test_a_source_without_questions_in_the_language_is_refused(application: Question) -> None:
    with pytest.raises(DataError, match=rf"^{OWN_EMOBENCH}: has no question of EmoBench, .* in zh; name a folder with"):
        BENCHMARKS["emobench-ea"].load(str(OWN_EMOBENCH), "zh")


def test_the_registry_loads_neither_dspy_nor_torch() -> None:
    code = (
        "import sys, eval.benchmarks as b; print(len(b.BENCHMARKS), {'dspy', 'torch', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "4 set()\n"
