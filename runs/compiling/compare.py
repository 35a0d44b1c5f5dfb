"""The final comparison: two programs on cases that no optimizer saw, case by case and criterion by criterion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.statistics import mean_score, paired_change
from optimizers.scoring import Scored
from optimizers.store import Change, Mean, Scores


def rows_of(before: Sequence[Scored], after: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return a row per case for scores.jsonl."""
    return [
        {"id": old.case.id, "cluster": old.case.cluster, "before": _as_json(old), "after": _as_json(new)}
        for old, new in zip(before, after, strict=True)
    ]


def compare(before: Sequence[Scored], after: Sequence[Scored]) -> Scores:
    """Return means and paired changes, of the quality and of each criterion, with clustered 95% intervals."""
    old, new = ([found.quality.score for found in scored] for scored in (before, after))
    clusters = [found.case.cluster for found in before]
    change = paired_change(old, new, clusters)
    return Scores(
        n=len(before),
        before=_mean_quality(old, clusters),
        after=_mean_quality(new, clusters),
        delta=change.delta,
        interval=(change.low, change.high),
        criteria=_compare_criteria(before, after),
    )


def _mean_quality(scores: list[float], clusters: list[str]) -> Mean:
    found = mean_score(scores, clusters)
    return Mean(quality=found.delta, interval=(found.low, found.high))


def _compare_criteria(before: Sequence[Scored], after: Sequence[Scored]) -> dict[str, Change]:
    """Means are over the cases where a criterion was looked at, changes over those where it was looked at both times.

    The judge is not asked about a case that a rule has decided.
    """
    names = sorted({name for found in (*before, *after) for name in found.quality.scores})
    table: dict[str, Change] = {}
    for name in names:
        pairs = [
            (old, new)
            for old, new in zip(before, after, strict=True)
            if name in old.quality.scores and name in new.quality.scores
        ]
        change = (
            paired_change(
                [old.quality.scores[name] for old, _ in pairs],
                [new.quality.scores[name] for _, new in pairs],
                [old.case.cluster for old, _ in pairs],
            )
            if pairs
            else None
        )
        table[name] = Change(
            n=len(pairs),
            before=_mean(before, name),
            after=_mean(after, name),
            delta=change.delta if change else None,
            interval=(change.low, change.high) if change else None,
        )
    return table


def _mean(scored: Sequence[Scored], name: str) -> float | None:
    found = [one.quality.scores[name] for one in scored if name in one.quality.scores]
    return sum(found) / len(found) if found else None


def _as_json(found: Scored) -> dict[str, Any]:
    return {
        "quality": round(found.quality.score, 6),
        "scores": {name: round(score, 6) for name, score in found.quality.scores.items()},
        "calls": found.calls,
        "failure": found.failure,
    }
