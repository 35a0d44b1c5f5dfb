"""What a draft, its explanation, and a session must satisfy by rule; a check returns '' or the reason to be counted."""

from __future__ import annotations

from corpus.checks.explanations import EXPLANATION_CHECKS, NOT_GROUNDED, is_grounded_in_meaning
from corpus.checks.items import ITEM_CHECKS, check_fields
from corpus.config import CurateConfig
from corpus.embeddings import Encoder
from corpus.records import Draft


def find_faults(draft: Draft, config: CurateConfig, encoder: Encoder | None = None) -> list[str]:
    """Return the reasons of all checks that a draft fails; the other checks are for drafts that are complete.

    With an encoder an explanation may also rest on the scenario in words of its own.
    """
    if reason := check_fields(draft, config):
        return [reason]
    reasons = [reason for check in (*ITEM_CHECKS, *EXPLANATION_CHECKS) if (reason := check(draft, config))]
    if encoder and NOT_GROUNDED in reasons and is_grounded_in_meaning(draft, encoder):
        reasons.remove(NOT_GROUNDED)
    return reasons


def find_fault(draft: Draft, config: CurateConfig, encoder: Encoder | None = None) -> str:
    """Return the reason of the first check that a draft fails, or an empty string."""
    return next(iter(find_faults(draft, config, encoder)), "")
