"""The checks of an inference request, with the words of a real server.

Two mistakes of the client are answered with 500, not 400: an option of the wrong type, and a format that is neither
"json" nor an object.  A client that retries on 5xx must know these texts.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tests.doubles.models import Model, Models, check_name
from tests.doubles.wire import Refusal

CHAT_FIELDS: dict[str, tuple[type, str]] = {
    "model": (str, "string"),
    "messages": (list, "[]api.Message"),
    "stream": (bool, "bool"),
    "options": (dict, "map[string]interface {}"),
    "truncate": (bool, "bool"),
    "shift": (bool, "bool"),
    "logprobs": (bool, "bool"),
    "top_logprobs": (int, "int"),
    "prompt": (str, "string"),
    "system": (str, "string"),
}
MESSAGE_FIELDS: dict[str, tuple[type, str]] = {"role": (str, "string"), "content": (str, "string")}
DEFAULT_KEEP_SECONDS = 300.0
LEVELS = ("low", "medium", "high", "max")

_INTEGERS = (
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict", "num_keep", "seed",
    "num_predict", "top_k", "repeat_last_n",
)  # fmt: skip
_FLOATS = (
    "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([a-zµ]*)")
_SCHEMA_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}


def check_sampling(body: dict[str, Any]) -> None:
    """Check `top_logprobs` and `think`; raises Refusal (400)."""
    if not 0 <= (body.get("top_logprobs") or 0) <= 20:
        raise Refusal(400, "top_logprobs must be between 0 and 20")
    think = body.get("think")
    if isinstance(think, str) and think not in LEVELS:
        raise Refusal(400, f'invalid think value: "{think}" (must be "high", "medium", "low", "max", true, or false)')
    if think is not None and not isinstance(think, (bool, str)):
        raise Refusal(400, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)')


def find_model(models: Models, name: str, task: str) -> Model:
    """Return the model that a request names; raises Refusal with the name as given, 400 or 404."""
    if not name:
        raise Refusal(*((400, "model is required") if task == "chat" else (404, "model '' not found")))
    check_name(name)
    if name not in models:
        raise Refusal(404, f"model '{name}' not found")
    return models[name]


def check_capabilities(model: Model, body: dict[str, Any], task: str) -> bool:
    """Return whether the model is to think, which it does unasked if it can; raises Refusal (400)."""
    think = body.get("think")
    able = "thinking" in model.capabilities
    if think and not able:
        raise Refusal(400, f'"{body["model"]}" does not support thinking')
    if body.get("tools") and "tools" not in model.capabilities:
        raise Refusal(400, f"registry.ollama.ai/library/{model.name} does not support tools")
    if "completion" not in model.capabilities:
        raise Refusal(400, f'"{body["model"]}" does not support {task}')
    return able and think is not False


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with integers cut to whole numbers; strings are not read as numbers.

    Raises:
        Refusal: 500 for an option of the wrong type.
    """
    checked = {name: value for name, value in options.items() if value is not None}
    for name, value in checked.items():
        if name in _INTEGERS:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise Refusal(500, f'option "{name}" must be of type integer')
            checked[name] = int(value)
        elif name in _FLOATS and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise Refusal(500, f'option "{name}" must be of type float32')
        elif name == "use_mmap" and not isinstance(value, bool):
            raise Refusal(500, f'option "{name}" must be of type boolean')
        elif name == "stop" and not isinstance(value, list):
            raise Refusal(500, f'option "{name}" must be of type array')
        elif name == "stop" and not all(isinstance(each, str) for each in value):
            raise Refusal(500, f'option "{name}" must be of an array of strings')
    return checked


def read_keep_alive(value: Any) -> float:
    """Return how many seconds a model stays loaded: a number, or a duration as Go writes it; negative is forever.

    Raises:
        Refusal: 400, with Go's own words.
    """
    if value is None:
        return DEFAULT_KEEP_SECONDS
    if isinstance(value, str):
        value = _read_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refusal(400, "Unsupported type: 'bool'" if isinstance(value, bool) else "Unsupported type: 'map'")
    return math.inf if value < 0 else float(value)


def check_format(wanted: Any) -> None:
    """Check `format`.

    Raises:
        Refusal: 500 for what is neither "json" nor an object, 400 for a schema that makes no grammar.
    """
    if wanted is None or wanted in ("", "json"):
        return
    if not isinstance(wanted, dict):
        quoted = json.dumps(json.dumps(wanted, ensure_ascii=False), ensure_ascii=False)
        raise Refusal(500, f'invalid format: {quoted}; expected "json" or a valid JSON Schema object')
    if fault := _find_schema_fault(wanted, wanted):
        message = f"Failed to initialize samplers: JSON schema conversion failed:\n{fault}"
        inner = {"code": 400, "message": message, "type": "invalid_request_error"}
        raise Refusal(400, json.dumps({"error": inner}, separators=(",", ":")))


def _read_duration(text: str) -> float:
    sign, digits = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if digits == "0":
        return 0.0
    parts = _DURATION.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        raise Refusal(400, f'time: invalid duration "{text}"')
    for _, unit in parts:
        if not unit:
            raise Refusal(400, f'time: missing unit in duration "{text}"')
        if unit not in _UNITS:
            raise Refusal(400, f'time: unknown unit "{unit}" in duration "{text}"')
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def _find_schema_fault(schema: Any, root: dict[str, Any]) -> str:
    if not isinstance(schema, dict):
        return ""
    if ref := schema.get("$ref"):
        return "" if _resolves(ref, root) else f"Error resolving ref {ref}: not in the schema"
    types = schema.get("type", [])
    if not set(types if isinstance(types, list) else [types]) <= _SCHEMA_TYPES:
        return f"Unrecognized schema: {json.dumps(schema, separators=(',', ':'))}"
    within = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    within += [each for name in ("anyOf", "oneOf", "allOf", "prefixItems") for each in schema.get(name, [])]
    return next((fault for each in within if (fault := _find_schema_fault(each, root))), "")


def _resolves(ref: str, root: dict[str, Any]) -> bool:
    if not ref.startswith("#/"):
        return ref == "#"
    found: Any = root
    for step in ref[2:].split("/"):
        if not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True
