"""`/api/blobs/<digest>`: files that are to become models.

The official client never asks with HEAD first, and a server that has a blob already may answer before it has read
the body, which can reach the client as a broken connection.
"""

from __future__ import annotations

import hashlib
import re

from tests.doubles.call import Call
from tests.doubles.wire import Page, Refusal

_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
PATH = "/api/blobs/"


def check_digest(digest: str) -> str:
    """Return a digest as `sha256:…`; raises Refusal (400)."""
    if not _DIGEST.fullmatch(digest):
        raise Refusal(400, "invalid digest format")
    return f"sha256:{digest[7:].lower()}"


def find(call: Call) -> Page:
    """`HEAD`: 200 or 404, never with a body."""
    known = check_digest(call.recorded.path.removeprefix(PATH)) in call.double.blobs
    return Page(200 if known else 404, "", b"")


def upload(call: Call) -> Page:
    """`POST`: 201 for a new blob, 200 for one that is there."""
    digest = check_digest(call.recorded.path.removeprefix(PATH))
    if call.meets("early_200"):
        return Page(200, "", b"", {"Connection": "close"})
    if digest in call.double.blobs:
        return Page(200, "", b"")
    got = f"sha256:{hashlib.sha256(call.raw).hexdigest()}"
    if got != digest:
        raise Refusal(400, f'digest mismatch, expected "{digest}", got "{got}"')
    call.double.blobs[digest] = call.raw
    return Page(201, "", b"")
