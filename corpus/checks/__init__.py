"""What a draft, its explanation, and a session must satisfy by rule; a check returns '' or the reason to be counted."""

from __future__ import annotations

from corpus.checks.explanations import EXPLANATION_CHECKS
from corpus.checks.items import ITEM_CHECKS, Draft, check_fields
from corpus.config import CurateConfig


def find_faults(draft: Draft, config: CurateConfig) -> list[str]:
    """Return the reasons of all checks that a draft fails; the other checks are for drafts that are complete."""
    if reason := check_fields(draft, config):
        return [reason]
    return [reason for check in (*ITEM_CHECKS, *EXPLANATION_CHECKS) if (reason := check(draft, config))]


def find_fault(draft: Draft, config: CurateConfig) -> str:
    """Return the reason of the first check that a draft fails, or an empty string."""
    return next(iter(find_faults(draft, config)), "")
