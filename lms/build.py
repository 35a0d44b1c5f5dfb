"""From a declared model to a `dspy.LM`."""

from __future__ import annotations

import os
from typing import Any

import dspy

from corpus.errors import RecipeError
from lms.ollama import OllamaEngine
from lms.scripted.engine import ScriptedEngine
from lms.spec import OLLAMA, SCRIPTED, ModelSpec

# Nothing phones home: without this, capability look-ups download a price list at run time.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")


def build_lm(spec: ModelSpec) -> dspy.LM:
    """Build the LM of a spec.  The cache is off: a run's journals are its memory, and repeats must differ.

    Raises:
        RecipeError: the environment variable of the key is not set.
    """
    common: dict[str, Any] = {
        "cache": False,
        "num_retries": spec.retries,
        "temperature": spec.temperature,
        "max_tokens": spec.max_tokens,
    }
    if spec.model.startswith(SCRIPTED):
        return dspy.LM(spec.model, engine=ScriptedEngine(spec.mistakes, spec.latency), **common)
    if spec.model.startswith(OLLAMA):
        engine = OllamaEngine(
            base_url=spec.base_url or "http://127.0.0.1:11434",
            num_ctx=spec.num_ctx,
            keep_alive=spec.keep_alive,
            think=spec.think,
            timeout=spec.timeout,
        )
        return dspy.LM(spec.model, engine=engine, **common)
    if spec.base_url:
        common["api_base"] = spec.base_url
    if spec.api_key_env:
        key = os.environ.get(spec.api_key_env)
        if not key:
            raise RecipeError(f"{spec.model}: set the environment variable {spec.api_key_env} to the key")
        common["api_key"] = key
    return dspy.LM(spec.model, timeout=spec.timeout, **common)
