"""A fingerprint of what was asked of models: it changes with every word of an instruction, field, or demonstration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import dspy

LENGTH = 16  # hexadecimal figures: enough to tell versions of a prompt apart


def predictors_of(program: dspy.Module) -> dict[str, dspy.Predict]:
    """Return name → predictor, those in modules that DSPy takes for finished too.

    ``named_predictors`` passes over modules that an optimizer has marked as compiled: a program made of such a module
    would be saved, loaded, and shown without it.
    """
    return {name.removeprefix("self."): found for name, found in program.named_sub_modules(dspy.Predict)}


def shown_demos(predictor: dspy.Predict) -> list[dict[str, Any]]:
    """Return the demonstrations that a prompt shows, by field: those with an input and an output.

    Optimizers also leave demonstrations that hold a whole case and no field of the ask, and notes of their own.
    """
    signature = predictor.signature
    demos = [{name: demo[name] for name in signature.fields if name in demo} for demo in predictor.demos]
    return [demo for demo in demos if demo.keys() & signature.input_fields and demo.keys() & signature.output_fields]


def fingerprint_prompts(programs: Iterable[dspy.Module]) -> str:
    """Return the first figures of a SHA-256 over all predictors: instructions, fields, types, demonstrations.

    The order of programs does not matter, nor does how often a signature is used, nor what its class is called; the
    order of fields does, and that of demonstrations.
    """
    asked = {json.dumps(_describe(predictor)) for program in programs for predictor in predictors_of(program).values()}
    return hashlib.sha256("\n".join(sorted(asked)).encode()).hexdigest()[:LENGTH]


def _describe(predictor: dspy.Predict) -> list[object]:
    signature = predictor.signature
    fields = [
        [name, str(field.annotation), field.json_schema_extra["desc"], name in signature.output_fields]
        for name, field in signature.fields.items()
    ]
    return [signature.instructions, fields, shown_demos(predictor)]
