"""`POST /api/embed` and `/v1/embeddings`, as far as clients need them to find their way: the numbers mean nothing."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

from tests.doubles.call import Call
from tests.doubles.overflow import LEGACY
from tests.doubles.wire import Page, Refusal, load_object, omit_empty, page

DIMENSIONS = 8


def embed(call: Call) -> Page:
    """`POST /api/embed`: what is too long is cut silently, unless `truncate` is false."""
    body = load_object(call.raw, "api.EmbedRequest")
    vectors, tokens = _embed(call, body)
    return page({"model": body["model"], "embeddings": vectors, **omit_empty(prompt_eval_count=tokens)})


def embed_as_openai(call: Call) -> Page:
    """`POST /v1/embeddings`: floats, or little-endian bytes in base64."""
    body = load_object(call.raw, "openai.EmbedRequest")
    vectors, tokens = _embed(call, {name: body.get(name) for name in ("model", "input", "dimensions")})
    encode = _in_base64 if body.get("encoding_format") == "base64" else list
    data = [{"object": "embedding", "embedding": encode(vector), "index": i} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return page({"object": "list", "data": data, "model": body["model"], "usage": usage})


def _embed(call: Call, body: dict[str, Any]) -> tuple[list[list[float]], int]:
    name = body.get("model") or ""
    if name not in call.double.models:
        raise Refusal(404, f'model "{name}" not found, try pulling it first')
    given = body.get("input") or []
    texts = [given] if isinstance(given, str) else given
    counts = [call.double.count(text) for text in texts]
    limit = call.double.default_ctx
    if body.get("truncate") is False and any(count > limit for count in counts):
        raise Refusal(400, LEGACY)
    vectors = [_vector(text, body.get("dimensions") or DIMENSIONS) for text in texts]
    return vectors, sum(min(count, limit) for count in counts)


def _vector(text: str, dimensions: int) -> list[float]:
    draws = (hashlib.sha256(f"{i} {text}".encode()).digest()[0] / 255 - 0.5 for i in range(dimensions))
    values = list(draws)
    norm = sum(value * value for value in values) ** 0.5 or 1.0
    return [value / norm for value in values]


def _in_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
