"""JSON Lines files: read as a stream with line numbers, written whole or not at all.

`iter_objects` and `iter_records` are strict: the first wrong line ends the job.  They read what the project wrote or
ships.  `iter_good_records` is for files that users bring, which come from anywhere: a wrong line is set aside with its
number and the reason, and the others are read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from corpus.errors import DataError

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value")
MAX_LINE = 16 * 2**20  # bytes: a file without line ends must not fill the memory
EXCERPT = 80  # characters
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"  # in JSON; other space, such as a form feed, is none
_PLACE = re.compile(r" at line 1 column (\d+)$")


@dataclass(frozen=True)
class BadRow:
    """A line that cannot be used: where, why, and the place in it (at most EXCERPT printable characters)."""

    path: str
    line: int
    reason: str
    excerpt: str


def iter_objects(path: Path | Traversable) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for each non-empty line; a byte-order mark at the beginning is ignored.

    Raises:
        DataError: the file cannot be read, or a line is not a JSON object; the message names the line.
    """
    number = 0
    try:
        with path.open("r", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                value = json.loads(line)
                if not isinstance(value, dict):
                    raise DataError(f"{path}, line {number}: expected a JSON object, found {type(value).__name__}")
                yield number, value
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, after line {number}: not UTF-8; convert the file to UTF-8") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not JSON ({error.msg}); mend or remove the line") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise DataError(f"{path}, line {number}: not usable JSON ({error}); mend or remove the line") from error


def iter_records(path: Path | Traversable, model: type[Model]) -> Iterator[Model]:
    """Yield each line as a ``model``; raises DataError with file, line, and field."""
    for number, value in iter_objects(path):
        try:
            yield model.model_validate(value)
        except ValidationError as error:
            raise DataError(f"{path}, line {number}: {_explain(error)}; see the schema in corpus/records.py") from error


def iter_good_records(path: Path | Traversable, model: type[Model], rejected: list[BadRow]) -> Iterator[Model]:
    """Yield each line that is a ``model``; ``rejected`` takes the other lines.

    Every line that is not empty is yielded or rejected.  Lines end with a line feed; a carriage return before it and a
    byte-order mark are ignored.  Of a key that comes twice the last value counts.  Not JSON by RFC 8259, and so
    rejected: NaN and Infinity, halves of surrogate pairs, bytes that are not UTF-8; also brackets over 200 deep,
    integers of over 4,300 digits, and lines over MAX_LINE.

    Raises:
        DataError: the file cannot be read, or not one line can be used (the message gives the first reason).
    """
    good, before = 0, len(rejected)
    for number, line in _iter_lines(path):
        try:
            record = _read_record(line, model)
        except _UnusableError as error:
            around = line[max(0, error.place - EXCERPT // 2) :][: 4 * EXCERPT].decode("utf-8", "replace")
            rejected.append(BadRow(str(path), number, _printable(str(error), 3 * EXCERPT), _printable(around, EXCERPT)))
        else:
            good += 1
            yield record
    if not good and len(rejected) > before:
        first, count = rejected[before], len(rejected) - before
        raise DataError(
            f"{path}, line {first.line}: {first.reason}; none of {count} lines is usable, write one object per line"
        )
    if not good:
        raise DataError(f"{path}: has no rows; write one JSON object per line")


def write_text_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader, or a kill, sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON Lines, atomically; keys keep their order, so equal rows give equal bytes."""
    write_text_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


class _UnusableError(Exception):
    """A line cannot be used; ``place`` is the byte at which that shows."""

    def __init__(self, reason: str, place: int = 0):
        super().__init__(reason)
        self.place = place


def _read_record(line: bytes, model: type[Model]) -> Model:
    try:
        return model.model_validate(_parse_object(line))
    except ValidationError as error:
        raise _UnusableError(_explain(error)) from error


def _iter_lines(path: Path | Traversable) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line) for each line that is not empty; of one over MAX_LINE its first MAX_LINE + 1 bytes."""
    number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                rest = line
                while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
                    rest = file.readline(MAX_LINE + 1)
                if content := line if len(line) > MAX_LINE else line.removeprefix(_BOM).rstrip(_SPACE):
                    yield number, content
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error


def _parse_object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise _UnusableError(f"longer than {MAX_LINE // 2**20} MiB; write one object per line")
    if (place := line.find(0)) >= 0:
        raise _UnusableError(f"NUL byte, byte {place + 1}; the file was cut, or is not UTF-8 text", place)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8, byte {error.start + 1}; convert the file to UTF-8"
        raise _UnusableError(reason, error.start) from error
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        found = _PLACE.search(str(error))
        place = int(found[1]) if found else 0
        raise _UnusableError(f"not JSON: {_PLACE.sub(f', byte {place}', str(error))}", place) from error
    if not isinstance(value, dict):
        raise _UnusableError(f"expected a JSON object, found {type(value).__name__}")
    return value


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'record'}: {first['msg']}"


def _printable(text: str, most: int) -> str:
    """Cut ``text`` to ``most`` characters that can be shown in a line and stored in any file."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:most])
