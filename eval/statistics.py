"""Statistics that can be believed: intervals of shares, of means, and of paired differences, and what they can find.

References: Wilson (1927) for a share of independent items; Korn & Graubard (1998) for one of items that share
scenarios; Miller (2024, arXiv 2411.00640) for paired differences and clustering; McNemar (1947), exact binomial form.
What is drawn again, and how, is in `eval.resampling`.  `benchmarks.exam_statistics` measures that these intervals hold
the truth as often as they say, and how often equals are called unequal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import binomtest, norm, t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from eval.resampling import CONFIDENCE, RESAMPLES, Floats, bootstrap_interval, flip_signs, sum_clusters

POWER = 0.8
_SHARES, _CHANGES = (0.0, 1.0), (-1.0, 1.0)  # what a mean of shares, and of changes of shares, can be


@dataclass(frozen=True)
class Difference:
    """A paired before/after difference in share right, with its 95% interval and the p that there is none.

    ``p_value`` is that of `eval.resampling.flip_signs`: exact McNemar's where every item has a scenario of its own.
    ``gained, lost`` count the items that rose and fell.  ``detectable`` is the smallest true difference that such a
    comparison finds in 80 of 100 cases; None in what earlier versions stored.
    """

    delta: float
    low: float
    high: float
    p_value: float
    gained: int
    lost: int
    detectable: float | None = None

    @property
    def is_gain(self) -> bool:
        """True only when the whole interval lies above zero."""
        return self.low > 0


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95% Wilson score interval of ``right`` out of ``n``; (0, 1) when n is 0."""
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(right, n).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def share_interval(right: Sequence[bool], clusters: Sequence[str]) -> tuple[float, float]:
    """Return the 95% interval of the share right of items that share scenarios: Wilson's, on the effective sample size.

    The effective sample size is n / max(1, D) × (tₙ₋₁ / tₖ₋₁)² for n items of k scenarios (Korn & Graubard 1998; tested
    for Wilson's interval by Dean & Pagano 2015 and by Franco et al. 2019, who also keep D from falling below 1).  D is
    the design effect (Kish 1965), the clustered variance of the share over that of n independent items; the
    t quantiles pay for its estimate from k scenarios.  Without shared scenarios it is Wilson's own interval.  Where all
    items, or none, are right no design effect shows, and D is 1; of one scenario nothing is known beyond it: (0, 1).

    Args:
        right, clusters: right or wrong, and the name of the scenario, per item.

    Raises:
        ValueError: the two differ in length.
    """
    if len(right) != len(clusters):
        raise ValueError("right and clusters must be equally long")
    n, k = len(right), len(set(clusters))
    if k == n:
        return wilson_interval(sum(right), n)
    if k == 1:
        return _SHARES
    marks = np.asarray(right, dtype=float)
    share = float(marks.mean())
    effect = 1.0
    if 0 < share < 1:
        clustered = k / (k - 1) * _clustered_error(marks, clusters) ** 2
        effect = max(1.0, clustered / (share * (1 - share) / (n - 1)))
    middle = (1 + CONFIDENCE) / 2
    effective = n / effect * (t.ppf(middle, n - 1) / t.ppf(middle, k - 1)) ** 2
    low, high = proportion_confint(share * effective, effective, alpha=1 - CONFIDENCE, method="wilson")
    return max(0.0, float(low)), min(1.0, float(high))


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    clusters: Sequence[str],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """Compare two readings of the same items, resampling whole clusters (items that share a scenario).

    Args:
        before, after: right or wrong per item, or its share right where it was posed more than once; same order.
        clusters: cluster name per item, same order.

    Raises:
        ValueError: the three differ in length, or are empty.
    """
    if not len(before) == len(after) == len(clusters) or not before:
        raise ValueError("before, after, and clusters must be equally long and not empty")
    change = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    low, high = bootstrap_interval(change, clusters, _CHANGES, seed, resamples)
    return Difference(
        delta=float(change.mean()),
        low=low,
        high=high,
        p_value=flip_signs(change, clusters, seed),
        gained=int((change > 0).sum()),
        lost=int((change < 0).sum()),
        detectable=detectable_difference(change, clusters),
    )


def detectable_difference(change: Floats, clusters: Sequence[str]) -> float:
    """Return the minimum detectable effect of a paired comparison: (z₀.₉₇₅ + z₀.₈) × its clustered standard error.

    The standard error is that of a mean over clusters (Miller 2024, section 2.2); 0 when nothing changed.
    """
    return float(norm.ppf(1 - (1 - CONFIDENCE) / 2) + norm.ppf(POWER)) * _clustered_error(change, clusters)


def adjust(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p of a family of tests, in the order given."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


@dataclass(frozen=True)
class Change:
    """A mean, or a paired difference of means, of scores in 0..1, with its 95% interval."""

    delta: float
    low: float
    high: float

    @property
    def is_gain(self) -> bool:
        """True only when the whole interval lies above zero."""
        return self.low > 0


def mean_score(scores: Sequence[float], clusters: Sequence[str], seed: int = 0) -> Change:
    """Return the mean of scores in 0..1 with its interval over resampled clusters; ValueError as above."""
    return _mean(scores, clusters, _SHARES, seed)


def paired_change(before: Sequence[float], after: Sequence[float], clusters: Sequence[str], seed: int = 0) -> Change:
    """Compare the scores of two programs on the same cases, resampling clusters; ValueError as above."""
    if not len(before) == len(after):
        raise ValueError("before and after must be equally long")
    return _mean([new - old for old, new in zip(before, after, strict=True)], clusters, _CHANGES, seed)


def _mean(values: Sequence[float], clusters: Sequence[str], bounds: tuple[float, float], seed: int) -> Change:
    if len(values) != len(clusters) or not values:
        raise ValueError("scores and clusters must be equally long and not empty")
    known = np.asarray(values, dtype=float)
    return Change(float(known.mean()), *bootstrap_interval(known, clusters, bounds, seed))


def _clustered_error(values: Floats, clusters: Sequence[str]) -> float:
    """Return the standard error of a mean of values that are alike within clusters (Miller 2024, section 2.2)."""
    sums, _ = sum_clusters(values - values.mean(), clusters)
    return sqrt((sums**2).sum()) / len(values)
