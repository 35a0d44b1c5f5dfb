"""Input files that users bring, spoilt line by line: nothing may raise, be lost, or be set aside without a reason.

Each of 2,000 spoilt lines of a kind stands in a file of its own between two good lines, half of them at its end with
no line feed.  What is sound in the file is judged by Python's own JSON reader and the record's schema.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.table import Row, least, most
from corpus.jsonl import BadRow, iter_good_objects, iter_good_records
from corpus.records import Persona, Theme
from tests.corpus.malformed import judge, spoil

LINES, SEED = 2_000, 5
Reader = Callable[[Path, list[BadRow]], Iterator[Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of file: good lines of it, how the project reads it, and the schema of a row, if it has one."""

    name: str
    lines: list[bytes]
    read: Reader
    model: type[BaseModel] | None


@dataclass
class Found:
    """What reading the files of a kind came to, in lines."""

    raised: int = 0
    unexplained: int = 0
    unsound: int = 0
    good: int = 0
    kept: int = 0
    rejected: int = 0


def measure() -> list[Row]:
    """Return the bars of each kind of file."""
    rows = []
    for kind in _kinds():
        found = read_spoilt(kind)
        rows += [
            most(f"{kind.name}: tracebacks", found.raised, "lines", 0, digits=0),
            most(f"{kind.name}: lines that are neither used nor explained", found.unexplained, "lines", 0, digits=0),
            most(f"{kind.name}: unsound lines that are used", found.unsound, "lines", 0, digits=0),
            least(f"{kind.name}: good rows kept", 100 * found.kept / found.good, "percent", 100, digits=3),
            least(f"{kind.name}: spoilt lines set aside with a reason", found.rejected, "lines", LINES // 2, digits=0),
        ]
    return rows


def read_spoilt(kind: Kind, count: int = LINES) -> Found:
    """Read ``count`` files that hold a spoilt line each."""
    rng, found = random.Random(SEED), Found()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoilt.jsonl"
        for number in range(count):
            before, line, after = rng.sample(kind.lines, 3)
            spoilt = spoil(line, rng)
            text = b"\n".join([before, after, spoilt] if number % 2 else [before, spoilt, after, b""])
            path.write_bytes(text)
            lines = [line for line in text.split(b"\n") if line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")]
            sound = [value for line in lines if (value := judge(line, kind.model)) is not None]
            rejected: list[BadRow] = []
            found.good += len(sound)
            try:
                used = list(kind.read(path, rejected))
            except Exception:  # that there is none, of whatever class, is what is measured
                found.raised += 1
                continue
            explained = {row.line for row in rejected if row.reason.isprintable() and row.reason}
            found.unexplained += len(lines) - len(used) - len(explained)
            found.rejected += len(explained)
            kept = sum(value in used for value in sound)
            found.kept += kept
            found.unsound += len(used) - kept
    return found


def _kinds() -> list[Kind]:
    data = files("corpus").joinpath("data")
    personas, themes = (data.joinpath(f"{name}.jsonl").read_bytes().splitlines() for name in ("personas", "themes"))
    hub = [json.dumps({"persona": json.loads(line)["persona"]}).encode() for line in personas]  # PersonaHub's form
    return [
        Kind("personas", personas + hub, lambda path, bad: iter_good_records(path, Persona, bad), Persona),
        Kind("themes", themes, lambda path, bad: iter_good_records(path, Theme, bad), Theme),
        Kind("exams", _exam_lines(personas), lambda path, bad: (row for _, row in iter_good_objects(path, bad)), None),
    ]


def _exam_lines(personas: list[bytes]) -> list[bytes]:
    """Write lines in an exam's form, with personas for scenarios."""
    return [
        json.dumps(
            {
                "qid": str(number),
                "language": "en",
                "question type": "Action",
                "scenario": json.loads(line)["persona"],
                "choices": [f"Choice {letter} of {number}" for letter in "ABCD"],
                "label": f"Choice B of {number}",
                "Score": [0.1, 0.7, 0.1, 0.1],
            },
            ensure_ascii=False,
        ).encode()
        for number, line in enumerate(personas)
    ]


if __name__ == "__main__":
    for row in measure():
        print(f"{row.name}: {row.value:g} {row.unit} ({row.target})")
