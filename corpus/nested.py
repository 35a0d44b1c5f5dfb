"""Nested settings as flat ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as ``a.b.c`` → value; an empty mapping leaves nothing."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
