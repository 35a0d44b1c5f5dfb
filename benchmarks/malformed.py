"""Input files that users bring, spoilt line by line: nothing may raise, be lost, or be set aside without a reason.

Each of 2,000 spoilt lines of a kind stands in a file of its own between two good lines, half of them at its end with
no line feed.  What is sound in the file is judged by Python's own JSON reader and the record's schema.
"""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel

from benchmarks.table import Row, least, most
from corpus.exam_texts import read_exam_file
from corpus.jsonl import BadRow, iter_good_records
from corpus.records import Persona, Theme
from tests.corpus.malformed import judge, spoil

LINES, SEED = 2_000, 5


@dataclass(frozen=True)
class Kind:
    """A kind of file of records: good lines of it, and the schema of a row."""

    name: str
    lines: list[bytes]
    model: type[BaseModel]


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
        unsound = f"{kind.name}: unsound lines that are used"
        rows += [*_rows(kind.name, found), most(unsound, found.unsound, "lines", 0, digits=0)]
    return [*rows, *_rows("exams", read_spoilt_exams(_exam_lines(_lines("personas"))))]


def _rows(name: str, found: Found) -> list[Row]:
    return [
        most(f"{name}: tracebacks", found.raised, "lines", 0, digits=0),
        most(f"{name}: lines that are neither used nor explained", found.unexplained, "lines", 0, digits=0),
        least(f"{name}: good rows kept", 100 * found.kept / found.good, "percent", 100, digits=3),
        least(f"{name}: spoilt lines set aside with a reason", found.rejected, "lines", LINES // 2, digits=0),
    ]


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
                used = list(iter_good_records(path, kind.model, rejected))
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


def read_spoilt_exams(lines: list[bytes], count: int = LINES) -> Found:
    """Read ``count`` files of an exam that hold a spoilt line each; a line that is any JSON at all may be used."""
    rng, found = random.Random(SEED), Found()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exam.jsonl"
        for number in range(count):
            before, line, after = rng.sample(lines, 3)
            spoilt = spoil(line, rng)
            text = b"\n".join([before, after, spoilt] if number % 2 else [before, spoilt, after, b""])
            path.write_bytes(text)
            found.good += 2
            try:
                read = read_exam_file(path)
            except Exception:  # that there is none, of whatever class, is what is measured
                found.raised += 1
                continue
            texts = {one.text for one in read.texts}
            found.kept += sum(json.loads(good)["scenario"] in texts for good in (before, after))
            explained = {problem.partition(": ")[0] for problem in read.problems}
            found.rejected += len(explained)
            found.unexplained += sum(
                f"{path.name}, line {place}" not in explained
                for place, content in enumerate(text.split(b"\n"), 1)
                if content.removeprefix(b"\xef\xbb\xbf").strip() and not _is_json(content)
            )
    return found


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True


def _kinds() -> list[Kind]:
    hub = [json.dumps({"persona": json.loads(line)["persona"]}).encode() for line in _lines("personas")]  # PersonaHub's
    return [Kind("personas", _lines("personas") + hub, Persona), Kind("themes", _lines("themes"), Theme)]


def _lines(name: str) -> list[bytes]:
    return files("corpus").joinpath(f"data/{name}.jsonl").read_bytes().splitlines()


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
