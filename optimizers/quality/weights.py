"""The weights of the criteria where a recipe sets none: what a failed criterion takes from the quality, 0 to 1.

Weight 1 is for what would have the item or the session thrown away: whatever else is good about it then is in vain.
A refused answer costs a call and no more, and of a session with one weak message the other moments can still be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from optimizers.config import ExamCriterion, ItemCriterion, Kind, SessionCriterion

DEFAULT_WEIGHTS: dict[Kind, dict[str, float]] = {
    "items": {**dict.fromkeys(get_args(ItemCriterion), 1.0), "format": 0.3},
    "session": {
        **dict.fromkeys(get_args(SessionCriterion), 1.0), "format": 0.3, "phases": 0.6, "arc": 0.6, "novelty": 0.8,
    },
    "exam": {**dict.fromkeys(get_args(ExamCriterion), 1.0), "format": 0.3},
}  # fmt: skip


def weights_of(kind: Kind, own: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of every criterion of a kind: the recipe's ``own`` before the default."""
    return {**DEFAULT_WEIGHTS[kind], **own}
