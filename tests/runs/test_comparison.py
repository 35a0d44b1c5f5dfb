"""Runs side by side: which are paired, on what, corrected by Holm, and which keys of their recipes differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import DataError, RunError, UsageError
from eval.emobench import load_emobench
from eval.scores import IMPROVED
from eval.statistics import adjust
from runs.comparison import compare_all
from runs.folder import open_run
from runs.marks import EMOBENCH, HELDOUT, HELDOUT_OF
from runs.recipe import Recipe
from tests.conftest import OWN_EMOBENCH
from tests.runs.comparable import Item, make_examined


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """Forty EA items, each with a scenario of its own."""
    own = [item for item in load_emobench(str(OWN_EMOBENCH)) if item.task == "EA"]
    copies = [
        item.model_copy(update={"qid": f"h{n}-{item.qid}", "scenario": f"{item.scenario} {n}"})
        for n in range(10)
        for item in own
    ]
    return copies


def test_every_run_is_paired_with_the_first_on_what_both_were_asked(tmp_path: Path, items: list[Item]) -> None:
    few, most = {item.qid for item in items[:8]}, {item.qid for item in items[:32]}
    make_examined(tmp_path / "one", items, {HELDOUT: (items, few)})
    make_examined(tmp_path / "two", items, {HELDOUT: (items[:36], most)})
    make_examined(tmp_path / "three", items, {HELDOUT: (items, few)})
    found = compare_all([tmp_path / name for name in ("one", "two", "three")])
    assert [run.name for run in found.runs] == ["1 one", "2 two", "3 three"]
    assert found.first == "1 one"
    assert [(pair.run, pair.n) for pair in found.pairs] == [("2 two", 36), ("3 three", 40)]
    assert found.pairs[0].shares == pytest.approx((8 / 36, 32 / 36))
    assert [pair.comparison.verdict == IMPROVED for pair in found.pairs] == [True, False]
    raw = [pair.comparison.lenient.p_value for pair in found.pairs]
    assert [pair.comparison.p_adjusted for pair in found.pairs] == adjust(raw)
    assert found.pairs[0].comparison.p_adjusted == pytest.approx(2 * raw[0])
    assert [row.stage for run in found.runs for row in run.scores] == ["after"] * 3
    assert found.unpaired == {}


def test_other_held_out_items_are_not_compared_and_a_common_yardstick_is(tmp_path: Path, items: list[Item]) -> None:
    yardstick = f"{HELDOUT_OF} round 1"
    ruler = make_examined(tmp_path / "ruler", items[30:], {}).items_path
    also = {"exam": {"emobench": None, "also": {"round 1": str(ruler)}}}
    for name, own in (("one", items[:10]), ("two", items[10:30])):
        right = {item.qid for item in items[:20]}
        make_examined(tmp_path / name, own, {HELDOUT: (own, right), yardstick: (items[30:], right)}, **also)
    found = compare_all([tmp_path / "one", tmp_path / "two"])
    assert [(pair.comparison.benchmark, pair.n) for pair in found.pairs] == [(yardstick, 10)]
    assert found.unpaired == {HELDOUT: ["2 two"]}


def test_emobench_is_read_where_the_first_recipe_says_or_the_user(tmp_path: Path) -> None:
    own = load_emobench(str(OWN_EMOBENCH))
    for name, place in (("one", "gone"), ("two", str(OWN_EMOBENCH))):
        make_examined(tmp_path / name, [], {EMOBENCH: (own, set())}, exam={"emobench": place})
    with pytest.raises(DataError, match=r"gone has no EA\.jsonl"):
        compare_all([tmp_path / "one", tmp_path / "two"])
    assert len(compare_all([tmp_path / "one", tmp_path / "two"], str(OWN_EMOBENCH)).pairs) == 2
    assert len(compare_all([tmp_path / "two", tmp_path / "one"]).pairs) == 2


def test_keys_with_other_values_are_shown_without_places(tmp_path: Path, items: list[Item]) -> None:
    asked = {HELDOUT: (items[:3], set[str]())}
    judge = {"teacher": {"model": "scripted/counsel"}, "judge": {"model": "transformers//data/m/judge"}}
    make_examined(tmp_path / "one", items[:3], asked, seed=1)
    make_examined(tmp_path / "two", items[:3], asked, lms=judge, generate={"concurrency": 9}, seed=1)
    found = compare_all([tmp_path / "one", tmp_path / "two"])
    assert found.differing["lms.judge.model"] == ["–", "transformers/judge"]
    assert all(key.startswith("lms.judge.") for key in found.differing)
    assert "generate.concurrency" in found.operational
    assert "name" not in found.differing


def test_folders_of_one_name_are_told_apart_and_recipes_that_agree_say_nothing(
    tmp_path: Path, items: list[Item]
) -> None:
    for place in ("a", "b"):
        make_examined(tmp_path / place / "run", items[:3], {HELDOUT: (items[:3], set())})
    found = compare_all([tmp_path / "a" / "run", tmp_path / "b" / "run"])
    assert [run.name for run in found.runs] == ["1 a/run", "2 b/run"]
    assert (found.differing, found.operational) == ({}, [])


def test_what_cannot_be_compared_is_one_line(tmp_path: Path, items: list[Item]) -> None:
    make_examined(tmp_path / "one", items[:3], {HELDOUT: (items[:3], set())})
    (tmp_path / "empty").mkdir()
    with open_run(tmp_path / "young", Recipe.model_validate({"name": "y", "lms": {"teacher": {"model": "x/y"}}})):
        pass
    for name, said in (("empty", "is not a run folder"), ("young", "stage `exam` is not done")):
        with pytest.raises(RunError, match=said) as error:
            compare_all([tmp_path / "one", tmp_path / name])
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="is named twice"):
        compare_all([tmp_path / "one", tmp_path / "x" / ".." / "one"])
