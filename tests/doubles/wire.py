"""What Go's `encoding/json` and gin put on the wire, and how they refuse what they cannot read.

Clients see these details: raw UTF-8 apart from five escaped characters (so a U+0085 reaches clients that split lines
at it), times with up to nine digits of a second, and the decoder's own words in `{"error": …}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

JSON = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"

_ESCAPES: dict[int, str] = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
_ESCAPES |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # half a surrogate pair: Go replaces it
_GO_TYPES = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}


class Refusal(Exception):
    """An answer other than 200, as a real server words it; a test's `reply` may raise it too."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True)
class Page:
    """An answer in one piece."""

    status: int
    kind: str
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """An answer in chunks; status 200 is out before anyone knows how it ends."""

    kind: str
    lines: Iterator[bytes]
    close: Callable[[], None]


def dump(value: Any) -> bytes:
    """JSON as Go writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES).encode()


def page(value: Any, status: int = 200) -> Page:
    """A JSON answer, as gin's `c.JSON` sends it: no newline at the end."""
    return Page(status, JSON, dump(value))


def text_page(text: str, status: int = 200) -> Page:
    """A plain answer."""
    return Page(status, TEXT, text.encode())


def omit_empty(**values: Any) -> dict[str, Any]:
    """Fields tagged `omitempty`: what is zero is not sent, so clients must read a missing count as 0."""
    return {name: value for name, value in values.items() if value}


def load_object(raw: bytes, go_type: str = "api.ChatRequest") -> dict[str, Any]:
    """Decode a request's body; what follows the first JSON value is not read.

    Raises:
        Refusal: 400, with the text of Go's decoder.
    """
    text = raw.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise Refusal(400, "missing request body")
    try:
        value, _ = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        raise Refusal(400, _in_go(error)) from error
    if not isinstance(value, dict):
        found = "null" if value is None else _GO_TYPES[type(value)]
        raise Refusal(400, f"json: cannot unmarshal {found} into Go value of type {go_type}")
    return value


def check_types(body: Any, fields: dict[str, tuple[type, str]], struct: str) -> None:
    """Refuse fields of the wrong JSON type, as Go's decoder does; null means absent."""
    if not isinstance(body, dict):
        raise Refusal(400, f"json: cannot unmarshal {_GO_TYPES[type(body)]} into Go struct field {struct}")
    for name, (kind, go_kind) in fields.items():
        value = body.get(name)
        if value is not None and type(value) is not kind:
            found = _GO_TYPES[type(value)]
            raise Refusal(400, f"json: cannot unmarshal {found} into Go struct field {struct}.{name} of type {go_kind}")


def utc(nanoseconds: int) -> str:
    """A time as `created_at` has it: RFC 3339, UTC, up to nine digits of a second, zeros at the end dropped."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}{_fraction(fraction)}Z"


def local(nanoseconds: int) -> str:
    """A time as `modified_at` and `expires_at` have it: the same with the server's own offset."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    stamp = datetime.fromtimestamp(seconds, UTC).astimezone()
    offset = stamp.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
    return f"{stamp.strftime('%Y-%m-%dT%H:%M:%S')}{_fraction(fraction)}{zone}"


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""


def _no_constant(name: str) -> float:
    raise json.JSONDecodeError("Expecting value", name, 0)


_DECODER = json.JSONDecoder(parse_constant=_no_constant, strict=True)


def _in_go(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return "unexpected EOF"
    places = {
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
        "Expecting ':' delimiter": "after object key",
        "Expecting ',' delimiter": "after object key:value pair",
        "Expecting value": "looking for beginning of value",
    }
    character = json.dumps(error.doc[error.pos], ensure_ascii=False)[1:-1]
    return f"invalid character '{character}' {places.get(error.msg, 'in string literal')}"
