from __future__ import annotations

from dataclasses import replace

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.baselines import Baselines, measure_baselines
from eval.scores import (
    Comparison,
    Mark,
    ScoreRow,
    Stage,
    adjust_together,
    by_task,
    compare,
    say_rows,
    score_row,
    tabulate,
)  # fmt: skip

N = 40
FREE = Baselines(0.25, 0.3, 0.35, 0.4)


@pytest.fixture(scope="module")
def many(ea: ApplicationItem) -> list[ApplicationItem]:
    """Forty EA items, each with a scenario of its own; ten have their key at each letter."""
    return [
        ea.model_copy(update={"qid": f"EA-{n}", "scenario": f"{ea.scenario} {n}", "label": ea.choices[n % 4]})
        for n in range(N)
    ]


def marks(strict: int, lenient: int, answered: int = N) -> list[Mark]:
    """Forty marks of which the first so many are right."""
    return [
        Mark(
            id=f"EA-{n}", raw="", answered=n < answered, strict=n < strict, lenient=n < lenient, rules=("json letter",)
        )
        for n in range(N)
    ]


def verdict(many: list[ApplicationItem], before: list[Mark], after: list[Mark]) -> Comparison:
    return compare(many, before, after, "held-out", "generate")


def test_a_row_counts_shares_and_says_what_guessing_gives(many: list[ApplicationItem]) -> None:
    row = score_row(many, reversed(marks(10, 20, answered=30)), "held-out", "generate", "before", FREE)
    assert (row.task, row.n, row.answered, row.strict, row.lenient) == ("EA", N, 0.75, 0.25, 0.5)
    assert row.interval[0] < 0.5 < row.interval[1]
    assert row.baselines == FREE.named


def test_a_row_of_an_earlier_version_is_read_and_says_what_it_knows(many: list[ApplicationItem]) -> None:
    row = score_row(many, marks(10, 20), "held-out", "generate", "before", FREE)
    old = ScoreRow.model_validate(row.model_dump(mode="json", exclude={"longest_option", "choices_only"}))
    assert old.baselines == {"chance": 0.25, "best constant answer": 0.3}
    assert say_rows([row]) == [
        "without understanding, EA: chance 25.0%, best constant answer 30.0%, longest option 35.0%, choices only 40.0%"
    ]
    assert say_rows([old]) == ["without understanding, EA: chance 25.0%, best constant answer 30.0%"]


def test_an_unmarked_item_is_not_passed_over(many: list[ApplicationItem]) -> None:
    with pytest.raises(KeyError):
        score_row(many, marks(10, 20)[1:], "held-out", "generate", "before", FREE)


def test_improved_needs_both_readings_above_zero(many: list[ApplicationItem]) -> None:
    assert verdict(many, marks(5, 5), marks(30, 30)).verdict == "improved"
    lenient_only = verdict(many, marks(5, 5), marks(5, 30))
    assert lenient_only.lenient.is_gain
    assert lenient_only.verdict == "no change shown"
    strict_only = verdict(many, marks(5, 30), marks(30, 30))
    assert strict_only.strict.is_gain
    assert strict_only.verdict == "no change shown"


def test_answering_more_is_not_improving(many: list[ApplicationItem]) -> None:
    """The paper's headline: a base model whose answers cannot be read scores 0, whatever it understands."""
    silent = marks(0, 0, answered=0)
    assert verdict(many, silent, marks(10, 10)).verdict == "answers more; not above chance"
    assert verdict(many, silent, marks(30, 30)).verdict == "answers more; not shown to be better"
    same_among_answered = verdict(many, marks(15, 15, answered=15), marks(35, 35))
    assert same_among_answered.lenient.is_gain
    assert same_among_answered.answered_twice is not None
    assert same_among_answered.answered_twice.delta == 0
    assert same_among_answered.verdict == "answers more; not shown to be better"


