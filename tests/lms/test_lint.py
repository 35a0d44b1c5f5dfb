from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from lms.scripted.frames import ApplicationFile, FrameFile, UnderstandingFile, load_frames, parse_frames
from lms.scripted.lint import lint_file, main, slots_in

FOLDER = Path(str(files("lms.scripted").joinpath("frames")))
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
UNDERSTANDING, APPLICATION = "eu_false_belief", "ea_personal_self"


def packaged(name: str) -> FrameFile:
    return load_frames()[NAMES.index(name)]


def one_frame(name: str) -> dict[str, Any]:
    """The first frame of a packaged file, to be broken."""
    whole = packaged(name)
    return whole.model_copy(update={"frames": whole.frames[:1]}).model_dump(mode="json")


def lint(data: dict[str, Any]) -> str:
    return "\n".join(lint_file(parse_frames(yaml.safe_dump(data, allow_unicode=True))))


def put(data: dict[str, Any], place: str, text: str, form: int = 0) -> dict[str, Any]:
    """Write ``text`` into the frame: into its setup, or into a slot of its first turn."""
    holder = data["frames"][0] if place == "setup" else data["frames"][0]["turns"][0]
    if place in ("means", "why", "misread"):
        holder[place] = text
    else:
        holder[place][form] = text
    return data


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_file_is_sound(name: str) -> None:
    assert lint_file(packaged(name)) == []


def test_each_category_has_its_file_by_its_name() -> None:
    for name in NAMES:
        frame_file = packaged(name)
        if isinstance(frame_file, UnderstandingFile):
            assert name == f"eu_{frame_file.sub_category}"
        else:
            assert name == f"ea_{frame_file.category.lower().replace('-', '_')}"


@pytest.mark.parametrize(
    ("place", "text", "complaint"),
    [
        ("setup", "{S}'s neighbour {O} came.", "write {S's}"),
        ("setup", "{O} told {S} a thing.", "{S} as an object"),
        ("setup", "{S} {was} there with {O}.", "write {S} was"),
        ("setup", "\"No,\" said {S} and left {O}.", "write {S} was"),
        ("setup", "{O} came in, and {he} was there.", "past tense that fits"),
        ("setup", "{O} came in, and {S} has a bag.", "past tense that fits"),
        ("setup", "{O} saw what {he} wants.", "past tense that fits"),
        ("setup", "{O} said, \"Where is {S} now?\" and left.", "no slot of S inside a quotation"),
        ("setup", "{O} and {S} broke {this}.", "unknown slot {this}"),
        ("setup", "{O} and {S} broke {off.", "expected '}'"),
        ("setup", "{O} saw that {S} felt nothing but anger.", "names an emotion"),
        ("setup", "One. Two. {S} and {O} came.", "at most 2 sentences in setup"),
        ("happens", "One. Two. {S} and {O} came.", "at most 2 sentences in happens"),
        ("happens", "then {O} came.", "begin with a capital"),
        ("shows", "{S} trembled with fear.", "names an emotion"),
        ("cause", "{S} had no reason but jealousy", "names an emotion"),
        ("cause", "Too short", "causes have"),
        ("cause", "A cause that " + "goes on and " * 5 + "ends", "causes have"),
        ("means", "To {S's} mind {he} is alone.", "past tense that fits"),
        ("misread", "Begins like a sentence", "misread completes"),
        ("misread", "ends like a sentence.", "misread completes"),
        ("misread", "forgets {nobody} at all", "unknown slot {nobody}"),
    ],
)  # fmt: skip
def test_a_broken_line_of_an_understanding_frame_is_named(place: str, text: str, complaint: str) -> None:
    assert complaint not in lint(one_frame(UNDERSTANDING))
    found = lint(put(one_frame(UNDERSTANDING), place, text))
    assert complaint in found
    assert one_frame(UNDERSTANDING)["frames"][0]["id"] in found


@pytest.mark.parametrize(
    ("place", "text", "complaint"),
    [
        ("setup", "{O} waited for {S} in the garden.", "{S} as an object"),
        ("happens", "so {O} came.", "begin with a capital"),
        ("option", "Go away", "options have"),
        ("option", "ask {O} kindly about it, and listen to the answer", "begin with a capital"),
        ("why", "{S} wants to be left alone now.", "past tense that fits"),
        ("misread", "Thinks", "misread completes"),
    ],
)
def test_a_broken_line_of_an_application_frame_is_named(place: str, text: str, complaint: str) -> None:
    assert complaint not in lint(one_frame(APPLICATION))
    text = text.ljust(8, "s")
    assert complaint in lint(put(one_frame(APPLICATION), place, text))


