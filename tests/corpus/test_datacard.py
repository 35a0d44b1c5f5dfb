from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from corpus.assemble import assemble_items
from corpus.datacard import SAFETY, write_datacard
from corpus.split import Split


@pytest.fixture(scope="module")
def items(make_eu: Any, make_ea: Any) -> list[Any]:
    """Six items of two sessions: four of understanding, two of application."""
    drafts = [make_eu(f"s1-0000{n % 2}-m{n}", teacher="scripted/counsel") for n in range(4)]
    drafts += [make_ea(f"s1-00000-m{n}", teacher="scripted/counsel") for n in (4, 5)]
    return assemble_items(drafts, seed=1)


def card_of(items: Sequence[Any], dropped: Mapping[str, int] | None = None) -> str:
    splits: dict[str, Split] = {"s1-00000": "train", "s1-00001": "heldout"}
    return write_datacard("full-1600", 7, items, splits, dropped or {}, {"mads": 1, "concise": 1})


def table_of(card: str, head: str) -> dict[str, str]:
    """The rows below a table's head."""
    block = card[card.index(f"| {head} |") :].split("\n\n")[0]
    return dict(re.findall(r"^\| (.+?) \| ([\d,]+) \|$", block, re.MULTILINE))


def test_the_front_matter_is_yaml_that_the_hub_reads(items: list[Any]) -> None:
    front = yaml.safe_load(card_of(items).split("---\n")[1])
    assert front["language"] == "en"
    assert front["task_categories"] == ["multiple-choice"]
    assert front["pretty_name"] == "EmoReason full-1600"


def test_the_card_says_that_the_text_is_synthetic_not_therapy_and_not_advice(items: list[Any]) -> None:
    card = card_of(items)
    assert SAFETY in card
    assert card.index(SAFETY) < card.index("multiple-choice items on")
    for said in ("synthetic", "not therapy", "not advice", "emergency service", "crisis line", "counsel"):
        assert said in SAFETY


def test_items_are_counted_by_category_and_by_split(items: list[Any]) -> None:
    card = card_of(items)
    assert table_of(card, "category") == {"unexpected_outcome": "4", "Social-Self / Action": "2"}
    assert table_of(card, "split") == {"train": "4", "heldout": "2"}
    assert "6 multiple-choice items" in card
    assert "2 sessions (mads 1, concise 1), seed 7" in card


def test_what_was_dropped_is_told_with_its_reasons_and_only_then(items: list[Any]) -> None:
    dropped = {"scenario length": 1200, "choices alike": 3}
    assert table_of(card_of(items, dropped), "dropped because") == {"scenario length": "1,200", "choices alike": "3"}
    assert "dropped because" not in card_of(items)


def test_the_teachers_are_named_with_their_counts(items: list[Any]) -> None:
    mixed = [items[0].model_copy(update={"teacher": "openai/gpt-9"}), *items[1:]]
    assert "`openai/gpt-9` (1), `scripted/counsel` (5)" in card_of(mixed)


def test_a_card_warns_of_a_grammar_only_when_no_language_model_wrote(items: list[Any]) -> None:
    warning = "is a grammar, not a language model"
    assert warning in card_of(items)
    assert warning not in card_of([items[0].model_copy(update={"teacher": "openai/gpt-9"}), *items[1:]])


def test_a_card_of_nothing_names_no_teacher() -> None:
    card = write_datacard("empty", 1, [], {}, {"scenario length": 4}, {"mads": 1})
    assert "grammar" not in card
    assert "Written by" not in card


def test_the_card_says_that_no_exam_was_compared_and_nobody_has_read_the_items(items: list[Any]) -> None:
    card = card_of(items)
    assert "not compared with any exam set" in card
    assert "no person has read them" in card
