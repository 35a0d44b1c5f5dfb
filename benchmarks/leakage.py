"""Whether exam items hidden among generated drafts are found, and whether anything else is.

Needs EmoBench: a folder named by EMOBENCH, or ``../shared/emobench/data`` beside the project.  Run alone with
``python -m benchmarks.leakage``, which prints every miss and every false alarm too.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dspy

from benchmarks.judge import write_items
from benchmarks.table import ROOT, Row, least, most
from corpus.config import DecontaminateConfig, PlanConfig
from corpus.contamination import ContaminationIndex
from corpus.errors import DataError
from corpus.exam_texts import texts_of_items
from corpus.plans import make_plans
from corpus.records import ApplicationDraft, ApplicationItem, UnderstandingDraft, UnderstandingItem
from eval.emobench import load_emobench
from signatures.chat_adapter import ChatAdapter

BESIDE = ROOT.parent / "shared" / "emobench" / "data"
SESSIONS, CLEAN = 1500, 10_000  # sessions have six to eight items
PLANTED = 100  # items per way of copying and seed
SEEDS = range(5)
_CLAUSE_END = re.compile(r"(?<=[.!?,;:])\s+")
_CONJUNCTION = re.compile(r"\s+(?=(?:and|but|because|so|that|to|when|which|while|who)\b)")
Item = UnderstandingItem | ApplicationItem
Draft = UnderstandingDraft | ApplicationDraft
Copy = Callable[[str, random.Random, Sequence[str]], str]


@dataclass(frozen=True)
class Way:
    """A way of copying a scenario, and the share of the copies that must be found (percent; None: told only)."""

    name: str
    copy: Copy
    wanted: float | None


def edit(share: float) -> Copy:
    """Return the copy in which a share of the words is replaced, deleted, or inserted at random."""

    def copy(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
        words = text.split()
        for _ in range(max(1, round(share * len(words)))):
            at, kind = rng.randrange(len(words)), rng.choice(("replace", "delete", "insert"))
            words[at : at + (kind != "insert")] = [] if kind == "delete" else [rng.choice(vocabulary)]
        return " ".join(words)

    return copy


def reorder(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Put sentences and clauses in another order; a single clause is parted at its conjunctions, or in the middle."""
    words = text.split()
    halves = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    parts = next(p for p in (_CLAUSE_END.split(text), _CONJUNCTION.split(text), halves) if len(p) > 1)
    return " ".join(rng.sample(parts, len(parts)))


def edit_and_reorder(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Reorder clauses, and edit 10% of the words."""
    return edit(0.1)(reorder(text, rng, vocabulary), rng, vocabulary)


def embed(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """Edit 10% of the words, and put 30 words in front and 30 behind."""
    return " ".join([*rng.choices(vocabulary, k=30), edit(0.1)(text, rng, vocabulary), *rng.choices(vocabulary, k=30)])


WAYS = (
    Way("verbatim", lambda text, rng, vocabulary: text, 100.0),
    Way("10% of the words edited", edit(0.1), 98.0),
    Way("sentences and clauses reordered", reorder, 98.0),
    Way("20% edited", edit(0.2), None),
    Way("30% edited", edit(0.3), None),
    Way("reordered and 10% edited", edit_and_reorder, None),
    Way("10% edited, inside a longer scenario", embed, None),
)


def measure(show: Callable[[str], None] = lambda line: None) -> list[Row]:
    """Return the shares of planted copies found over all seeds, false alarms among clean drafts, and seconds.

    Args:
        show: receives a line for each miss and each false alarm.

    Raises:
        DataError: EmoBench is not here; the message says what to set.
    """
    both = load_emobench(str(find_emobench()), languages=("en", "zh"))
    english = [item for item in both if item.language == "en"]
    clean = _write_clean()
    index = ContaminationIndex(texts_of_items(both), DecontaminateConfig())
    start = time.perf_counter()
    alarms = [overlap for draft in clean if (overlap := index.find(draft))]
    seconds = time.perf_counter() - start
    for alarm in alarms:
        show(f"false alarm: {alarm}")
    vocabulary = [word for draft in clean[:1000] for word in draft.scenario.split()]
    rows = [_found(way, english, clean, index, vocabulary, show) for way in WAYS]
    long = sum(index.shares_long_ngram(draft) for draft in clean)
    return [
        *rows,
        _found_by_options(english, clean, index, show),
        most("false alarms among clean drafts", 100 * len(alarms) / len(clean), "percent", 0.1, digits=3),
        _told("clean drafts that share a 13-gram", long, "drafts"),
        _told(f"{len(clean):,} drafts compared with {len(both)} exam items", seconds, "s"),
    ]


def _found(
    way: Way,
    exam: Sequence[Item],
    clean: Sequence[Draft],
    index: ContaminationIndex,
    vocabulary: Sequence[str],
    show: Callable[[str], None],
) -> Row:
    """Hide copies of scenarios in drafts with options of their own, so that only the scenario can betray them."""
    found = total = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        for item in rng.sample(exam, PLANTED):
            copy = way.copy(item.scenario, rng, vocabulary)
            caught = index.find(rng.choice(clean).model_copy(update={"scenario": copy}))
            found += caught is not None
            total += 1
            if caught is None:
                show(f"missed, {way.name}: {item.qid}: {copy}")
    name = f"EmoBench items found, {way.name}"
    share = 100 * found / total
    return _told(name, share, "percent") if way.wanted is None else least(name, share, "percent", way.wanted)


def _found_by_options(
    exam: Sequence[Item], clean: Sequence[Draft], index: ContaminationIndex, show: Callable[[str], None]
) -> Row:
    """Give a clean draft the options of each item; those of a few items are too short to prove anything."""
    found = 0
    for item in exam:
        draft = next(draft for draft in clean if draft.task == item.task)
        choices, label = item.questions[-1]
        wrong = tuple(choice for choice in choices if choice != label)
        if isinstance(draft, UnderstandingDraft):
            caught = index.find(draft.model_copy(update={"cause": label, "wrong_causes": wrong}))
        else:
            caught = index.find(draft.model_copy(update={"best": label, "wrong": wrong}))
        found += caught is not None
        if caught is None:
            show(f"missed, options: {item.qid}: {choices}")
    return _told("EmoBench items found, all options verbatim, scenario new", 100 * found / len(exam), "percent")


def _told(name: str, value: float, unit: str) -> Row:
    return Row(name, round(value, 2), unit, "none", True)


def _write_clean() -> list[Draft]:
    plans = list(make_plans(PlanConfig(sessions=SESSIONS, persona_uses=7), 3))
    with dspy.context(adapter=ChatAdapter()):
        return list(write_items(plans, None))[:CLEAN]


def find_emobench() -> Path:
    named = os.environ.get("EMOBENCH")
    folder = Path(named) if named else BESIDE
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; set EMOBENCH to a folder with EA.jsonl and EU.jsonl")
    return folder


def main() -> int:
    """Print the rows, the misses, and the false alarms; return 1 when a bar is missed."""
    try:
        rows = measure(print)
    except DataError as error:
        sys.exit(str(error))
    for row in rows:
        print(f"{row.name}: {row.value:g} {row.unit} ({row.target})")
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