@pytest.mark.parametrize("place", ["setup", "happens", "shows"])
def test_a_form_that_hardly_differs_from_another_is_named(place: str) -> None:
    data = one_frame(UNDERSTANDING)
    holder = data["frames"][0] if place == "setup" else data["frames"][0]["turns"][1]
    holder[place][4] = f"Once more: {holder[place][1]}"
    assert f"two forms of {place} are too alike" in lint(data)


def test_a_form_that_stands_there_twice_is_named() -> None:
    data = one_frame(UNDERSTANDING)
    causes = data["frames"][0]["turns"][0]["cause"]
    causes[5] = causes[0]
    assert "two surface forms are the same" in lint(data)


@pytest.mark.parametrize("place", ["setup", "happens"])
def test_two_forms_must_be_a_single_sentence_for_a_client_to_tell(place: str) -> None:
    data = one_frame(UNDERSTANDING)
    for form in range(6):
        put(data, place, f"It was number {form}. {{S}} saw {{O}}.", form)
    assert f"two forms of {place} must be one sentence" in lint(data)


def test_a_scenario_that_is_too_long_or_too_short_is_named() -> None:
    long, short = one_frame(UNDERSTANDING), one_frame(UNDERSTANDING)
    put(long, "happens", "{S} saw {O} " + "and then another thing " * 25 + "too.")
    assert "turn 0: scenario has" in lint(long)
    put(put(put(short, "setup", "{S} met {O}."), "happens", "{O} left."), "shows", "{S} sat.")
    assert "wanted 30-105" in lint(short)
    assert "wanted 18-62" in lint(put(one_frame(APPLICATION), "happens", "{O} waited " + "and waited " * 30 + "there."))


def test_a_frame_with_a_label_twice_is_named() -> None:
    for name, field, kind in ((UNDERSTANDING, "emotion", "emotions"), (APPLICATION, "need", "needs")):
        data = one_frame(name)
        turns = data["frames"][0]["turns"]
        turns[0][field] = turns[1][field]
        assert f"{data['frames'][0]['id']}: the four turns need four different {kind}" in lint(data)


def test_a_label_that_is_used_more_often_than_others_is_named() -> None:
    for name in (UNDERSTANDING, APPLICATION):
        whole = packaged(name)
        again = whole.frames[0].model_copy(update={"id": "again"})
        found = lint_file(whole.model_copy(update={"frames": (*whole.frames, again)}))
        assert any("wanted" in problem and "x like the others" in problem for problem in found)


def test_a_label_that_the_category_does_not_know_is_named() -> None:
    data = one_frame(UNDERSTANDING)
    data["frames"][0]["turns"][0]["emotion"] = "Hunger"
    assert "aim 'Hunger' is not one of" in lint(data)
    data = one_frame(APPLICATION)
    data["frames"][0]["turns"][0]["need"] = "applaud"
    assert "unknown need 'applaud'" in lint(data)


def test_a_detail_that_is_never_told_is_named() -> None:
    data = one_frame(UNDERSTANDING)
    data["frames"][0]["vary"]["spare"] = list("abcdef")
    assert "vary slot 'spare' is never used" in lint(data)


@pytest.mark.parametrize(
    "frame_file",
    [UnderstandingFile(sub_category="sixth_sense", frames=()), ApplicationFile(category="Nobody", frames=())],
)
def test_an_unknown_category_is_named(frame_file: FrameFile) -> None:
    assert lint_file(frame_file)[0].startswith("unknown ")


def test_slots_are_found_by_name() -> None:
    assert slots_in("{S} gave {O} {his} {S's} bag, and {S} left.") == {"S", "O", "his", "S's"}
    assert slots_in("No slot.") == set()


def test_the_checker_names_each_problem_and_fails_when_a_file_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn, empty, faulty = tmp_path / "torn.yaml", tmp_path / "empty.yaml", tmp_path / "faulty.yaml"
    torn.write_text("frames: [", encoding="utf-8")
    empty.write_text("sub_category: persona", encoding="utf-8")
    data = put(one_frame(UNDERSTANDING), "setup", "{O} told {S} a thing.")
    faulty.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert main([str(FOLDER / "eu_persona.yaml")]) == 0
    assert capsys.readouterr().out == "eu_persona.yaml: 9 frames, 0 problems\n"
    for path in (torn, empty, faulty):
        assert main([str(path)]) == 1
        assert f"{path.name}: " in capsys.readouterr().out
    assert main([str(torn), str(FOLDER / "eu_persona.yaml")]) == 1
