"""The funnel: from planned sessions to the parts of the set, what is left at each step, and why the rest went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from corpus.outcomes import Counts, Curated, Generated, Verified
from corpus.split import Split

PARTS: dict[Split, str] = {"train": "train", "validation": "validation", "heldout": "held out"}


class FunnelStep(BaseModel):
    """What is left after a step, and what was lost there, by reason.

    ``of`` is the count that the share is taken of: the step before, or for a part of the set the whole set; None where
    there is none (the first step, and where sessions turn into moments).
    """

    model_config = ConfigDict(frozen=True)
    name: str
    count: int
    lost: dict[str, int] = {}
    of: int | None = None

    @property
    def share(self) -> float | None:
        """Count as a share of ``of``; None where there is nothing to take a share of."""
        return self.count / self.of if self.of else None


def build_funnel(
    generated: Mapping[str, Any], verified: Mapping[str, Any] | None = None, curated: Mapping[str, Any] | None = None
) -> list[FunnelStep]:
    """Return the steps as far as the stages are done.

    Args:
        generated, verified, curated: the records of the stages, see corpus.outcomes; None for one that is not done.

    Raises:
        pydantic.ValidationError: a record lacks a key.
    """
    steps = _generated(Generated.model_validate(generated))
    if verified is not None:
        steps += _verified(Verified.model_validate(verified))
    if curated is not None:
        steps += _curated(Curated.model_validate(curated), steps[-1].count)
    return steps


def _generated(outcome: Generated) -> list[FunnelStep]:
    planned = outcome.sessions + sum(outcome.failed_sessions.values())
    return [
        FunnelStep(name="sessions planned", count=planned),
        FunnelStep(name="sessions finished", count=outcome.sessions, lost=outcome.failed_sessions, of=planned),
        FunnelStep(name="moments in them", count=outcome.moments),
        FunnelStep(name="drafts written", count=outcome.drafts, lost=outcome.unwritten, of=outcome.moments),
    ]


def _verified(outcome: Verified) -> list[FunnelStep]:
    steps: list[FunnelStep] = []
    count = outcome.drafts
    by_rule: dict[str, Counts] = {
        "passed the rules": _add(outcome.screened, outcome.sessions.dropped),
        "distinct": outcome.duplicates,
        "in no exam" if outcome.exams.compared else "no exam compared": outcome.contaminated,
    }
    for name, lost in by_rule.items():
        left = count - sum(lost.values())
        steps.append(FunnelStep(name=name, count=left, lost=lost, of=count))
        count = left
    name = "kept by the judge" if outcome.judge else "no judge asked"
    lost = _add(outcome.aside, outcome.unverified)
    steps.append(FunnelStep(name=name, count=outcome.passed, lost=lost, of=count))
    return steps


def _curated(outcome: Curated, passed: int) -> list[FunnelStep]:
    return [
        FunnelStep(name="balanced", count=outcome.kept, lost=outcome.surplus, of=passed),
        *(FunnelStep(name=PARTS[part], count=outcome.splits.get(part, 0), of=outcome.kept) for part in PARTS),
    ]


def _add(*counts: Counts) -> Counts:
    return dict(sum(map(Counter, counts), Counter[str]()))
