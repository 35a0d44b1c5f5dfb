"""The recipe of a run as others may read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runs.card import without_places
from runs.recipe import Recipe

_PRIVATE = {"__all__": {"base_url", "api_key_env"}}


def public_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as resolved, without addresses, names of keys, and paths of this machine."""
    dump = recipe.model_dump(mode="json", exclude={"lms": _PRIVATE, "panel": _PRIVATE})
    return {key: _strip(value) for key, value in dump.items()}


def _strip(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _strip(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_strip(inner) for inner in value]
    return without_places(value) if isinstance(value, str) else value
