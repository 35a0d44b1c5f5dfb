"""The endpoints that list, describe, copy, and delete models."""

from __future__ import annotations

import math
import time

from tests.doubles.call import Call
from tests.doubles.models import check_name, full_name
from tests.doubles.wire import JSON, Page, Refusal, load_object, local, page

_FOREVER_NS = 2**63 - 1  # the longest duration that Go has, some 292 years


def tags(call: Call) -> Page:
    """`GET /api/tags`: the models, newest first."""
    return page({"models": [model.tag(call.double.version) for model in call.double.models.newest_first()]})


def ps(call: Call) -> Page:
    """`GET /api/ps`: the loaded models; the cheapest way to see which context size was really allocated."""
    models = []
    for runner in call.double.scheduler.loaded():
        left = runner.expires - time.monotonic()
        expires = time.time_ns() + (_FOREVER_NS if math.isinf(left) else int(left * 10**9))
        state = {"expires_at": local(expires), "size_vram": 0, "context_length": runner.launch.ctx}
        models.append(runner.model.identity() | {"details": runner.model.details()} | state)
    return page({"models": models})


def show(call: Call) -> Page:
    """`POST /api/show`; unlike chat, its 404 names the tag."""
    body = load_object(call.raw, "api.ShowRequest")
    name = body.get("model") or body.get("name") or ""
    if not name:
        raise Refusal(400, "model is required")
    check_name(name)
    if name not in call.double.models:
        raise Refusal(404, f"model '{full_name(name)}' not found")
    return page(call.double.models[name].show())


def delete(call: Call) -> Page:
    """`DELETE /api/delete`: 200 with an empty body."""
    body = load_object(call.raw, "api.DeleteRequest")
    name = body.get("model") or body.get("name") or ""
    if not name:
        raise Refusal(400, "invalid model name")
    check_name(name)
    if name not in call.double.models:
        raise Refusal(404, f"model '{name}' not found")
    call.double.scheduler.unload(call.double.models[name])
    call.double.models.discard(name)
    return Page(200, JSON, b"")


def copy(call: Call) -> Page:
    """`POST /api/copy`: 200 with an empty body."""
    body = load_object(call.raw, "api.CopyRequest")
    source, destination = body.get("source") or "", body.get("destination") or ""
    for name in (source, destination):
        check_name(name)
    if source not in call.double.models:
        raise Refusal(404, f'model "{source}" not found')
    call.double.models.copy_as(source, destination)
    return Page(200, JSON, b"")


def version(call: Call) -> Page:
    """`GET /api/version`."""
    return page({"version": call.double.version})
