"""Event frames: the situations that the scripted teacher can tell, and the checks that keep them sound.

A frame is one situation with four possible turns.  Each turn is the truth of one item; the other three give
that item its distractors.  Every option of a frame is therefore right as often as it is wrong, and reading the
choices without the scenario tells nothing.

Check files with ``python -m lms.scripted.frames FILE…`` (no argument: all packaged frames).
"""

from __future__ import annotations

import re
import string
import sys
from collections import Counter
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpus.taxonomy import find_emotion_words, load_taxonomy

Setting = Literal[
    "career", "family", "friendship", "romance", "money", "health",
    "study", "community", "online", "caregiving", "culture", "life_change",
]  # fmt: skip

# {S}: the person it is about, as a subject.  {Sobj}: the same as an object.  {O}: the other named person.
SUBJECT_SLOTS = {"S", "Sobj", "S's", "he", "He", "him", "his", "His", "himself", "was"}
OTHER_SLOTS = {"O", "o_he", "o_He", "o_him", "o_his", "o_His"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Line = Annotated[str, Field(min_length=8)]


class UnderstandingTurn(_Strict):
    """One way an EU situation goes on: what happens, how the feeling shows, and why it is felt."""

    who: Literal["S", "O"] = "S"
    emotion: str
    happens: tuple[Line, Line, Line]
    shows: tuple[Line, Line, Line]
    cause: tuple[Line, Line]
    means: Line
    misread: Line


class UnderstandingFrame(_Strict):
    """An EU situation; ``vary`` gives each detail slot at least six fillings."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    setting: Setting
    vary: dict[str, Annotated[tuple[str, ...], Field(min_length=6)]] = Field(min_length=2)
    setup: tuple[Line, Line, Line, Line]
    turns: tuple[UnderstandingTurn, UnderstandingTurn, UnderstandingTurn, UnderstandingTurn]


class ApplicationTurn(_Strict):
    """One detail that decides what an EA situation calls for, and the option that meets it."""

    need: str
    happens: tuple[Line, Line, Line]
    option: tuple[Line, Line]
    why: Line
    misread: Line


class ApplicationFrame(_Strict):
    """An EA situation of one question type."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    setting: Setting
    question_type: Literal["Action", "Response"]
    vary: dict[str, Annotated[tuple[str, ...], Field(min_length=6)]] = Field(min_length=2)
    setup: tuple[Line, Line, Line, Line]
    turns: tuple[ApplicationTurn, ApplicationTurn, ApplicationTurn, ApplicationTurn]


class UnderstandingFile(_Strict):
    """All frames of one EU sub-category (``eu_<sub_category>.yaml``)."""

    sub_category: str
    frames: tuple[UnderstandingFrame, ...]


class ApplicationFile(_Strict):
    """All frames of one EA category (``ea_<category>.yaml``)."""

    category: str
    frames: tuple[ApplicationFrame, ...]


Frame = UnderstandingFrame | ApplicationFrame
FrameFile = UnderstandingFile | ApplicationFile


def parse_frames(text: str) -> FrameFile:
    """Parse one frame file; raises pydantic.ValidationError or yaml.YAMLError."""
    data = yaml.safe_load(text)
    if isinstance(data, dict) and "sub_category" in data:
        return UnderstandingFile.model_validate(data)
    return ApplicationFile.model_validate(data)


@cache
def load_frames() -> tuple[FrameFile, ...]:
    """Read all packaged frame files once, in name order."""
    folder = files("lms.scripted").joinpath("frames")
    paths = sorted((p for p in folder.iterdir() if p.name.endswith(".yaml")), key=lambda p: p.name)
    return tuple(parse_frames(p.read_text(encoding="utf-8")) for p in paths)


def slots_in(text: str) -> set[str]:
    """Return the names of the ``{slots}`` used in ``text``."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def lint_file(frame_file: FrameFile) -> list[str]:
    """Return every rule that the file breaks, one line each; an empty list is a sound file."""
    if isinstance(frame_file, UnderstandingFile):
        return _lint_understanding(frame_file)
    return _lint_application(frame_file)


def _lint_understanding(frame_file: UnderstandingFile) -> list[str]:
    taxonomy = load_taxonomy()
    if frame_file.sub_category not in taxonomy.sub_categories:
        return [f"unknown sub_category {frame_file.sub_category!r}"]
    aims = taxonomy.sub_categories[frame_file.sub_category].aims
    problems = _lint_counts("aim", aims, [t.emotion for f in frame_file.frames for t in f.turns])
    for frame in frame_file.frames:
        if len({t.emotion for t in frame.turns}) < 4:
            problems.append(f"{frame.id}: the four turns need four different emotions")
        problems += _lint_texts(frame, [(t.happens, t.shows, t.cause, (t.means,)) for t in frame.turns])
        problems += _lint_spread(frame, "cause", [t.cause for t in frame.turns], 4, 20)
        for i, turn in enumerate(frame.turns):
            for text in chain(frame.setup, turn.happens, turn.shows, turn.cause):
                if leaked := find_emotion_words(text):
                    problems.append(f"{frame.id} turn {i}: names an emotion {leaked} in: {text}")
            shortest = sum(min(len(x.split()) for x in part) for part in (frame.setup, turn.happens, turn.shows))
            longest = sum(max(len(x.split()) for x in part) for part in (frame.setup, turn.happens, turn.shows))
            if shortest < 30 or longest > 105:
                problems.append(f"{frame.id} turn {i}: scenario has {shortest}-{longest} words, wanted 30-105")
    return problems


def _lint_application(frame_file: ApplicationFile) -> list[str]:
    taxonomy = load_taxonomy()
    if frame_file.category not in taxonomy.ea.categories:
        return [f"unknown category {frame_file.category!r}"]
    problems = []
    for question_type in taxonomy.ea.question_types:
        frames = [f for f in frame_file.frames if f.question_type == question_type]
        needs = [t.need for f in frames for t in f.turns]
        problems += _lint_counts("need", tuple(dict.fromkeys(needs)), needs)
        problems += [f"unknown need {n!r}" for n in set(needs) - set(taxonomy.ea.needs)]
    for frame in frame_file.frames:
        if len({t.need for t in frame.turns}) < 4:
            problems.append(f"{frame.id}: the four turns need four different needs")
        problems += _lint_texts(frame, [(t.happens, t.option, (t.why,)) for t in frame.turns])
        problems += _lint_spread(frame, "option", [t.option for t in frame.turns], 6, 24)
        for i, turn in enumerate(frame.turns):
            shortest = sum(min(len(x.split()) for x in part) for part in (frame.setup, turn.happens))
            longest = sum(max(len(x.split()) for x in part) for part in (frame.setup, turn.happens))
            if shortest < 18 or longest > 62:
                problems.append(f"{frame.id} turn {i}: scenario has {shortest}-{longest} words, wanted 18-62")
    return problems


def _lint_counts(what: str, wanted: tuple[str, ...], found: list[str]) -> list[str]:
    counts = Counter(found)
    unknown = [f"{what} {name!r} is not one of {', '.join(wanted)}" for name in counts if name not in wanted]
    mean = len(found) / max(1, len(wanted))
    uneven = [f"{what} {n!r} used {counts[n]}x, wanted about {mean:.1f}x" for n in wanted if abs(counts[n] - mean) > 1]
    return unknown + uneven


def _lint_texts(frame: Frame, turns: list[tuple[tuple[str, ...], ...]]) -> list[str]:
    problems = []
    texts = [*frame.setup, *chain.from_iterable(chain.from_iterable(turns))]
    allowed = SUBJECT_SLOTS | OTHER_SLOTS | set(frame.vary)
    used: set[str] = set()
    for text in texts:
        try:
            used |= slots_in(text)
        except ValueError as error:
            problems.append(f"{frame.id}: {error} in: {text}")
        if re.search(r"\b(to|for|with|at|told|asked|gave|from|of|by|handed|sent|hugged|thanked) \{S\}(?!')", text):
            problems.append(f"{frame.id}: {{S}} as an object, write {{Sobj}}: {text}")
        if "{S}'s" in text:
            problems.append(f"{frame.id}: write {{S's}}, not {{S}}'s: {text}")
        if re.search(r"\{(S|he|He)\} (is|has|does|are|have|do|were|(?!was\b)[a-z]+[^s]s)\b|\{[hH]e\} was\b", text):
            problems.append(f"{frame.id}: past tense that fits I/he/she/they, and {{was}} for was/were: {text}")
        if re.search(r"\{S\} \{was\}|\b(said|asked|replied) \{S\}(?!')", text):
            problems.append(f"{frame.id}: write {{S}} was, and {{S}} said (not said {{S}}): {text}")
    for line in chain.from_iterable(chain.from_iterable(turns)):
        if not re.match(r"^[A-Z{\"“]", line):
            problems.append(f"{frame.id}: begin with a capital or a slot: {line}")
    for turn in frame.turns:
        if not turn.misread[0].islower() or turn.misread.endswith("."):
            problems.append(
                f"{frame.id}: misread completes 'A careless reader …', lower case, no full stop: {turn.misread}"
            )
        used |= slots_in(turn.misread)
    for forms in (frame.setup, *chain.from_iterable(turns)):
        if len(set(forms)) < len(forms):
            problems.append(f"{frame.id}: two surface forms are the same: {forms[0]}")
    problems += [f"{frame.id}: unknown slot {{{name}}}" for name in sorted(used - allowed)]
    problems += [f"{frame.id}: vary slot {name!r} is never used" for name in set(frame.vary) - used]
    return problems


def _lint_spread(frame: Frame, what: str, options: list[tuple[str, ...]], low: int, high: int) -> list[str]:
    lengths = [len(text.split()) for forms in options for text in forms]
    if min(lengths) < low or max(lengths) > high or max(lengths) - min(lengths) > 8:
        return [f"{frame.id}: {what}s have {sorted(lengths)} words; want {low}-{high} and a spread of at most 8"]
    return []


def main(paths: list[str]) -> int:
    """Lint the named files, or all packaged ones; print the problems and return 1 if there are any."""
    broken = 0
    targets = [Path(p) for p in paths] or sorted(Path(str(files("lms.scripted").joinpath("frames"))).glob("*.yaml"))
    for path in targets:
        try:
            frame_file = parse_frames(path.read_text(encoding="utf-8"))
        except (ValidationError, yaml.YAMLError) as error:
            print(f"{path.name}: {error}")
            broken += 1
            continue
        for problem in (problems := lint_file(frame_file)):
            print(f"{path.name}: {problem}")
        broken += bool(problems)
        print(f"{path.name}: {len(frame_file.frames)} frames, {len(problems)} problems")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
