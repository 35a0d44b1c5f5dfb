"""What the verifier catches of mistakes that only a judge can see, and what it loses of clean items.

The truth is the scripted writer's setting: one mistake always made, or none.  Run with
`python -m benchmarks.planted_judge` (about two minutes for 2,000 items of each kind).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

import dspy

from benchmarks.judge import Item, scripted, write_items
from benchmarks.table import Row, least, most
from corpus.config import PlanConfig, VerifyConfig
from corpus.judgements import why_aside
from corpus.plans import make_plans
from corpus.records import Judgement, Plan
from lms.scripted.mistakes import Mistake
from programs.verify.verifier import Verifier
from signatures.chat_adapter import ChatAdapter

ITEMS, SESSIONS, SEED = 2_000, 300, 11
JUDGED: tuple[Mistake, ...] = ("twin_distractor", "absurd_distractor", "foreign_fact")
CATCHES, LOSES, CALLS = 85.0, 3.0, 9.0  # percent, percent, and calls per item
CONFIG = VerifyConfig()


class Caught(NamedTuple):
    """How many items had the mistake, and how many of them were set aside."""

    made: int
    caught: int


class Verified(NamedTuple):
    """What was found about an item, and the calls that it took."""

    judgement: Judgement
    calls: int


@cache
def write_planted(mistake: Mistake | None, items: int = ITEMS) -> list[Item]:
    """Write so many items of the same plans, with one mistake always made or with none."""
    with dspy.context(adapter=ChatAdapter(), disable_history=True):
        return list(islice(write_items(_plans(), mistake), items))


def verify(items: Sequence[Item], config: VerifyConfig = CONFIG, seed: int = SEED) -> list[Verified]:
    """Put items to the verifier with the scripted judge."""
    verifier = Verifier()
    with dspy.context(lm=scripted(), adapter=ChatAdapter(), disable_history=True, trace=[]):
        answers = [verifier(draft=item, config=config, seed=seed) for item in items]
    return [Verified(answer.judgement, answer.calls) for answer in answers]


def caught_by_judge(mistake: Mistake, items: int = ITEMS) -> Caught:
    """Count, of so many items, those that differ from their clean twin, and those of them that are set aside."""
    twins = zip(write_planted(mistake, items), write_planted(None, items), strict=True)
    spoilt = [item for item, clean in twins if item != clean]
    return Caught(len(spoilt), count_reasons(verify(spoilt)).total())


def lost_clean(items: int = ITEMS) -> Counter[str]:
    """Count why clean items are set aside, of so many."""
    return count_reasons(verify(write_planted(None, items)))


def count_reasons(verified: Sequence[Verified]) -> Counter[str]:
    """Count the reasons for which items are set aside."""
    reasons = (why_aside(found.judgement, CONFIG) for found in verified)
    return Counter(reason for reason in reasons if reason)


def measure() -> list[Row]:
    """Return the share of each mistake that is caught, of clean items that are lost, and the calls per clean item."""
    rows = []
    for mistake in JUDGED:
        made, caught = caught_by_judge(mistake)
        rows.append(least(f"verifier: {mistake}, caught of {made}", 100 * caught / made, "percent", CATCHES, digits=1))
    clean = write_planted(None)
    started = time.perf_counter()
    verified = verify(clean)
    seconds = time.perf_counter() - started
    lost, calls = count_reasons(verified), sum(found.calls for found in verified)
    guessed = [found.judgement.guessed for found in verified if found.judgement.guessed is not None]
    print(f"lost of {len(clean)} clean items: {dict(lost.most_common())}")
    print(f"{1000 * seconds / calls:.1f} ms per call, the scripted judge's own time included")
    print(f"guessed without the scenario: {sum(guessed)} of {len(guessed)}")
    return [
        *rows,
        most("verifier: clean items lost", 100 * lost.total() / len(clean), "percent", LOSES),
        most("verifier: calls per clean item", calls / len(clean), "calls", CALLS),
    ]


@cache
def _plans() -> list[Plan]:
    return list(make_plans(PlanConfig(sessions=SESSIONS), SEED))


if __name__ == "__main__":
    for row in measure():
        print(row)
