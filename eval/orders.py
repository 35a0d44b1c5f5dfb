"""How much an examinee depends on the order in which options stand.

The same items are posed in several orders.  The mean over orders is the score, the share right in every order is what
cannot be luck of the order, and the spread of recall by position is the standard deviation of Zheng et al. (2024, arXiv
2309.03882, "RStd"): how much likelier a right option is found at one position than at another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from pydantic import BaseModel, ConfigDict

from eval.statistics import mean_score, share_interval, wilson_interval

Picks = tuple[int | None, ...]


@dataclass(frozen=True)
class Posed:
    """An item as it was posed in one order.

    Args:
        order: which one; the same number means the same way of ordering for all items.
        picks, keys: of each question the position picked and that of the key, from 0, as they stood in this order;
            None is an answer that was not read.
    """

    item: str
    scenario: str
    order: int
    picks: Picks
    keys: tuple[int, ...]

    @property
    def is_right(self) -> bool:
        """Whether every question of the item was answered rightly."""
        return self.picks == self.keys


class PositionScore(BaseModel):
    """One question of the items (EU: emotion, then cause), by position.

    Per position, the first first: ``keys`` counts how often the key stood there, ``picked`` how often it was picked,
    ``recalls`` is the share of the keys there that were picked, None where none stood.  ``spread`` is the standard
    deviation of the recalls, in 0..0.5; None where the key stood at fewer than two positions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    keys: tuple[int, ...]
    picked: tuple[int, ...]
    recalls: tuple[float | None, ...]
    spread: float | None


class OrderScore(BaseModel):
    """The score of ``n`` items that were each posed in every order; shares in 0..1.

    ``by_order`` is the share right in each order, ``mean`` is their mean, with its 95% ``interval``, which resamples
    scenarios; ``all_right`` is the share of items that were right in every order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    n: int
    by_order: tuple[float, ...]
    mean: float
    interval: tuple[float, float]
    all_right: float
    questions: tuple[PositionScore, ...]


def score_orders(posed: Iterable[Posed]) -> OrderScore:
    """Score items of one task that were posed in several orders.

    Raises:
        ValueError: there are none, or an item lacks an order, or comes twice in one.
    """
    rows = list(posed)
    shares, scenarios = share_by_item(rows), {row.item: row.scenario for row in rows}
    by_order: dict[int, list[bool]] = defaultdict(list)
    for row in rows:
        by_order[row.order].append(row.is_right)
    pairs = {(row.item, row.order) for row in rows}
    if not rows or not len(rows) == len(pairs) == len(shares) * len(by_order):
        raise ValueError("every item must be posed once in every order")
    return OrderScore(
        n=len(shares),
        by_order=tuple(fmean(by_order[order]) for order in sorted(by_order)),
        mean=fmean(shares.values()),
        interval=interval_of(list(shares.values()), [scenarios[item] for item in shares]),
        all_right=fmean(share == 1 for share in shares.values()),
        questions=tuple(_positions(rows, question) for question in range(len(rows[0].keys))),
    )


def share_by_item(posed: Iterable[Posed]) -> dict[str, float]:
    """Return the share of orders in which each item was right, by item, as they come.

    Two examinees are compared by these shares (`eval.statistics.paired_difference`): orders of one item are no items
    of their own, so that McNemar's test on them would count each several times.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    for row in posed:
        right[row.item].append(row.is_right)
    return {item: fmean(marks) for item, marks in right.items()}


def vote(samples: Sequence[Picks]) -> Picks:
    """Return the most common pick of each question among several answers to an item in one order.

    As the first version of EmoBench counts (its evaluate.py of 2024, 4 orders × 5 samples): of equals the one that came
    first; an answer is unread only where no sample was read.  The score is then that of `score_orders`.

    Args:
        samples: at least one answer; all to the same questions.
    """
    return tuple(_most_common(picks) for picks in zip(*samples, strict=True))


def _most_common(picks: Iterable[int | None]) -> int | None:
    counts = Counter(pick for pick in picks if pick is not None).most_common(1)
    return counts[0][0] if counts else None


def interval_of(shares: Sequence[float], scenarios: Sequence[str]) -> tuple[float, float]:
    """Return the 95% interval of the mean of shares right per item, with scenarios resampled.

    Shares that are all alike are the same again when they are drawn again, which is no certainty: of right and wrong
    alone `share_interval` is taken, of other equal shares Wilson's at their mean.
    """
    if set(shares) <= {0, 1}:
        return share_interval([share == 1 for share in shares], scenarios)
    if len(set(shares)) == 1:
        return wilson_interval(round(fmean(shares) * len(shares)), len(shares))
    found = mean_score(shares, scenarios)
    return found.low, found.high


def _positions(rows: Sequence[Posed], question: int) -> PositionScore:
    pairs = [(row.picks[question], row.keys[question]) for row in rows]
    positions = range(1 + max(place for pair in pairs for place in pair if place is not None))
    keys, hits = Counter(key for _, key in pairs), Counter(key for pick, key in pairs if pick == key)
    picked = Counter(pick for pick, _ in pairs)
    recalls = tuple(hits[place] / keys[place] if keys[place] else None for place in positions)
    known = [recall for recall in recalls if recall is not None]
    return PositionScore(
        keys=tuple(keys[place] for place in positions),
        picked=tuple(picked[place] for place in positions),
        recalls=recalls,
        spread=pstdev(known) if len(known) > 1 else None,
    )
