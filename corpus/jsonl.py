"""JSON Lines files: read as a stream with line numbers, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from corpus.errors import DataError

Model = TypeVar("Model", bound=BaseModel)


def iter_objects(path: Path | Traversable) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for each non-empty line.

    Raises:
        DataError: the file cannot be read, or a line is not a JSON object; the message names the line.
    """
    number = 0
    try:
        with path.open("r", encoding="utf-8") as lines:
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
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "record"
            raise DataError(
                f"{path}, line {number}: {key}: {first['msg']}; see the schema in corpus/records.py"
            ) from error


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
