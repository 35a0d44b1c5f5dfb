"""Given names by region and pronouns (data/names.yaml)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter

from corpus.records import Pronouns

_NAMES: TypeAdapter[dict[str, dict[Pronouns, tuple[str, ...]]]] = TypeAdapter(
    dict[str, dict[Pronouns, tuple[str, ...]]]
)


@cache
def names_by_region() -> dict[str, dict[Pronouns, tuple[str, ...]]]:
    """Return region → pronouns → names."""
    text = files("corpus").joinpath("data/names.yaml").read_text(encoding="utf-8")
    return _NAMES.validate_python(yaml.safe_load(text))


@cache
def names_by_pronouns(pronouns: Pronouns) -> tuple[str, ...]:
    """Return all names for a set of pronouns, of every region, sorted."""
    return tuple(sorted({name for region in names_by_region().values() for name in region[pronouns]}))
