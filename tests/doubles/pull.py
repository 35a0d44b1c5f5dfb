"""`POST /api/pull`: models from the registry, which for the double are the names in ``pullable``."""

from __future__ import annotations

import hashlib
from collections.abc import Generator

from tests.doubles.call import Call
from tests.doubles.models import Model, check_name, full_name, mode_of
from tests.doubles.progress import Event, report
from tests.doubles.wire import Page, Refusal, Stream, load_object

SIZE = 1000
UNKNOWN = "pull model manifest: file does not exist"


def pull(call: Call) -> Page | Stream:
    """Fetch a model; an unknown one is 200 with an error line while streaming, else 500."""
    body = load_object(call.raw, "api.PullRequest")
    name = body.get("model") or body.get("name") or ""
    check_name(name)
    return report(call, body, fetch(call, name))


def fetch(call: Call, name: str) -> Generator[Event]:
    """Tell the progress of a pull, which adds the model; raises Refusal (500) after the first line."""
    double = call.double
    yield {"status": "pulling manifest"}
    if full_name(name) not in {full_name(each) for each in double.pullable} and name not in double.models:
        raise Refusal(500, UNKNOWN)
    digest = hashlib.sha256(f"layer of {full_name(name)}".encode()).hexdigest()
    layer = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": SIZE}
    yield layer
    yield layer | {"completed": SIZE * 2 // 5}
    yield layer | {"completed": SIZE}
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    if name not in double.models:
        double.models.add(Model(name, mode=mode_of(double.version)))
    double.pulled.append(name)
    yield {"status": "success"}
