"""A fingerprint of what was asked of models: it changes with every word of an instruction or a field."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import dspy

LENGTH = 16  # hexadecimal figures: enough to tell versions of a prompt apart


def fingerprint_prompts(programs: Iterable[dspy.Module]) -> str:
    """Return the first figures of a SHA-256 over instructions, fields, types, and descriptions of all predictors.

    The order of programs does not matter, nor does how often a signature is used; the order of fields does.
    """
    asked = {
        json.dumps(_describe(predictor.signature))
        for program in programs
        for _, predictor in program.named_predictors()
    }
    return hashlib.sha256("\n".join(sorted(asked)).encode()).hexdigest()[:LENGTH]


def _describe(signature: type[dspy.Signature]) -> list[object]:
    fields = [
        [name, str(field.annotation), field.json_schema_extra["desc"], name in signature.output_fields]
        for name, field in signature.fields.items()
    ]
    return [signature.__name__, signature.instructions, fields]
