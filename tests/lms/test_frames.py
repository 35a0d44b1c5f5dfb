from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from corpus.taxonomy import load_taxonomy
from lms.scripted.frames import (
    FORMS,
    ApplicationFile,
    ApplicationTurn,
    Frame,
    FrameFile,
    UnderstandingFile,
    UnderstandingTurn,
    load_frames,
    parse_frames,
)


def all_frames() -> list[Frame]:
    return [frame for frame_file in load_frames() for frame in frame_file.frames]


def labels_by_cell() -> dict[tuple[str, ...], Counter[str]]:
    """What each cell's turns are about: emotions of an EU sub-category, needs of an EA category and question type."""
    found: dict[tuple[str, ...], Counter[str]] = {}
    for frame_file in load_frames():
        if isinstance(frame_file, UnderstandingFile):
            cell: tuple[str, ...] = (frame_file.sub_category,)
            found[cell] = Counter(turn.emotion for frame in frame_file.frames for turn in frame.turns)
        else:
            for frame in frame_file.frames:
                cell = (frame_file.category, frame.question_type)
                found.setdefault(cell, Counter()).update(turn.need for turn in frame.turns)
    return found


def small(kind: type[FrameFile]) -> FrameFile:
    """The first packaged file of a kind, with its first frame only."""
    whole = next(frame_file for frame_file in load_frames() if isinstance(frame_file, kind))
    return whole.model_copy(update={"frames": whole.frames[:1]})


def understanding() -> dict[str, Any]:
    return small(UnderstandingFile).model_dump(mode="json")


def application() -> dict[str, Any]:
    return small(ApplicationFile).model_dump(mode="json")


def parse(data: dict[str, Any]) -> FrameFile:
    return parse_frames(yaml.safe_dump(data))


def test_every_text_of_a_packaged_frame_has_six_different_forms() -> None:
    for frame in all_frames():
        for turn in frame.turns:
            parts = [frame.setup, turn.happens]
            parts += [turn.shows, turn.cause] if isinstance(turn, UnderstandingTurn) else [turn.option]
            assert all(len(set(forms)) == FORMS for forms in parts), frame.id


def test_every_detail_of_a_packaged_frame_has_at_least_six_different_fillings() -> None:
    for frame in all_frames():
        for name, fillings in frame.vary.items():
            assert len(set(fillings)) == len(fillings) >= FORMS, (frame.id, name)


def test_every_label_that_a_plan_may_set_has_turns_and_no_other_has() -> None:
    taxonomy = load_taxonomy()
    wanted: dict[tuple[str, ...], set[str]] = {(n,): set(sub.aims) for n, sub in taxonomy.sub_categories.items()}
    for category, entry in taxonomy.ea.categories.items():
        wanted |= {(category, question_type): set(needs) for question_type, needs in entry.calls_for.items()}
    assert {cell: set(counts) for cell, counts in labels_by_cell().items()} == wanted


def test_every_label_of_a_cell_is_used_equally_often() -> None:
    for cell, counts in labels_by_cell().items():
        assert len(set(counts.values())) == 1, (cell, counts)


def test_the_four_turns_of_a_frame_are_four_different_truths() -> None:
    for frame in all_frames():
        labels = {turn.emotion if isinstance(turn, UnderstandingTurn) else turn.need for turn in frame.turns}
        assert len(labels) == 4, frame.id


def test_frame_names_are_unique_so_that_a_situation_can_be_traced() -> None:
    names = Counter(frame.id for frame in all_frames())
    assert [name for name, count in names.items() if count > 1] == []


def test_files_are_read_once_and_in_the_order_of_their_categories() -> None:
    assert load_frames() is load_frames()
    kinds = [type(frame_file) for frame_file in load_frames()]
    assert kinds == [ApplicationFile] * 4 + [UnderstandingFile] * 11


def test_a_file_is_of_the_kind_that_its_category_says() -> None:
    assert isinstance(parse(understanding()).frames[0].turns[0], UnderstandingTurn)
    assert isinstance(parse(application()).frames[0].turns[0], ApplicationTurn)


def test_a_file_that_was_written_is_read_back_the_same() -> None:
    assert parse(understanding()) == small(UnderstandingFile)
    assert parse(application()) == small(ApplicationFile)


@pytest.mark.parametrize("place", ["setup", "happens", "shows", "cause"])
@pytest.mark.parametrize("change", [lambda forms: forms[:-1], lambda forms: [*forms, forms[0]]])
def test_five_or_seven_forms_of_an_understanding_text_are_refused(place: str, change: Any) -> None:
    data = understanding()
    frame = data["frames"][0]
    holder = frame if place == "setup" else frame["turns"][2]
    holder[place] = change(holder[place])
    with pytest.raises(ValidationError, match=place):
        parse(data)


@pytest.mark.parametrize("place", ["setup", "happens", "option"])
def test_five_forms_of_an_application_text_are_refused(place: str) -> None:
    data = application()
    frame = data["frames"][0]
    holder = frame if place == "setup" else frame["turns"][3]
    holder[place] = holder[place][:-1]
    with pytest.raises(ValidationError, match=place):
        parse(data)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "colour"),
        ({"setting": "moon"}, "setting"),
        ({"question_type": "Guess"}, "question_type"),
        ({"id": "Not A Name"}, "id"),
        ({"vary": {"thing": list("abcdef")}}, "vary"),
        ({"vary": {"thing": list("abcde"), "place": list("abcdef")}}, "vary.thing"),
        ({"setup": ["short"] * 6}, "setup"),
        ({"turns": []}, "turns"),
    ],
)
def test_a_frame_of_another_shape_is_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    data = application()
    data["frames"][0] |= change
    with pytest.raises(ValidationError, match=complaint):
        parse(data)


def test_three_or_five_turns_are_refused() -> None:
    for count in (3, 5):
        data = understanding()
        turns = data["frames"][0]["turns"]
        data["frames"][0]["turns"] = (turns + turns)[:count]
        with pytest.raises(ValidationError, match="turns"):
            parse(data)


@pytest.mark.parametrize(
    "text", ["frames: [", "sub_category: persona", "category: Personal-Self\nframes: 3", "- a list"]
)
def test_a_text_that_is_no_frame_file_is_refused(text: str) -> None:
    with pytest.raises((ValidationError, yaml.YAMLError)):
        parse_frames(text)


def test_a_frame_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(ValidationError):
        all_frames()[0].id = "another"
