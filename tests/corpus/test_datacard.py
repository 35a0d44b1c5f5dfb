"""The card is read by people who know nothing of the run: every figure and every omission must be in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from corpus.assemble import assemble_items
from corpus.card_checks import PeopleReview
from corpus.config import DecontaminateConfig, VerifyConfig
from corpus.datacard import SAFETY, CardFacts, DataConfig, ModelUsed, Packaging, ProgramUsed, write_datacard
from corpus.funnel import FunnelStep
from corpus.outcomes import Curated, Exams, ScreenedSessions, Verified

GRAMMAR = "is a grammar, not a language model"
CONFIGS = (
    DataConfig("EU", "items", {"train": "data/EU/train.parquet", "test": "data/EU/test.parquet"}),
    DataConfig("chat", "rows", {"train": "data/chat/train.parquet"}),
)


@pytest.fixture(scope="module")
def facts(make_eu: Callable[..., Any], make_ea: Callable[..., Any]) -> CardFacts:
    """Six items of two sessions: four of understanding, two of application."""
    drafts = [make_eu(f"s1-0000{n % 2}-m{n}", teacher="scripted/counsel") for n in range(4)]
    drafts += [make_ea(f"s1-00000-m{n}", teacher="scripted/counsel") for n in (4, 5)]
    verified = Verified(
        drafts=9, screened={"too short": 3}, sessions=ScreenedSessions(marked={}, dropped={}), duplicates={},
        contaminated={}, aside={}, passed=6, judge="", exams=Exams(compared={}, problems=[], off=True),
        choices_only={}, examples=[],
    )  # fmt: skip
    return CardFacts(
        name="full-1600",
        seed=7,
        items=assemble_items(drafts, seed=1),
        splits={"s1-00000": "train", "s1-00001": "heldout"},
        methods={"mads": 1, "concise": 1},
        models=[ModelUsed("teacher", "scripted/counsel"), ModelUsed("judge", "ollama_chat/j", "sha256:12ab")],
        prompts={"generate": "0123456789abcdef"},
        versions={"emoreason": "0.1.0", "python": "3.11"},
        funnel=[FunnelStep(name="drafts written", count=9), FunnelStep(name="passed", count=6, lost={"a|b": 3}, of=9)],
        verified=verified,
        curated=Curated(kept=6, surplus={}, cells={}, splits={}, short={}),
        verify=VerifyConfig(),
        decontaminate=DecontaminateConfig(),
    )


def front_of(card: str) -> dict[str, Any]:
    front: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return front


def table_of(card: str, head: str) -> dict[str, tuple[str, ...]]:
    """The rows below a table's head, by their first cell."""
    block = card[card.index(f"| {head} |") :].split("\n\n")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.split("\n")[2:]]
    return {row[0].strip(): tuple(cell.strip() for cell in row[1:]) for row in rows}


def test_the_front_matter_is_yaml_that_the_hub_reads(facts: CardFacts) -> None:
    front = front_of(write_datacard(facts))
    assert front["language"] == ["en"]
    assert "multiple-choice" in front["task_categories"]
    assert front["pretty_name"] == "EmoReason full-1600"
    assert front["size_categories"] == ["n<1K"]
    assert not {"license", "configs"} & set(front)


@pytest.mark.parametrize(("count", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (10_000, "10K<n<100K")])
def test_the_size_is_one_of_the_hubs(count: int, size: str, facts: CardFacts) -> None:
    many = replace(facts, items=[facts.items[0]] * count)
    assert front_of(write_datacard(many))["size_categories"] == [size]


def test_an_export_says_its_licence_and_what_loads_by_name(facts: CardFacts) -> None:
    card = write_datacard(facts, Packaging(CONFIGS, "cc-by-4.0"))
    front = front_of(card)
    assert front["license"] == "cc-by-4.0"
    assert [config["config_name"] for config in front["configs"]] == ["EU", "chat"]
    assert [config.get("default", False) for config in front["configs"]] == [True, False]
    assert front["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/EU/train.parquet"},
        {"split": "test", "path": "data/EU/test.parquet"},
    ]
    assert 'load_dataset(DIR, "EU")' in card
    assert table_of(card, "name")["`chat`"] == ("rows",)
    assert "`cc-by-4.0`, as whoever exported the set chose" in card


