"""Comparisons in words: what may be claimed, what is form, and what could not have been seen."""

from __future__ import annotations

from eval.scores import IMPROVED, WORSE, Comparison
from eval.statistics import Change, Difference

READABLE = "the answers' form"


def explain(comparison: Comparison) -> str:
    """Say in one paragraph what a comparison shows, under both readings, and name a format effect."""
    strict, lenient = comparison.strict, comparison.lenient
    heads = {IMPROVED: "improved", WORSE: "worse"}
    head = heads.get(comparison.verdict) or f"no improvement ({comparison.verdict})"
    parts = [f"{head}: read strictly {_points(strict)}, read leniently {_points(lenient)}"]
    if has_format_effect(comparison):
        effect = comparison.format_effect
        assert effect is not None
        parts.append(f"format effect: {_points(effect)} of the strict difference is {READABLE}, not what was answered")
    if comparison.verdict not in heads and lenient.detectable:  # 0 where nothing changed: that tells nothing
        parts.append(
            f"a true difference of {100 * lenient.detectable:.0f} points or more would have been found in 80 of 100 "
            "such comparisons"
        )
    return "; ".join(parts)


def has_format_effect(comparison: Comparison) -> bool:
    """Whether the strict reading changed by more, or less, than the lenient one, beyond chance."""
    effect = comparison.format_effect
    return effect is not None and (effect.low > 0 or effect.high < 0)


def _points(change: Difference | Change) -> str:
    return f"{100 * change.delta:+.1f} points (95% {100 * change.low:+.1f} to {100 * change.high:+.1f})"
