"""The folder of an export: written beside its place and moved there whole; nothing of the user's is overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpus.errors import RunError
from corpus.jsonl import write_text_atomically

RECORD = "export.json"  # what was written, and by which it is known again


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` when the block ends without an error.

    Raises:
        RunError: ``target`` holds what no export wrote, or there is no room or right to write.
    """
    _refuse_foreign(target)
    place = target.resolve()
    partial, former = (place.with_name(f".{place.name}.export-{state}") for state in ("partial", "former"))
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(former, ignore_errors=True)
        if place.exists():
            place.rename(former)
        partial.rename(place)
        shutil.rmtree(former, ignore_errors=True)
    except OSError as error:
        raise RunError(
            f"{target}: {error.strerror or error}; check space and permissions, then export again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_record(folder: Path, facts: dict[str, Any]) -> None:
    """Write what is known about the export, with a digest of every file in it."""
    files = {name: _digest(folder / name) for name in _files(folder)}
    write_text_atomically(folder / RECORD, json.dumps({**facts, "files": files}, indent=1, ensure_ascii=False) + "\n")


def _refuse_foreign(target: Path) -> None:
    """Raise RunError unless ``target`` is free, or an earlier export that nobody has changed."""
    if not target.exists():
        return
    if not target.is_dir():
        raise RunError(f"{target} is a file; name a folder with --to")
    if not any(target.iterdir()):
        return
    try:
        written: dict[str, str] = json.loads((target / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{target} is not empty and not an earlier export; choose another with --to") from error
    for name in _files(target):
        if name != RECORD and name not in written:
            raise RunError(f"{target} holds {name}, which no export wrote; move it away, or choose another with --to")
        if name != RECORD and _digest(target / name) != written[name]:
            raise RunError(f"{target / name} was changed since the export; move it away, or choose another with --to")


def _files(folder: Path) -> list[str]:
    """Everything in a folder that is no folder, by its path in it; `.DS_Store` and the like count too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
