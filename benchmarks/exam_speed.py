"""EmoBench's 400 items with a model in this process: our exam against the way of the official script.

That way is one call of a text-generation pipeline per item.  Same model, same official prompts, greedy, at most 50
tokens an answer.  The student has random weights, so that it hardly ever stops by itself: every answer is as long as it
may be, on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.table import Row, least
from eval.benchmarks import find_benchmark
from eval.benchmarks.official import NEW_TOKENS, OfficialPrompts, load_official
from finetune.config import ScratchConfig
from finetune.scratch import make_student
from lms.in_process.chat import fold_system
from lms.spec import ModelSpec
from runs.examination import Sitting, sit

NAMES = ("emobench-ea", "emobench-eu")
SIZE = ScratchConfig(vocabulary=8000, hidden=128, layers=4, heads=4)  # the quickstart's
POSITIONS = 2048
LEAST_WRITTEN, LEAST_LIKELY = 8, 20  # times


def measure(data: Path, prompts: Path) -> Iterator[Row]:
    """Yield the rows.

    Args:
        data: folder with EmoBench's EA.jsonl and EU.jsonl; prompts: its prompt files.
    """
    official = load_official(prompts)
    questions = [question for name in NAMES for question in find_benchmark(name).load(str(data))]
    asked = {question.id: official.messages(question, thinking=False) for question in questions}
    with TemporaryDirectory() as name:
        student = Path(name) / "student"
        texts = (message["content"] for messages in asked.values() for message in messages)
        # In a thread that ends, as our engine computes: OpenMP keeps a team for every thread that has computed, and
        # with two teams on two cores neither waits actively any more, which cost our side a third.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(make_student, texts, SIZE, POSITIONS, 7, student).result()
            began = time.monotonic()
            theirs = pool.submit(_one_by_one, student, asked).result()
        theirs_seconds = time.monotonic() - began
        ours, ours_seconds = _sit(student, data, official, Path(name) / "written")
        same = sum(ours[key] == theirs[key] for key in theirs)
        yield Row(
            "official way, one pipeline call per item", round(len(asked) / theirs_seconds, 2), "items/s", "told", True
        )
        yield least("written answers, against the official way", theirs_seconds / ours_seconds, "times", LEAST_WRITTEN)
        yield least("the same greedy answers", same, f"of {len(theirs)}", len(theirs), 0)
        for mode in ("text", "letter"):
            _, seconds = _sit(student, data, None, Path(name) / mode, mode)
            yield least(
                f"likelihood of the {mode}, against the official way", theirs_seconds / seconds, "times", LEAST_LIKELY
            )


def _one_by_one(student: Path, asked: Mapping[str, list[dict[str, str]]]) -> dict[str, str]:
    from transformers import pipeline

    write = pipeline("text-generation", model=str(student), device="cpu")
    # The student's chat template has no system role: its text goes before the user's, as our engine does it.
    return {
        key: write(fold_system(messages), max_new_tokens=NEW_TOKENS[False], do_sample=False, return_full_text=False)[0][
            "generated_text"
        ]
        for key, messages in asked.items()
    }


def _sit(
    student: Path, data: Path, official: OfficialPrompts | None, folder: Path, mode: str = "generate"
) -> tuple[dict[str, str], float]:
    """Return question → what was written, and the seconds that it took, loading the model included."""
    spec = ModelSpec(model=f"transformers/{student}", temperature=0.0, max_tokens=NEW_TOKENS[False], num_ctx=POSITIONS)
    benchmarks = tuple(find_benchmark(name) for name in NAMES)
    sitting = Sitting(
        spec, benchmarks, dict.fromkeys(NAMES, str(data)), mode=mode, official=official,
        protocol="official" if official else "own",
    )  # fmt: skip
    began = time.monotonic()
    found = sit(sitting, folder, Console(quiet=True))
    seconds = time.monotonic() - began
    return {row.question: row.raw for _, rows in found.values() for row in rows}, seconds
