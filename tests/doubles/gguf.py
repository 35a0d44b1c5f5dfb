"""The header of a GGUF file: as much as a server reads of it to name the architecture and find the chat template."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

MAGIC = b"GGUF"
UNQUANTIZED = ("F32", "F16", "BF16")
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 7: "Q8_0", 12: "Q3_K_M", 14: "Q4_K_S", 15: "Q4_K_M", 17: "Q5_K_M", 18: "Q6_K",
    32: "BF16",
}  # fmt: skip

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def read_metadata(data: bytes) -> dict[str, Any]:
    """Return the key-value pairs of a GGUF file; raises EOFError where it ends too soon."""
    file = BytesIO(data)
    file.seek(len(MAGIC) + 4)  # the version
    _, pairs = _unpack(file, "QQ")  # the number of tensors comes first
    return {_string(file): _value(file, *_unpack(file, "I")) for _ in range(pairs)}


def _value(file: BytesIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        of, length = _unpack(file, "IQ")
        return [_value(file, of) for _ in range(length)]
    if kind not in _SCALARS:
        raise EOFError(f"no GGUF value is of type {kind}")
    return _unpack(file, _SCALARS[kind])[0]


def _string(file: BytesIO) -> str:
    (length,) = _unpack(file, "Q")
    return _read(file, length).decode("utf-8", "replace")


def _unpack(file: BytesIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", _read(file, struct.calcsize(f"<{form}")))


def _read(file: BytesIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError("a GGUF file ends too soon")
    return data
