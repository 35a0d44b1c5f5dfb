"""The judge's look at students' reasoning: what is drawn, what a kill does not lose, and what a recipe must hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from corpus.errors import RecipeError
from corpus.records import ApplicationItem, UnderstandingItem
from eval.emobench import load_emobench
from eval.exam import keys_of
from eval.reasoning import ReasoningResult, find_reasoned
from eval.scores import Mark
from runs.folder import Run, open_run
from runs.journal import Journal
from runs.reasoning import judge_reasoning
from runs.recipe import Recipe, is_operational, load_recipe
from tests.conftest import OWN_EMOBENCH

Item = UnderstandingItem | ApplicationItem
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return load_emobench(str(OWN_EMOBENCH))


def recipe(**exam: Any) -> dict[str, Any]:
    return {
        "name": "r", "seed": 3,
        "lms": {"teacher": {"model": "scripted/counsel"}, "judge": {"model": "scripted/judge", "mistakes": {}}},
        "train": {"formats": {"reasoned": 1}}, "exam": {"emobench": None, "judge_explanations": 2, **exam},
    }  # fmt: skip


def mark(item: Item, reasoning: str | None = "It is told.", answered: bool = True) -> Mark:
    raw = json.dumps({"reasoning": reasoning, "answer": "A"} if reasoning is not None else {"answer": "A"})
    picks = tuple(key if answered else None for key in keys_of(item))
    return Mark(id=item.qid, raw=raw, answered=answered, strict=True, lenient=True, rules=(), picks=picks)


def test_an_answer_is_given_in_words_and_only_with_a_reasoning(items: list[Item]) -> None:
    ea, eu = items[0], items[4]
    found = find_reasoned(eu, mark(eu, " It shows. "))
    assert found is not None
    assert isinstance(eu, UnderstandingItem)
    assert (found.answer, found.reasoning) == (f"{eu.emotion_label}\n{eu.cause_label}", "It shows.")
    assert len(found.question.splitlines()) == 2
    assert find_reasoned(ea, mark(ea, None)) is find_reasoned(ea, mark(ea, " ")) is None
    assert find_reasoned(ea, mark(ea, answered=False)) is None
    assert find_reasoned(ea, mark(ea).model_copy(update={"raw": '{"reasoning": "cut'})) is None
    assert find_reasoned(ea, mark(ea).model_copy(update={"picks": ()})) is None


def judge(run: Run, items: Sequence[Item], marks: Sequence[Mark]) -> list[ReasoningResult]:
    return judge_reasoning(run, QUIET, {"b": items}, {("before", "b"): [], ("after", "b"): marks})


def test_so_many_are_judged_and_none_twice(tmp_path: Path, items: list[Item]) -> None:
    with open_run(tmp_path / "run", Recipe.model_validate(recipe())) as run:
        marks = [mark(item, None if place == 0 else "It is told.") for place, item in enumerate(items)]
        (found,) = judge(run, items, marks)
        assert (found.benchmark, found.stage, found.judge, found.failed) == ("b", "after", "scripted/judge", 0)
        assert found.grounded.n == found.consistent.n == 2
        rows = Journal(run.journal_path("reasoning")).latest()
        assert len(rows) == 2
        assert found.grounded.share == sum(row["judgement"]["grounded"] == "yes" for row in rows.values()) / 2
        calls = run.calls_path.read_text()
        assert {json.loads(line)["stage"] for line in calls.splitlines()} == {"exam"}
        assert judge(run, items, marks) == [found]
        assert run.calls_path.read_text() == calls, "asked again"
        first = next(iter(rows))
        with Journal(run.journal_path("reasoning")) as journal:
            journal.append({"id": first, "ok": False, "reason": "judge: timeout"})
        assert judge(run, items, marks) == [found]
        assert Journal(run.journal_path("reasoning")).latest()[first]["ok"], "what failed is asked again"


def test_without_reasoning_no_judge_is_called(tmp_path: Path, items: list[Item]) -> None:
    with open_run(tmp_path / "run", Recipe.model_validate(recipe())) as run:
        assert judge(run, items, [mark(item, None) for item in items]) == []
        assert not run.calls_path.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lms": {"teacher": {"model": "scripted/counsel"}}}, "name a model under lms.judge"),
        ({"train": {}}, "put `reasoned` first in train.formats"),
        ({"exam": {"judge_explanations": 2, "modes": ["likelihood"]}}, "add `generate` to exam.modes"),
    ],
)
def test_a_recipe_that_cannot_be_judged_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(recipe() | changes), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"exam\.judge_explanations") as caught:
        load_recipe(path)
    assert said in str(caught.value)
    path.write_text(yaml.safe_dump(recipe()), encoding="utf-8")
    assert load_recipe(path).exam.judge_explanations == 2
    assert is_operational("exam.judge_explanations")
