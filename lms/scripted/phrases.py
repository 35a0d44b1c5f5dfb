"""The phrases around an event (phrases.yaml): read once, checked."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

Lines = Annotated[tuple[str, ...], Field(min_length=6)]


class Phrases(BaseModel):
    """What the scripted teacher says around an event, at least six wordings of each kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    background: dict[str, Lines]
    client: dict[str, Lines]
    stages: dict[str, Lines]
    therapist: dict[str, Lines]
    explanation: dict[str, Lines]
    judge: dict[str, Lines]


@cache
def phrases() -> Phrases:
    """Read phrases.yaml once."""
    text = files("lms.scripted").joinpath("phrases.yaml").read_text(encoding="utf-8")
    return Phrases.model_validate(yaml.safe_load(text))
