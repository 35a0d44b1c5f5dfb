"""The card of a student: what it admits, and that no text of a model or a user becomes markup in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from corpus.escape import escape, fence, quote_code
from finetune.card import NOT_EXAMINED, Change, ExamFacts, Score, StudentFacts, TrainingData, Tuning, changed_keys
from finetune.card import write_model_card as write
from finetune.config import TrainConfig

HOSTILE = "<img src=x onerror=alert(1)> [a](https://b.example) `c` | **d** # e"
READER = MarkdownIt("commonmark").enable("table")

BASELINES = (0.05, 0.115, 0.095, 0.11)


def score(lenient: float, low: float, high: float, **changes: Any) -> Score:
    return replace(Score("EmoBench, EU generate", "tuned", 200, 1.0, 0.1, lenient, (low, high), *BASELINES), **changes)


AT, ABOVE, BELOW = score(0.06, 0.03, 0.1), score(0.2, 0.15, 0.26), score(0.01, 0.0, 0.03)


@pytest.fixture
def facts() -> StudentFacts:
    config = TrainConfig(base="acme/small", epochs=2, formats={"reasoned": 3})
    return StudentFacts(
        name="tiny",
        seed=3,
        base="acme/small",
        base_on_hub=True,
        config=config,
        tuning=Tuning(rows=120, tokens=4000, steps=30, parameters=7_000_000, validation_loss=0.0, memory=3 * 2**30),
        data=TrainingData({"train": {"EU": 40, "EA": 30}, "heldout": {"EA": 9}}, 0, "f" * 64, {"o/q": 79}, False),
        exam=ExamFacts([AT], [AT], [Change("EmoBench, EU generate", "plain", 0.01, (-0.02, 0.04), "no change shown")]),
        recipe={"name": "tiny", "train": config.model_dump(mode="json")},
        versions={"emoreason": "0.1.0"},
    )  # fmt: skip


def test_the_front_matter_points_to_a_base_of_the_hub_only(facts: StudentFacts) -> None:
    matter = yaml.safe_load(write(facts).split("---\n")[1])
    assert matter["base_model"] == "acme/small"
    assert matter["library_name"] == "transformers"
    local = yaml.safe_load(write(replace(facts, base="small", base_on_hub=False)).split("---\n")[1])
    assert "base_model" not in local


@pytest.mark.parametrize(("row", "said"), [(AT, "at chance"), (ABOVE, "above chance"), (BELOW, "below chance")])
def test_where_a_student_stands_follows_from_its_interval(row: Score, said: str, facts: StudentFacts) -> None:
    card = write(replace(facts, exam=ExamFacts([row], [row], [])))
    limits = card.partition("## Limits")[2].partition("## How to use")[0]
    assert (f"**EmoBench, EU generate: {said}.**" in limits) == (row is not ABOVE)
    assert f"| {said} |" in card


def test_unread_answers_are_a_limit(facts: StudentFacts) -> None:
    half = score(0.2, 0.15, 0.26, answered=0.5)
    assert "50.0% of the answers could not be read" in write(replace(facts, exam=ExamFacts([half], [half], [])))


def test_the_score_table_has_every_figure(facts: StudentFacts) -> None:
    card = write(facts)
    shares = "100.0 | 10.0 | 6.0 | 3.0 to 10.0 | 5.0 | 11.5 | 9.5 | 11.0"
    assert f"| EmoBench, EU generate | tuned | 200 | {shares} | at chance |" in card
    old = replace(AT, longest_option=None, choices_only=None)
    assert "| 5.0 | 11.5 | – | – | at chance |" in write(replace(facts, exam=ExamFacts([old], [old], [])))
    assert "| EmoBench, EU generate | plain | +1.0 | -2.0 to +4.0 | **no change shown** |" in card


def test_without_an_exam_the_card_says_so(facts: StudentFacts) -> None:
    card = write(replace(facts, exam=None))
    assert NOT_EXAMINED in card
    assert "chance" not in card


def test_figures_that_are_not_known_have_no_row(facts: StudentFacts) -> None:
    card = write(facts)
    assert "| peak memory, GiB | 3.00 |" in card
    assert "| last validation loss | 0.000 |" in card
    assert "last training loss" not in card


def test_a_scripted_teacher_is_called_one(facts: StudentFacts) -> None:
    assert "grammar" not in write(facts)
    card = write(replace(facts, data=replace(facts.data, scripted=True, others=5)))
    assert "**Its teacher is scripted: a grammar, not a language model.**" in card
    assert "5 training items of other runs" in card


def test_rows_left_out_are_counted_and_the_first_named(facts: StudentFacts) -> None:
    tuning = replace(facts.tuning, dropped=[f"r{n}" for n in range(8)], plan=["bf16: the device has it"])
    card = write(replace(facts, tuning=tuning))
    assert "8 rows longer than `max_length` left out: `r0`, `r1`, `r2`, `r3`, `r4` and 3 more." in card
    assert "- bf16: the device has it" in card


def test_only_keys_that_differ_from_the_preset_are_named() -> None:
    assert changed_keys(TrainConfig()) == {}
    assert changed_keys(TrainConfig(preset="paper", base="a/b")) == {"base": "a/b"}
    given = {"preset": "paper", "base": "a/b", "lora": {"rank": 8}, "formats": {"letter": 2}, "epochs": 1}
    changed = {"base": "a/b", "lora.rank": 8, "epochs": 1, "formats": {"letter": 2}}
    assert changed_keys(TrainConfig.model_validate(given)) == changed


def test_the_recipe_can_be_read_back_whatever_stands_in_it(facts: StudentFacts) -> None:
    recipe = {**facts.recipe, "note": "a\n```\n# not a heading\n````"}
    card = write(replace(facts, recipe=recipe))
    (block,) = [token for token in READER.parse(card) if token.type == "fence" and token.info == "yaml"]
    assert yaml.safe_load(block.content) == recipe


def test_hostile_text_stays_text(facts: StudentFacts) -> None:
    row = replace(AT, exam=HOSTILE)
    hostile = replace(
        facts,
        name=HOSTILE,
        tuning=replace(facts.tuning, dropped=[HOSTILE], plan=[HOSTILE]),
        data=replace(facts.data, writers={HOSTILE: 3}),
        exam=ExamFacts([row], [row], [Change(HOSTILE, "plain", 0.0, (0.0, 0.0), "x")], HOSTILE),
        versions={HOSTILE: HOSTILE},
    )
    page = READER.render(write(hostile).partition("---\n\n")[2])
    assert "<img" not in page
    assert "<a " not in page
    assert page.count("<table>") == 5
    assert page.count("<td>&lt;img src=x onerror=alert(1)&gt; [a](https://b.example) `c` | **d** # e</td>") == 2


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))  # CommonMark takes NUL out
def test_escaped_text_is_read_as_itself(text: str) -> None:
    (paragraph,) = [token for token in READER.parse(f"x {escape(text)} y") if token.type == "inline"]
    assert {child.type for child in paragraph.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in paragraph.children or []).split() == f"x {text} y".split()


@pytest.mark.parametrize("text", ["# a", "1. a", "- a", "+ a", "=", "> a", "2) b", "---", "```", "~~~"])
def test_the_start_of_a_line_is_escaped_too(text: str) -> None:
    assert READER.render(escape(text)).startswith("<p>")


@pytest.mark.parametrize("text", ["a", "a`b", "``a`` b", "`"])
def test_code_keeps_its_backticks(text: str) -> None:
    assert f"<code>{text}</code>" in READER.render(quote_code(text))


def test_a_fence_is_longer_than_any_inside() -> None:
    assert fence("````", "yaml") == "`````yaml\n````\n`````"
