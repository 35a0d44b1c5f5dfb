"""The bars of generation.  Run with `make bench-generation` (about five minutes).

Writes 1,600 MADS sessions with the scripted teacher in one process and watches its memory, measures what the items are
like, checks that seeds decide everything, and measures how many calls per second 64 sessions at once bring about.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from pydantic import TypeAdapter
from rapidfuzz import fuzz, process
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks.judge import measure_judge
from benchmarks.table import ROOT, Row, least, most, publish
from corpus.assemble import assemble_items
from corpus.config import PlanConfig
from corpus.decks import cell_shares
from corpus.jsonl import iter_objects
from corpus.records import ApplicationDraft, Draft, UnderstandingDraft, cell_of
from corpus.taxonomy import find_emotion_words
from eval.baselines import read_choices_only
from lms.scripted.names import MISTAKES

SESSIONS, SMALL, ITEMS = 1600, 150, 10_000
FROM_SESSION = 200  # memory is compared from here on
NEAR = 90.0
SAMPLE = 1000
SHARED = 0.6
_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)
_most, _least = partial(most, digits=3), partial(least, digits=3)
OFF = dict.fromkeys(MISTAKES, 0.0)
Item = UnderstandingDraft | ApplicationDraft
_WORD = re.compile(r"\w+")


def main() -> int:
    """Measure every bar; return 1 when one is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds, grown = _generate(folder / "large", 7, SESSIONS)
        drafts = list(_drafts(folder / "large"))
        _generate(folder / "clean", 8, SESSIONS, OFF)
        clean = list(_drafts(folder / "clean"))
        _generate(folder / "small", 9, SMALL)
        _generate(folder / "again", 9, SMALL)
        same = _content(folder / "small") == _content(folder / "again")
    rows = [
        _least("MADS sessions per second, one process, zero latency", SESSIONS / seconds, "sessions/s", 10),
        _least("items of 1,600 sessions", len(drafts), "items", ITEMS),
        _most("memory grown from session 200 to 1,600", grown / 1e6, "MB", 150),
        *_variety(drafts),
        *_balance(drafts),
        *_readers(drafts),
        _most("emotion words in EU scenarios, mistakes off", _leaks(clean), "items", 0),
        Row("same seed, same bytes", float(same), "yes = 1", "1", same),
        _most("scenarios that two seeds share", _shared(drafts, clean), "scenarios", 0),
        *measure_judge(),
        *_concurrency(),
    ]
    return 0 if publish("generation", rows, os.cpu_count() or 0) else 1


def _generate(out: Path, seed: int, sessions: int, mistakes: dict[str, float] | None = None) -> tuple[float, int]:
    """Run the generate stage in a process of its own.

    Returns:
        Seconds of the stage, and the bytes of memory grown from session 200 to the end.
    """
    spec: dict[str, Any] = {"model": "scripted/counsel"}
    recipe = {
        "name": "bench", "seed": seed,
        "lms": {"teacher": spec | ({} if mistakes is None else {"mistakes": mistakes})},
        "plan": {"sessions": sessions, "persona_uses": 7},
        "generate": {"concurrency": 2},
    }  # fmt: skip
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("emoreason")), "generate", str(path), "--out", str(out)]
    process_ = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    watched = psutil.Process(process_.pid)
    journal, at_start, most = out / "journals" / "sessions.jsonl", 0, 0
    while process_.poll() is None:
        time.sleep(0.2)
        try:
            memory = watched.memory_info().rss
        except psutil.NoSuchProcess:  # it ended between two looks
            break
        if not at_start and journal.exists() and _count_lines(journal) >= FROM_SESSION:
            at_start = memory
        most = max(most, memory) if at_start else 0
    if process_.wait():
        sys.exit(f"{' '.join(command)} failed")
    marker = json.loads((out / "stages" / "generate.json").read_text(encoding="utf-8"))
    return marker["seconds"], most - at_start


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _drafts(out: Path) -> Iterator[Item]:
    for _, row in iter_objects(out / "journals" / "drafts.jsonl"):
        yield from (_DRAFT.validate_python(draft) for draft in row["drafts"])


