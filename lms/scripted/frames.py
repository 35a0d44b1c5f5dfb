"""Event frames: the situations that the scripted teacher can tell, and the checks that keep them sound.

A frame is one situation with four possible turns.  Each turn is the truth of one item; the other three give
that item its distractors.  Every option of a frame is therefore right as often as it is wrong, and reading the
choices without the scenario tells nothing.

Every slot of a frame has six surface forms or fillings.  `lms/scripted/lint.py` checks the files.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Setting = Literal[
    "career", "family", "friendship", "romance", "money", "health",
    "study", "community", "online", "caregiving", "culture", "life_change",
]  # fmt: skip

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # the former is twenty times as quick
FORMS = 6  # surface forms of each text, so that 36 tellings of an event share at most one text in three


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Line = Annotated[str, Field(min_length=8)]
Forms = tuple[Line, Line, Line, Line, Line, Line]
Fillings = Annotated[tuple[str, ...], Field(min_length=FORMS)]


class UnderstandingTurn(_Strict):
    """One way an EU situation goes on: what happens, how the feeling shows, and why it is felt."""

    who: Literal["S", "O"] = "S"
    emotion: str
    happens: Forms
    shows: Forms
    cause: Forms
    means: Line
    misread: Line


class UnderstandingFrame(_Strict):
    """An EU situation; ``vary`` gives each detail slot at least six fillings."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    setting: Setting
    vary: dict[str, Fillings] = Field(min_length=2)
    setup: Forms
    turns: tuple[UnderstandingTurn, UnderstandingTurn, UnderstandingTurn, UnderstandingTurn]


class ApplicationTurn(_Strict):
    """One detail that decides what an EA situation calls for, and the option that meets it."""

    need: str
    happens: Forms
    option: Forms
    why: Line
    misread: Line


class ApplicationFrame(_Strict):
    """An EA situation of one question type."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    setting: Setting
    question_type: Literal["Action", "Response"]
    vary: dict[str, Fillings] = Field(min_length=2)
    setup: Forms
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
    data = yaml.load(text, Loader=_LOADER)
    if isinstance(data, dict) and "sub_category" in data:
        return UnderstandingFile.model_validate(data)
    return ApplicationFile.model_validate(data)


@cache
def load_frames() -> tuple[FrameFile, ...]:
    """Read all packaged frame files once, in name order."""
    folder = files("lms.scripted").joinpath("frames")
    paths = sorted((p for p in folder.iterdir() if p.name.endswith(".yaml")), key=lambda p: p.name)
    return tuple(parse_frames(p.read_text(encoding="utf-8")) for p in paths)
