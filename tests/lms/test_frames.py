from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from corpus.taxonomy import load_taxonomy
from lms.scripted import frames
from lms.scripted.frames import ApplicationFile, FrameFile, UnderstandingFile, lint_file, load_frames, parse_frames

FOLDER = Path(frames.__file__).parent / "frames"


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


def sound(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return data


def lint(data: dict[str, Any]) -> str:
    return "\n".join(lint_file(parse_frames(yaml.safe_dump(data))))


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_a_packaged_file_is_sound(name: str) -> None:
    assert lint(sound(name)) == ""


def test_every_label_that_a_plan_may_set_has_turns_and_no_other_has() -> None:
    taxonomy = load_taxonomy()
    wanted: dict[tuple[str, ...], set[str]] = {(n,): set(sub.aims) for n, sub in taxonomy.sub_categories.items()}
    for category, entry in taxonomy.ea.categories.items():
        wanted |= {(category, question_type): set(needs) for question_type, needs in entry.calls_for.items()}
    assert {cell: set(counts) for cell, counts in labels_by_cell().items()} == wanted


def test_every_label_of_a_cell_is_used_evenly() -> None:
    for cell, counts in labels_by_cell().items():
        assert max(counts.values()) - min(counts.values()) <= 1, cell


def test_frame_names_are_unique_so_that_a_situation_can_be_traced() -> None:
    names = Counter(frame.id for frame_file in load_frames() for frame in frame_file.frames)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    ("place", "text", "complaint"),
    [
        ("setup", "{S}'s neighbour {O} came.", "write {S's}"),
        ("setup", "{O} told {S} a thing.", "{S} as an object"),
        ("setup", "{S} {was} there with {O}.", "write {S} was"),
        ("setup", "{O} came in, and {he} was there.", "past tense that fits"),
        ("setup", "{O} and {S} broke {this}.", "unknown slot {this}"),
        ("setup", "{O} and {S} broke {off.", "expected '}'"),
        ("setup", "{O} saw that {S} felt nothing but anger.", "names an emotion"),
        ("shows", "{S} trembled with fear.", "names an emotion"),
        ("happens", "then {O} came.", "begin with a capital"),
        ("cause", "Too short", "causes have"),
        ("misread", "Ends like a sentence.", "misread completes"),
    ],
)
def test_a_broken_line_is_named(place: str, text: str, complaint: str) -> None:
    data = sound("eu_false_belief.yaml")
    frame = data["frames"][0]
    holder = frame if place == "setup" else frame["turns"][0]
    holder[place] = text if place == "misread" else [text, *holder[place][1:]]
    assert complaint in lint(data)


def test_a_frame_with_a_label_twice_is_named() -> None:
    data = sound("eu_persona.yaml")
    turns = data["frames"][0]["turns"]
    turns[0]["emotion"] = turns[1]["emotion"]
    assert f"{data['frames'][0]['id']}: the four turns need four different emotions" in lint(data)
    data = sound("ea_social_self.yaml")
    turns = data["frames"][0]["turns"]
    turns[0]["need"] = turns[1]["need"]
    assert f"{data['frames'][0]['id']}: the four turns need four different needs" in lint(data)


def test_a_label_that_is_used_too_often_or_unknown_is_named() -> None:
    data = sound("eu_persona.yaml")
    data["frames"] += [{**data["frames"][0], "id": f"again_{number}"} for number in range(3)]
    assert "wanted about" in lint(data)
    data = sound("ea_social_self.yaml")
    data["frames"][0]["turns"][0]["need"] = "applaud"
    assert "unknown need 'applaud'" in lint(data)


def test_a_detail_that_is_never_told_is_named() -> None:
    data = sound("eu_faux_pas.yaml")
    data["frames"][0]["vary"]["spare"] = list("abcdef")
    assert "vary slot 'spare' is never used" in lint(data)


@pytest.mark.parametrize("change", [{"colour": "red"}, {"setting": "moon"}, {"setup": ["One form only."]}])
def test_a_frame_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    data = sound("ea_personal_self.yaml")
    data["frames"][0] |= change
    with pytest.raises(ValidationError):
        parse_frames(yaml.safe_dump(data))


@pytest.mark.parametrize(
    "frame_file",
    [UnderstandingFile(sub_category="sixth_sense", frames=()), ApplicationFile(category="Nobody", frames=())],
)
def test_an_unknown_category_is_named(frame_file: FrameFile) -> None:
    assert lint_file(frame_file)[0].startswith("unknown ")


def test_the_checker_reports_each_file_and_fails_when_one_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, torn = FOLDER / "eu_persona.yaml", tmp_path / "torn.yaml"
    torn.write_text("frames: [", encoding="utf-8")
    assert frames.main([str(good)]) == 0
    assert frames.main([str(good), str(torn)]) == 1
    said = capsys.readouterr().out
    assert "eu_persona.yaml: 6 frames, 0 problems" in said
    assert "torn.yaml: " in said