def _content(out: Path) -> list[str]:
    """All journal rows as text, in ID order: threads finish in any order."""
    return sorted(
        line for path in sorted((out / "journals").glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()
    )


def _variety(drafts: Sequence[Item]) -> list[Row]:
    texts = [" ".join(_WORD.findall(draft.scenario.lower())) for draft in drafts]
    near = _near_duplicates(texts)
    sample = random.Random(0).sample(texts, SAMPLE)
    bigrams = [pair for text in sample for pair in pairwise(text.split())]
    return [
        _most("exact duplicate scenarios", len(texts) - len(set(texts)), "items", 0),
        _below("near-duplicate scenarios (token-set ≥ 90), all pairs compared", 100 * near / len(texts), "percent", 2),
        _least("distinct-2 over 1,000 scenarios", len(set(bigrams)) / len(bigrams), "share", 0.25),
    ]


def _near_duplicates(texts: Sequence[str]) -> int:
    """Count the texts that have an earlier one at least as near as NEAR, over all pairs.

    Pairs with less than SHARED of the shorter text's characters in common words cannot come near 90 and are skipped.
    """
    words = CountVectorizer(binary=True, token_pattern=r"\w+").fit(texts)
    present = words.transform(texts).astype(np.float32).tocsr()
    weighted = present.multiply(
        np.array([len(word) for word in words.get_feature_names_out()], dtype=np.float32)
    ).tocsr()
    totals = np.asarray(weighted.sum(axis=1)).ravel()
    count, block = 0, 500
    for start in range(0, len(texts), block):
        shared = (weighted[start : start + block] @ present[: start + block].T).toarray()
        for row, number in zip(shared, range(start, start + len(shared)), strict=True):
            least = SHARED * np.minimum(totals[number], totals[:number])
            rivals = (texts[other] for other in np.flatnonzero(row[:number] >= least))
            found = process.extractOne(texts[number], rivals, scorer=fuzz.token_set_ratio, score_cutoff=NEAR)
            count += found is not None
    return count


def _balance(drafts: Sequence[Item]) -> list[Row]:
    items = assemble_items(sorted(drafts, key=lambda draft: draft.id), 7)
    rows = []
    for name, index in (("EU emotion", 0), ("EU cause", 1), ("EA", 0)):
        asked = [item.questions[index] for item in items if item.task == name[:2]]
        places = Counter(choices.index(label) for choices, label in asked)
        chance = 1 / len(asked[0][0])
        worst = max(abs(places[n] / len(asked) - chance) for n in range(len(asked[0][0])))
        rows.append(_most(f"{name}: key position off uniform by", 100 * worst, "points", 2))
    for name, index in (("EU cause", 1), ("EA", 0)):
        asked = [item.questions[index] for item in items if item.task == name[:2]]
        longest = sum(_longest_share(choices, label) for choices, label in asked) / len(asked)
        rows.append(_within(f"{name}: the longest option is the key", 100 * longest, "percent", 25, 5))
    cells = Counter(map(cell_of, drafts))
    shares = cell_shares(PlanConfig().weights)
    totals = {task: sum(n for cell, n in cells.items() if ("/" in cell) == task) for task in (True, False)}
    off = max(abs(cells[cell] / (share * totals["/" in cell]) - 1) for cell, share in shares.items())
    return [*rows, _most("categories: largest distance from the quota", 100 * off, "percent", 5)]


def _longest_share(choices: Sequence[str], label: str) -> float:
    """1 when the key alone is the longest choice; a tie counts in parts."""
    most = max(map(len, choices))
    return (len(label) == most) / sum(len(choice) == most for choice in choices)


def _readers(drafts: Sequence[Item]) -> list[Row]:
    understanding = [draft for draft in drafts if isinstance(draft, UnderstandingDraft)]
    application = [draft for draft in drafts if isinstance(draft, ApplicationDraft)]
    asked: list[tuple[str, Sequence[Item], list[tuple[str, tuple[str, ...]]], float]] = [
        ("EU emotions", understanding, [(draft.emotion, draft.wrong_emotions) for draft in understanding], 1 / 6),
        ("EU causes", understanding, [(draft.cause, draft.wrong_causes) for draft in understanding], 1 / 4),
        ("EA", application, [(draft.best, draft.wrong) for draft in application], 1 / 4),
    ]
    rows = []
    for name, own, answers, chance in asked:
        questions = [((right, *wrong), right) for right, wrong in answers]
        read = float(np.mean(read_choices_only(questions, [draft.scenario for draft in own])))
        rows.append(_most(f"choices-only reader on {name}: above chance by", 100 * (read - chance), "points", 5))
    return rows


def _leaks(drafts: Sequence[Item]) -> int:
    return sum(bool(find_emotion_words(d.scenario)) for d in drafts if isinstance(d, UnderstandingDraft))


def _shared(one: Sequence[Item], two: Sequence[Item]) -> int:
    return len({draft.scenario for draft in one} & {draft.scenario for draft in two})


def _concurrency() -> list[Row]:
    rows = []
    for latency, sessions, wanted in ((0.2, 448, 95), (0.05, 900, 60)):
        command = [sys.executable, "-m", "benchmarks.concurrency", str(latency), str(sessions)]
        result = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        share = 100 * result["calls_per_second"] / result["ideal"]
        name = f"64 MADS sessions at once, {latency * 1000:.0f} ms engine: of the ideal {result['ideal']:g} calls/s"
        rows.append(_least(name, share, "percent", wanted))
    return rows


def _below(name: str, value: float, unit: str, limit: float) -> Row:
    return Row(name, round(value, 3), unit, f"< {limit:g}", value < limit)


def _within(name: str, value: float, unit: str, middle: float, distance: float) -> Row:
    return Row(name, round(value, 3), unit, f"{middle:g} ± {distance:g}", abs(value - middle) <= distance)


if __name__ == "__main__":
    sys.exit(main())