def test_a_gain_that_one_constant_answer_has_for_free_is_no_improvement(many: list[ApplicationItem]) -> None:
    easy = [item.model_copy(update={"label": item.choices[n % 4 if n < 12 else 2]}) for n, item in enumerate(many)]
    constant = measure_baselines(easy).best_constant
    assert constant == 31 / N
    assert verdict(easy, marks(5, 5), marks(32, 32)).verdict == "improved"
    equal = verdict(easy, marks(5, 5), marks(31, 31))
    assert equal.lenient.is_gain
    assert equal.verdict == "more answers right; not above the best constant answer"


@pytest.mark.parametrize(("before", "after", "name"), [(5, 30, "improved"), (30, 5, "worse")])
def test_a_verdict_that_many_comparisons_explain_is_taken_back(
    many: list[ApplicationItem], before: int, after: int, name: str
) -> None:
    found = verdict(many, marks(before, before), marks(after, after))
    weak = found.model_copy(update={"lenient": replace(found.lenient, p_value=0.02)})
    assert [one.verdict for one in adjust_together([weak, weak])] == [name, name]
    corrected = adjust_together([weak, weak, weak])
    assert [one.p_adjusted for one in corrected] == pytest.approx([0.06] * 3)
    assert {one.verdict for one in corrected} == {
        f"{name}, were it the only comparison; no difference shown among all 3"
    }
    same = verdict(many, marks(9, 9), marks(9, 9))
    assert adjust_together([same])[0].verdict == same.verdict


def test_worse_needs_both_readings_below_zero(many: list[ApplicationItem]) -> None:
    assert verdict(many, marks(30, 30), marks(5, 5)).verdict == "worse"
    assert verdict(many, marks(30, 30), marks(5, 30)).verdict == "no change shown"


def test_no_change_at_the_level_of_guessing_is_called_so(many: list[ApplicationItem]) -> None:
    assert verdict(many, marks(10, 10), marks(10, 11)).verdict == "no change shown; at chance"
    assert verdict(many, marks(35, 35), marks(35, 36)).verdict == "no change shown"


def test_items_of_one_scenario_count_as_one(many: list[ApplicationItem]) -> None:
    copies = [item.model_copy(update={"scenario": f"scenario {n // 20}"}) for n, item in enumerate(many)]
    assert verdict(many, marks(0, 0), marks(20, 20)).verdict == "improved"
    assert verdict(copies, marks(0, 0), marks(20, 20)).verdict == "no change shown; at chance"


def test_items_are_grouped_by_task(items: list[UnderstandingItem | ApplicationItem]) -> None:
    groups = by_task(items)
    assert {task: [item.task for item in group] for task, group in groups.items()} == {
        "EA": ["EA"] * 4,
        "EU": ["EU"] * 4,
    }


def table(many: list[ApplicationItem], **right: int) -> tuple[list[Stage], dict[Stage, str]]:
    """The stages of the rows, and the verdict against each untuned student, from how many each had right."""
    rows, comparisons = tabulate(
        many, {stage: marks(count, count) for stage, count in right.items()}, "held-out", "generate", FREE
    )
    return [row.stage for row in rows], {comparison.against: comparison.verdict for comparison in comparisons}


def test_without_a_compiled_prompt_two_students_are_compared(many: list[ApplicationItem]) -> None:
    assert table(many, after=30, before=5) == (["before", "after"], {"before": "improved"})


def test_tuning_improves_only_what_a_compiled_prompt_does_not(many: list[ApplicationItem]) -> None:
    stages, verdicts = table(many, before=5, after=36, prompted=12)
    assert stages == ["before", "prompted", "after"]
    assert verdicts == {"before": "improved", "prompted": "improved"}
    _, verdicts = table(many, before=5, after=30, prompted=29)
    assert verdicts == {
        "before": "better than the plain prompt; not shown to be better than the compiled one",
        "prompted": "no change shown",
    }
    _, verdicts = table(many, before=5, after=25, prompted=38)
    assert verdicts == {
        "before": "better than the plain prompt; worse than the compiled one",
        "prompted": "worse",
    }


def test_a_compiled_prompt_changes_no_other_verdict(many: list[ApplicationItem]) -> None:
    assert table(many, before=30, after=5, prompted=3)[1]["before"] == "worse"
    assert table(many, before=35, after=36, prompted=3)[1]["before"] == "no change shown"
