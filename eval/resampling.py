"""What whole clusters say when they are drawn again, or their signs are flipped: an interval, and a p value.

Items of one scenario stand or fall together, so that scenarios, not items, are what was sampled.

The interval is the percentile bootstrap over clusters (Efron & Tibshirani 1993, ch. 13; Miller 2024, arXiv 2411.00640),
expanded as Hesterberg (2015, "What Teachers Should Know About the Bootstrap") has it: the plain one is too narrow where
clusters are few, as a normal interval is that takes σ for known.  With 8 clusters of 5 items the plain one held 88 of
100 true differences of simulated models, this one 93.  The p value comes from flipping the signs of whole clusters
(Fisher 1935; Ernst 2004), which is right for few clusters too; where every item is a cluster of its own and is right or
wrong, it is McNemar's exact test (1947).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm, t

CONFIDENCE = 0.95
RESAMPLES = 4000
FLIPS = 9999
_DIGITS = 9  # sums of scores that agree so far are the same

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]


def sum_clusters(values: Floats, clusters: Sequence[str]) -> tuple[Floats, Counts]:
    """Return the sum of the values of each cluster, and its size."""
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    return np.bincount(codes, weights=values).astype(float), np.bincount(codes)


def bootstrap_interval(
    values: Floats,
    clusters: Sequence[str],
    bounds: tuple[float, float],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the 95% interval of the mean of values, resampling whole clusters.

    Args:
        values, clusters: one each per item.
        bounds: the least and the greatest mean there can be; of one cluster nothing more is known.
    """
    sums, sizes = sum_clusters(values, clusters)
    k = len(sums)
    if k == 1:
        return bounds
    # Clusters of the same sum and size are interchangeable: how many of each kind are drawn is all that matters.
    kinds, first, counts = np.unique(
        np.column_stack([sums.round(_DIGITS), sizes]), axis=0, return_index=True, return_counts=True
    )
    order = np.argsort(first)  # as they come, so that the mirror image of the values gives that of the interval
    kinds, counts = kinds[order], counts[order]
    draws = np.random.default_rng(seed).multinomial(k, counts / k, size=resamples)
    means = (draws @ kinds[:, 0]) / (draws @ kinds[:, 1])
    tail = float(norm.sf(sqrt(k / (k - 1)) * t.ppf((1 + CONFIDENCE) / 2, k - 1)))
    low, high = np.quantile(means, [tail, 1 - tail]).round(_DIGITS)
    return float(low), float(high)


def flip_signs(change: Floats, clusters: Sequence[str], seed: int = 0, flips: int = FLIPS) -> float:
    """Return how likely a mean change as far from zero is when there is none, flipping the signs of whole clusters.

    Exact where all clusters that changed did so by as much, as those of one item each do, right or wrong; otherwise
    from ``flips`` random flips, never below 1 / (1 + flips).
    """
    sums, _ = sum_clusters(change, clusters)
    sums = sums.round(_DIGITS)
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    if len(sizes) == 1:
        return float(binomtest(int((sums > 0).sum()), int(counts[0])).pvalue)
    kept = np.random.default_rng(seed).binomial(counts, 0.5, size=(flips, len(counts)))  # of each size, the positive
    flipped = (2 * kept - counts) @ sizes
    as_far = int((np.abs(flipped) >= abs(sums.sum()) - 10.0**-_DIGITS).sum())
    return (1 + as_far) / (1 + flips)