def test_without_a_licence_the_card_says_so(facts: CardFacts) -> None:
    for card in (write_datacard(facts), write_datacard(facts, Packaging(CONFIGS))):
        assert "No licence was chosen" in card
        assert "license" not in front_of(card)


def test_the_card_says_that_the_text_is_synthetic_not_therapy_and_not_advice(facts: CardFacts) -> None:
    card = write_datacard(facts)
    assert SAFETY in card
    assert card.index(SAFETY) < card.index("multiple-choice items on")
    for said in ("synthetic", "not therapy", "not advice", "emergency service", "crisis line", "counsel"):
        assert said in SAFETY


def test_items_are_counted_by_task_category_and_part(facts: CardFacts) -> None:
    card = write_datacard(facts)
    assert table_of(card, "task | train") == {"EU": ("2", "0", "2", "4"), "EA": ("2", "0", "0", "2")}
    assert table_of(card, "category") == {
        "unexpected_outcome": ("2", "0", "2", "4"),
        "Social-Self / Action": ("2", "0", "0", "2"),
    }
    assert "6 multiple-choice items" in card
    assert "2 sessions (mads 1, concise 1), seed 7" in card


def test_the_funnel_shows_shares_and_reasons(facts: CardFacts) -> None:
    card = write_datacard(facts)
    assert table_of(card, "step")["passed"] == ("6", "66.7%", "a\\|b 3")
    assert "Fewer than asked for" not in card
    assert "people's word changed" not in card
    short = replace(facts, curated=facts.curated.model_copy(update={"short": {"persona": 12}}))
    assert "Fewer than asked for: persona 12." in write_datacard(short)
    changed = replace(facts, review=PeopleReview(people=1, read=2, taken_in=1))
    assert "people's word changed the set, which has 6 items now" in write_datacard(changed)


def test_models_weights_prompts_and_versions_are_told(facts: CardFacts) -> None:
    card = write_datacard(facts)
    assert table_of(card, "role") == {
        "teacher": ("`scripted/counsel` (scripted)", ""),
        "judge": ("`ollama_chat/j`", "`sha256:12ab`"),
    }
    assert "Fingerprints of the prompts: generate `0123456789abcdef`" in card
    assert "emoreason 0.1.0, python 3.11" in card


def test_the_teachers_are_named_with_their_counts(facts: CardFacts) -> None:
    mixed = [facts.items[0].model_copy(update={"teacher": "openai/gpt-9"}), *facts.items[1:]]
    assert "`openai/gpt-9` (1), `scripted/counsel` (5)" in write_datacard(replace(facts, items=mixed))


def test_a_card_warns_of_a_grammar_only_when_no_language_model_wrote(facts: CardFacts) -> None:
    mixed = [facts.items[0].model_copy(update={"teacher": "openai/gpt-9"}), *facts.items[1:]]
    assert GRAMMAR in write_datacard(facts)
    assert GRAMMAR not in write_datacard(replace(facts, items=mixed))


def test_a_card_of_nothing_names_no_teacher(facts: CardFacts) -> None:
    card = write_datacard(replace(facts, items=[], splits={}))
    assert GRAMMAR not in card
    assert "Written by" not in card
    assert "No item was kept" in card


def test_what_was_not_done_stands_in_the_card(facts: CardFacts) -> None:
    card = write_datacard(facts)
    assert "**No judge looked at the items**" in card
    assert "**The items were not compared with any exam set** (the recipe turned it off)" in card
    assert "**No person has read the items.**" in card


def test_the_same_facts_give_the_same_card(facts: CardFacts) -> None:
    assert write_datacard(facts) == write_datacard(facts)


def test_compiled_programs_that_wrote_the_data_are_told_with_what_they_brought(facts: CardFacts) -> None:
    program = ProgramUsed("items", "items-gepa-1", ("bootstrap", "gepa"), "openai/x", 0.614, 0.93, (0.21, 0.4), 1200)
    card = write_datacard(replace(facts, programs=[program]))
    assert table_of(card, "writes")["items"] == (
        "`items-gepa-1`", "bootstrap + gepa", "`openai/x`", "0.61 → 0.93", "+0.21 to +0.40", "1,200",
    )  # fmt: skip
    assert "on cases that no optimizer saw" in card
    assert "optimizer" not in write_datacard(facts)
