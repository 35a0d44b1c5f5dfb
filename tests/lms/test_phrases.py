from __future__ import annotations

import re
import string
from itertools import chain, combinations

import pytest
from pydantic import ValidationError
from rapidfuzz import fuzz

from corpus.safety import puts_safety_first, voices_risk
from corpus.taxonomy import find_emotion_words
from lms.scripted.faults import SPOTS
from lms.scripted.phrases import Phrases, phrases

GROUPS = {
    f"{part} {kind}": lines
    for part in Phrases.model_fields
    for kind, lines in getattr(phrases(), part).items()
}  # fmt: skip
SLOTS = {
    "background": {
        "name", "persona", "theme", "conflict_domain", "stakes", "mix", "coping", "coping_start", "communication",
    },
    "therapist reflect": {"quote"},
    "explanation cue": {"cue"},
    "explanation means": {"means"},
    "explanation therefore": {"therefore", "asked"},
    "explanation nearest": {"wrong", "misread"},
    "explanation answer": {"answer"},
    "judge found": {"faults"},
}  # fmt: skip
QUESTIONS = ("facts", "meaning", "perspective")
STAGES = ("guarded", "stirred", "torn", "seeing", "steadier")


def slots_of(line: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(line) if name is not None]


@pytest.mark.parametrize("group", GROUPS)
def test_every_kind_of_phrase_has_at_least_six_different_wordings(group: str) -> None:
    lines = GROUPS[group]
    assert len(set(lines)) == len(lines) >= 6
    for one, two in combinations(lines, 2):
        assert fuzz.ratio(one, two) < 90, (one, two)


@pytest.mark.parametrize("group", GROUPS)
def test_a_phrase_uses_only_the_slots_that_are_filled_for_its_kind(group: str) -> None:
    allowed = SLOTS.get(group, SLOTS.get(group.split()[0], set()))
    for line in GROUPS[group]:
        assert set(slots_of(line)) <= allowed, line


@pytest.mark.parametrize(
    ("group", "needed"),
    [
        ("background intro", {"name", "persona"}), ("background intro_sentence", {"name", "persona"}),
        ("background theme", {"theme"}), ("background conflict", {"conflict_domain", "stakes", "mix"}),
        ("background coping", {"communication"}), ("therapist reflect", {"quote"}), ("explanation cue", {"cue"}),
        ("explanation means", {"means"}), ("explanation therefore", {"therefore"}),
        ("explanation nearest", {"wrong", "misread"}), ("explanation answer", {"answer"}), ("judge found", {"faults"}),
    ],
)  # fmt: skip
def test_a_phrase_says_what_its_kind_is_for(group: str, needed: set[str]) -> None:
    for line in GROUPS[group]:
        assert needed <= set(slots_of(line)), line


def test_every_background_names_the_way_of_coping() -> None:
    assert all({"coping", "coping_start"} & set(slots_of(line)) for line in GROUPS["background coping"])


@pytest.mark.parametrize(
    "group", [group for group in GROUPS if not group.startswith(("explanation", "therapist reflect"))]
)
def test_a_phrase_is_made_of_whole_sentences(group: str) -> None:
    for line in GROUPS[group]:
        assert re.match(r"[A-Z{]", line), line
        assert re.search(r"[.!?]$|\{(?:theme|persona)\}$", line), line
        assert "  " not in line


def test_the_cue_is_quoted_and_the_answer_comes_last() -> None:
    assert all("“{cue}”" in line for line in GROUPS["explanation cue"])
    assert all("“{wrong}”" in line for line in GROUPS["explanation nearest"])
    assert all(line.endswith("nswer: {answer}.") for line in GROUPS["explanation answer"])


def test_a_therapist_gives_back_the_clients_words_in_quotation_marks() -> None:
    assert all(line.count("“{quote}”") == 1 for line in GROUPS["therapist reflect"])


@pytest.mark.parametrize("phase", QUESTIONS)
def test_a_question_of_a_phase_is_open_and_no_advice(phase: str) -> None:
    for line in phrases().therapist[phase]:
        assert line.endswith("?")
        assert line.count("?") == 1
        for fault in ("closed_question", "early_advice"):
            assert not SPOTS[fault]({}, {"message": f"You said, “I left.” {line}"}), line


@pytest.mark.parametrize(("kind", "fault"), [("closed", "closed_question"), ("advice", "early_advice")])
def test_a_faulty_question_is_recognised_as_such(kind: str, fault: str) -> None:
    for line in phrases().therapist[kind]:
        assert SPOTS[fault]({}, {"message": f"You said, “I left.” {line}"}), line


def test_questions_are_not_asked_in_two_phases() -> None:
    asked = list(chain.from_iterable(phrases().therapist[phase] for phase in QUESTIONS))
    assert len(set(asked)) == len(asked)


def test_there_are_more_questions_of_the_last_phase_than_turns_that_need_one() -> None:
    """Turn 5 to turn 14 of a session, each with a question that was not asked before."""
    assert len(phrases().therapist["perspective"]) >= 10


def test_a_client_at_risk_is_recognised_and_no_other_client_is() -> None:
    assert all(voices_risk(line) for line in phrases().client["risk"])
    others = [*phrases().client["greet"], *phrases().client["doubt"], *chain.from_iterable(phrases().stages.values())]
    assert [line for line in others if voices_risk(line)] == []


def test_an_answer_at_risk_asks_directly_and_names_urgent_help() -> None:
    assert all(puts_safety_first(line) for line in phrases().therapist["safety"])
    others = chain.from_iterable(lines for kind, lines in phrases().therapist.items() if kind != "safety")
    assert [line for line in others if puts_safety_first(line)] == []


def test_a_client_has_wordings_for_each_stage_and_labels_no_feeling() -> None:
    assert tuple(phrases().stages) == STAGES
    said = [*chain.from_iterable(phrases().stages.values()), *phrases().client["greet"], *phrases().client["doubt"]]
    assert [line for line in said if SPOTS["names_feeling"]({}, {"message": line})] == []
    assert [line for line in said if find_emotion_words(line)] == []


def test_what_a_client_says_at_one_stage_is_said_at_no_other() -> None:
    said = list(chain.from_iterable(phrases().stages.values()))
    assert len(set(said)) == len(said)


def test_five_wordings_of_a_kind_are_refused() -> None:
    data = phrases().model_dump(mode="json")
    data["client"]["greet"] = data["client"]["greet"][:5]
    with pytest.raises(ValidationError, match=r"client\.greet"):
        Phrases.model_validate(data)


def test_a_part_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="chorus"):
        Phrases.model_validate(phrases().model_dump(mode="json") | {"chorus": {}})


def test_phrases_are_read_once() -> None:
    assert phrases() is phrases()
