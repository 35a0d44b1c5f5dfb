from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.checks import find_faults
from corpus.checks.wording import plain, split_sentences
from corpus.config import CurateConfig
from corpus.records import ApplicationDraft, Draft, UnderstandingDraft

CONFIG = CurateConfig()
CUE = "The cue is “Amina put the letter back”, which she had wanted to show him."
SCENARIO = (
    "Amina put the letter back into the drawer when Otieno came in. He asked whether there was news from the school. "
    "She said that the post was late, and turned the key twice."
)


def read_sound() -> list[tuple[Draft, str]]:
    """Drafts written by hand, in the manner of a language model, each with an ending that contradicts it."""
    written = yaml.safe_load(Path(__file__).with_name("sound.yaml").read_text(encoding="utf-8"))
    drafts: list[tuple[Draft, str]] = []
    for number, fields in enumerate(written["understanding"]):
        coarse, fine = fields.pop("category").split("/")
        told = {"id": f"EU {number}", "session": "s", "misreadings": (), **fields}
        contrary = told.pop("contrary")
        drafts.append((UnderstandingDraft(coarse_category=coarse, finegrained_category=fine, **told), contrary))
    for number, fields in enumerate(written["application"]):
        told = {"id": f"EA {number}", "session": "s", "misreadings": (), **fields}
        contrary = told.pop("contrary")
        drafts.append((ApplicationDraft(**told), contrary))
    return drafts


SOUND = read_sound()
NAMES = [draft.id for draft, _ in SOUND]


@pytest.mark.parametrize(("draft", "contrary"), SOUND, ids=NAMES)
def test_items_as_a_good_model_writes_them_pass(draft: Draft, contrary: str) -> None:
    assert find_faults(draft, CONFIG) == []


@pytest.mark.parametrize(("draft", "contrary"), SOUND, ids=NAMES)
def test_an_explanation_that_arrives_at_another_answer_is_found(draft: Draft, contrary: str) -> None:
    turned = " ".join([*split_sentences(draft.explanation)[:-1], contrary])
    [fault] = find_faults(draft.model_copy(update={"explanation": turned}), CONFIG)
    assert fault in ("explanation contradicts the key", "explanation does not end at the key")


def test_most_contrary_endings_are_told_from_missing_ones() -> None:
    turned = [
        draft.model_copy(update={"explanation": " ".join([*split_sentences(draft.explanation)[:-1], contrary])})
        for draft, contrary in SOUND
    ]
    assert sum(find_faults(draft, CONFIG) == ["explanation contradicts the key"] for draft in turned) >= 11


@pytest.mark.parametrize(("draft", "contrary"), SOUND, ids=NAMES)
def test_an_explanation_of_another_item_is_found(draft: Draft, contrary: str) -> None:
    for other, _ in SOUND:
        if other.scenario != draft.scenario:
            assert find_faults(draft.model_copy(update={"explanation": other.explanation}), CONFIG), other.id


@pytest.fixture(scope="module")
def explain(make_eu: Any) -> Any:
    """``explain(text)``: the faults of a small item with this explanation."""

    def faults(text: str) -> list[str]:
        draft = make_eu(
            emotion="Guilt",
            wrong_emotions=("Joy", "Anger & Sadness", "Boredom", "Pride", "Curiosity"),
            scenario=SCENARIO,
            cause="She hid the letter that he was waiting for",
            wrong_causes=("The drawer would not open any more", "He came home late again", "The school had closed"),
            explanation=text,
        )
        return find_faults(draft, CONFIG)

    return faults


@pytest.mark.parametrize(
    "text",
    [
        f"{CUE} It is not joy. Answer: Guilt, because: She hid the letter that he was waiting for.",
        f"{CUE} Joy would not lock a drawer. So she feels guilty about what she kept from him.",
        f"{CUE} A reader might say anger. What remains is remorse over hiding the letter he was waiting for.",
        f"{CUE} She feels guilt for hiding it, rather than joy.",
        f"{CUE} Guilt it is, for she hid what he was waiting for. Anger and sadness would not lock it away.",
        "The key turned twice and the late post are excuses: the letter is in the drawer. Not boredom, but guilt.",
    ],
)
def test_endings_may_be_worded_in_many_ways(explain: Any, text: str) -> None:
    assert explain(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Amina feels this because of Otieno. It is not joy. Answer: Guilt.", "explanation not grounded"),
        ("“Amina shut the door” tells it. It is not joy. Answer: Guilt.", "explanation not grounded"),
        (f"{CUE} It is not joy. So the answer is clear.", "explanation does not end at the key"),
        (f"{CUE} She feels guilty. It is not this. It is not that.", "explanation does not end at the key"),
        (f"{CUE} It is not joy. Answer: Anger & Sadness.", "explanation contradicts the key"),
        (f"{CUE} It is guilt. Answer: Boredom, because: He came home late again.", "explanation contradicts the key"),
        (f"{CUE} It is guilt. The reason: the drawer would not open.", "explanation contradicts the key"),
        (f"{CUE} She hid the letter that he was waiting for: guilt.", "explanation rules nothing out"),
    ],
)
def test_faults_of_explanations_are_told_apart(explain: Any, text: str, fault: str) -> None:
    assert explain(text) == [fault]


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1).filter(str.strip))
def test_any_text_is_checked_without_an_error(text: str) -> None:
    draft, _ = SOUND[0]
    faults = find_faults(draft.model_copy(update={"explanation": text}), CONFIG)
    assert all(fault.startswith("explanation ") for fault in faults)
    assert "explanation not grounded" in faults


def test_quotations_are_looked_for_without_their_marks() -> None:
    assert plain("It's “late”, isn’t it?") == " it's late isn't it "
    assert split_sentences('He said, "No." Then he left. Dr. X came…') == [
        'He said, "No."',
        "Then he left.",
        "Dr.",
        "X came…",
    ]
