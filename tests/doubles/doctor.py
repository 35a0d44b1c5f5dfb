"""What tests of `emoreason doctor` share: a model that answers anything, and measurements that are made once."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from runs.longest_prompts import find_longest_prompts
from runs.recipe import Recipe
from tests.doubles.generation import Reply
from tests.doubles.scripted import scripted_reply

_TEACHER = scripted_reply()


def say_anything(body: dict[str, Any]) -> Reply | str:
    """A sentence, JSON where a format is wanted, and as the scripted teacher what a program asks for."""
    if body["messages"][0]["role"] == "system":
        return _TEACHER(body)
    return '{"feeling": "hope"}' if body.get("format") else "A person may feel a quiet joy."


@contextmanager
def nothing_read_twice() -> Iterator[None]:
    """Keep the certificates that each client of the `ollama` package reads anew, and the longest prompts."""
    from httpx._transports import default

    measured: dict[str, Any] = {}

    def find(recipe: Recipe) -> Any:
        key = str([spec.structured for spec in recipe.roles.values()])  # the plan is the same in all of these tests
        return measured.get(key) or measured.setdefault(key, find_longest_prompts(recipe))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "create_ssl_context", functools.cache(default.create_ssl_context))
        patch.setattr("runs.doctor.find_longest_prompts", find)
        yield
