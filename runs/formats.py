"""In which format each role is asked: fields between markers, or a JSON object that the server holds the model to."""

from __future__ import annotations

from collections.abc import Mapping

import dspy

from lms.spec import ModelSpec
from signatures.chat_adapter import ChatAdapter


def adapters_of(specs: Mapping[str, ModelSpec]) -> dict[str, dspy.Adapter]:
    """Return role → adapter, by `structured` of the role's model."""
    return {role: _adapter_for(spec) for role, spec in specs.items()}


def _adapter_for(spec: ModelSpec) -> dspy.Adapter:
    # Without DSPy's silent second try in JSON: the asker itself asks again, with the reason, and counts it.
    return ChatAdapter(use_json_adapter_fallback=False) if spec.structured == "none" else dspy.JSONAdapter()
