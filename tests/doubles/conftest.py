"""A double with one model, closed after the test."""

from __future__ import annotations

from collections.abc import Iterator

import ollama
import pytest

from tests.doubles.ollama import OllamaDouble


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble("student") as double:
        yield double


@pytest.fixture
def client(double: OllamaDouble) -> Iterator[ollama.Client]:
    """The official client; it has no time-out of its own."""
    with ollama.Client(double.url, timeout=10) as client:
        yield client
