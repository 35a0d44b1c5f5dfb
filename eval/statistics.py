"""Statistics that can be believed: Wilson intervals, paired clustered bootstrap, exact McNemar.

References: Wilson (1927) for a share; Miller (2024, arXiv 2411.00640) for paired differences and clustering;
Efron & Tibshirani (1993, ch. 13) for the percentile bootstrap; McNemar (1947), exact binomial form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

RESAMPLES = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A paired before/after difference in share right, with its 95% interval and McNemar's p."""

    delta: float
    low: float
    high: float
    p_value: float
    gained: int
    lost: int

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


def paired_difference(
    before: Sequence[bool], after: Sequence[bool], clusters: Sequence[str], seed: int = 0
) -> Difference:
    """Compare two readings of the same items, resampling whole clusters (items that share a scenario).

    Args:
        before, after: right or wrong per item, same order.
        clusters: cluster name per item, same order.

    Raises:
        ValueError: the three differ in length, or are empty.
    """
    if not len(before) == len(after) == len(clusters) or not before:
        raise ValueError("before, after, and clusters must be equally long and not empty")
    change = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    delta, low, high = _bootstrap_mean(change, clusters, seed)
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Difference(delta, low, high, p_value, gained, lost)


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
    """Return the mean of scores with a percentile interval over resampled clusters; ValueError as above."""
    if len(scores) != len(clusters) or not scores:
        raise ValueError("scores and clusters must be equally long and not empty")
    return Change(*_bootstrap_mean(np.asarray(scores, dtype=float), clusters, seed))


def paired_change(before: Sequence[float], after: Sequence[float], clusters: Sequence[str], seed: int = 0) -> Change:
    """Compare the scores of two programs on the same cases, resampling clusters; ValueError as above."""
    if not len(before) == len(after):
        raise ValueError("before and after must be equally long")
    return mean_score([new - old for old, new in zip(before, after, strict=True)], clusters, seed)


def _bootstrap_mean(values: npt.NDArray[np.float64], clusters: Sequence[str], seed: int) -> tuple[float, float, float]:
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    sums, sizes = np.bincount(codes, weights=values), np.bincount(codes)
    draws = np.random.default_rng(seed).integers(0, len(sums), size=(RESAMPLES, len(sums)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(values.mean()), float(low), float(high)
