"""How many of the scripted writer's mistakes the rules catch, and how many of its clean items they drop.

The truth is the writer's setting, as in `benchmarks.judge`: a mistake was made where the draft differs from the one
that the same moment yields with the mistake off.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import dspy

from benchmarks.judge import Item, write_items
from corpus.checks import find_fault
from corpus.config import CurateConfig, PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan
from lms.scripted.mistakes import Mistake
from signatures.chat_adapter import ChatAdapter

BY_RULE: tuple[Mistake, ...] = (
    "names_emotion",
    "near_synonym",
    "long_key",
    "generic_explanation",
    "contradicts_key",
)  # the other mistakes of items need a judge: twin_distractor, absurd_distractor, foreign_fact
SESSIONS = 300  # about 2,100 items


@dataclass(frozen=True)
class Caught:
    """Drafts with a mistake in them, and how many of these a rule drops."""

    made: int
    caught: int

    @property
    def share(self) -> float:
        """Share of the mistakes that are caught."""
        return self.caught / self.made


@dataclass(frozen=True)
class Dropped:
    """Clean drafts, and the reasons for which rules drop some of them."""

    items: int
    reasons: Counter[str]

    @property
    def share(self) -> float:
        """Share of the clean drafts that are dropped."""
        return self.reasons.total() / self.items


def plan_rules(sessions: int = SESSIONS, seed: int = 3) -> list[Plan]:
    """Return the plans of the sessions whose items are written."""
    return list(make_plans(PlanConfig(sessions=sessions), seed))


def write_drafts(plans: list[Plan], mistake: Mistake | None) -> list[Item]:
    """Write the items of plans with one mistake always made, or none."""
    with dspy.context(adapter=ChatAdapter()):
        return list(write_items(plans, mistake))


def caught_by_rule(mistake: Mistake, plans: list[Plan], clean: list[Item]) -> Caught:
    """Write the items of plans with a mistake; ``clean`` are those that the same plans yield without any."""
    pairs = zip(write_drafts(plans, mistake), clean, strict=True)
    faulty = [draft for draft, sound in pairs if draft != sound]
    return Caught(len(faulty), sum(bool(find_fault(draft, CurateConfig())) for draft in faulty))


def dropped_by_rule(clean: list[Item]) -> Dropped:
    """Check clean drafts."""
    return Dropped(len(clean), Counter(fault for draft in clean if (fault := find_fault(draft, CurateConfig()))))
