"""Lines of JSON spoilt in the ways that files from the wild are, and a slow second opinion on what is still sound."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

Mutation = Callable[[bytes, random.Random], bytes]
DEEPEST = 200  # brackets
JUNK = (
    b"\x00", b"\x00" * 512, b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\x1b[31m",
    b"\xe2\x80\xa8", b"\xc2\x85", b"\\", b'"', b"'", b",", b"}", b"]", b"{", b"NaN", b"null", b"\\ud800", b"\\udc00x",
    b"\\u0000", b"// a comment", b"<html>", b"None", b"True", b"\t", b"\x0c", "“".encode(), "é".encode("latin-1"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3.5, 10**30, 10**400, "", " ", "x", "\x00", "\ud83d", "9" * 5000, [], {}, [1, "2"],
    {"a": [None]}, float("nan"), float("inf"), float("-inf"), [[]], ["18", "75"], "persona", ["a"] * 500,
)  # fmt: skip
RAW_VALUES = (
    b"1e999",
    b"-1e999",
    b"9" * 5000,
    b"01",
    b".5",
    b"+1",
    b"-",
    b"1_000",
    b"undefined",
    b"'x'",
    b"0x1F",
    b"NaN",
)


def spoil(line: bytes, rng: random.Random) -> bytes:
    """Return ``line`` after one to three mutations; it may still be sound, or be several lines."""
    for _ in range(rng.randint(1, 3)):
        line = rng.choice(MUTATIONS)(line, rng)
    return line


def judge(line: bytes, model: type[BaseModel] | None) -> Any:
    """Return what a line means by Python's own JSON reader and the model, or None when it is unsound or empty."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        json.dumps(pairs, ensure_ascii=False).encode("utf-8")  # a half of a surrogate pair has no UTF-8
        return dict(pairs)

    try:
        text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        value = json.loads(text, parse_constant=refuse, object_pairs_hook=build)
        if not isinstance(value, dict) or _depth(value) > DEEPEST:
            return None
        return model.model_validate(value) if model else value
    except (ValueError, RecursionError, ValidationError):
        return None


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict | list) + max(map(_depth, inner), default=0)


def _flip(line: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(max(1, len(line)))
    return line[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in line[at : at + 1]) + line[at + 1 :]


def _truncate(line: bytes, rng: random.Random) -> bytes:
    return line[: rng.randint(0, len(line))]


def _behead(line: bytes, rng: random.Random) -> bytes:
    return line[rng.randint(0, len(line)) :]


def _repeat(line: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randint(0, len(line)) for _ in range(2))
    return line[:end] + line[start:end] * rng.randint(1, 3) + line[end:]


def _double(line: bytes, rng: random.Random) -> bytes:
    return line + rng.choice((b"", b" ", b",", b"\n", b"\r\n", b"\r")) + line


def _insert(line: bytes, rng: random.Random) -> bytes:
    at = rng.choice((0, len(line), rng.randint(0, len(line))))
    return line[:at] + rng.choice(JUNK) + line[at:]


def _empty(line: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"", b"  ", b"\t\r", b"\x0c", b"\xef\xbb\xbf"))


def _change_value(line: bytes, rng: random.Random) -> bytes:
    return _with_members(line, lambda members: _put(members, rng, json.dumps(rng.choice(VALUES)).encode()))


def _write_raw(line: bytes, rng: random.Random) -> bytes:
    return _with_members(line, lambda members: _put(members, rng, rng.choice(RAW_VALUES)))


def _nest(line: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((20, 150, 5_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return _with_members(line, lambda members: _put(members, rng, opening * depth + b"1" + closing * depth))


def _swell(line: bytes, rng: random.Random) -> bytes:
    return _with_members(line, lambda members: _put(members, rng, b'"' + b"long " * rng.choice((10, 60_000)) + b'"'))


def _drop_key(line: bytes, rng: random.Random) -> bytes:
    return _with_members(line, lambda members: members.pop(rng.randrange(len(members))) and members)


def _add_key(line: bytes, rng: random.Random) -> bytes:
    key = rng.choice((b'"extra"', b'"\\ud800"', b'"a\\nb"', b'""', b'"persona "', b"bare", b"1"))
    return _with_members(line, lambda members: [*members, key + b": 1"])


def _repeat_key(line: bytes, rng: random.Random) -> bytes:
    return _with_members(line, lambda members: [*members, rng.choice(members)])


def _wrap(line: bytes, rng: random.Random) -> bytes:
    before, after = rng.choice(
        ((b"[", b"]"), (b'"', b'"'), (b"(", b")"), (b" ", b" "), (b"", b"\r"), (b'{"row": ', b"}"))
    )
    return before + line + after


def _encode_otherwise(line: bytes, rng: random.Random) -> bytes:
    return line.decode("utf-8", "replace").encode(
        rng.choice(("latin-1", "utf-16", "utf-32-be", "utf-8-sig")), "replace"
    )


MUTATIONS: tuple[Mutation, ...] = (
    _flip, _truncate, _behead, _repeat, _double, _insert, _empty, _change_value, _write_raw, _nest, _swell, _drop_key,
    _add_key, _repeat_key, _wrap, _encode_otherwise,
)  # fmt: skip


def _with_members(line: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Change the members of a line that is an object with some; leave any other line as it is."""
    if not (value := judge(line, None)):
        return line
    members = [json.dumps(key).encode() + b": " + json.dumps(member).encode() for key, member in value.items()]
    return b"{" + b", ".join(change(members)) + b"}"


def _put(members: list[bytes], rng: random.Random, value: bytes) -> list[bytes]:
    at = rng.randrange(len(members))
    members[at] = members[at].partition(b": ")[0] + b": " + value
    return members
