"""From what the judge found to what becomes of a draft: kept, or set aside with a reason for people to look at.

Keeping an item when most of several blind answers are its key is self-consistency (Wang et al., arXiv 2203.11171)
turned on the question instead of the answer.
"""

from __future__ import annotations

from corpus.config import VerifyConfig
from corpus.records import Judgement, Solved

AMBIGUOUS, DISPUTED, UNVERIFIED = "ambiguous", "label disputed", "not verified"


def why_aside(judgement: Judgement | None, config: VerifyConfig) -> str:
    """Return why a draft is set aside, or an empty string for one that is kept.

    Args:
        judgement: None when the judge gave no usable answer; nothing is taken for verified that was not.
    """
    if not config.asks_about_items:
        return ""
    if judgement is None:
        return UNVERIFIED
    if judgement.solved and judgement.solved.agreement < config.agreement:
        return DISPUTED if is_disputed(judgement.solved) else AMBIGUOUS
    return f"judge: {judgement.faults[0]}" if judgement.faults else ""


def is_disputed(solved: Solved) -> bool:
    """Whether blind readers rather give another answer: fewer than half of their answers were the key."""
    return solved.right * 2 < solved.asked
