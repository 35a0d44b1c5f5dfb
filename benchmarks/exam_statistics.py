"""How often the exam's intervals hold the truth, and how often its paired test calls equals unequal.

The models are simulated.  Whether one answers an item rightly depends on luck, on how hard the item and its scenario
are for all models, and on how the scenario suits that model; all are normal and add up to variance 1, so that a
threshold gives the model exactly the accuracy it is meant to have.  The bars are on each kind of interval over all its
settings, of 1,000 simulations each; one setting alone strays by chance (0.7 points of standard error at 95%), so that
the worst is told, not barred.  Items that share scenarios are 200 in 140 scenarios, as many of each size as EmoBench EU
has in English.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from benchmarks.table import Row, most
from eval.orders import Posed, score_orders, share_by_item
from eval.statistics import Difference, paired_difference, share_interval

SIMULATIONS = 1000
RESAMPLES = 2000  # half of what an exam takes
ALARMS = 5.5  # percent
COVERED = (93.0, 97.0)  # percent
LEVEL = 0.05
ORDERS = 4
ALONE = (1,) * 200
SHARED = (1,) * 83 + (2,) * 54 + (3,) * 3  # items per scenario of EmoBench EU, English
FEW = (5,) * 8  # as held-out items of a small run
ACCURACIES = (0.1, 0.25, 0.5, 0.75, 0.9)
EQUALS = (0.2, 0.4, 0.6, 0.85)
RISES = ((0.2, 0.3), (0.45, 0.5), (0.6, 0.75), (0.85, 0.92))

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """What answers depend on: shares of the variance; what is left is luck.

    Args:
        item, scenario: how hard they are, for all models alike.
        suited: how well a scenario suits one model.
    """

    item: float = 0.3
    scenario: float = 0.2
    suited: float = 0.1


def measure() -> Iterator[Row]:
    """Yield the coverage of each kind of interval, and the false alarms of the paired test, in percent."""
    for name, world, sizes in (
        ("share of independent items", World(), ALONE),
        ("share of items that share scenarios", World(scenario=0.3), SHARED),
        ("share of items much alike in a scenario", World(item=0.0, scenario=0.6), SHARED),
    ):
        yield from covers(name, [_share_held(world, accuracy, sizes) for accuracy in ACCURACIES])
    differences = [_difference_held(rise, sizes) for rise, sizes in product(RISES, (ALONE, SHARED))]
    yield from covers("paired difference", differences)
    few = [_difference_held(rise, FEW) for rise in RISES[:3]]
    yield Row("paired difference, 8 scenarios: covered", round(float(np.mean(few)), 1), "percent", "told", True)
    yield from covers("mean over 4 orders", [_mean_held(accuracy) for accuracy in ACCURACIES[1:4]])
    alarms = np.array([_alarms(accuracy, sizes) for accuracy, sizes in product(EQUALS, (ALONE, SHARED))])
    for name, rates in (("p below 0.05", alarms[:, 0]), ("interval without 0", alarms[:, 1])):
        yield most(f"equal models, {name}", float(rates.mean()), "percent", ALARMS)
        yield Row(f"equal models, {name}: worst setting", round(float(rates.max()), 1), "percent", "told", True)
    yield most("equal models in 4 orders, p below 0.05", _order_alarms(0.5), "percent", ALARMS)


def covers(name: str, settings: Sequence[float]) -> Iterator[Row]:
    """Yield how much intervals of one kind cover: over all settings, and in the one that is farthest from 95%."""
    low, high = COVERED
    overall = float(np.mean(settings))
    yield Row(f"{name}: covered", round(overall, 2), "percent", f"{low:g} to {high:g}", low <= overall <= high)
    worst = max(settings, key=lambda covered: abs(covered - 95))
    yield Row(f"{name}: covered in the worst setting", round(worst, 1), "percent", "told", True)


def answer(
    rng: np.random.Generator, world: World, accuracies: Sequence[float], sizes: Sequence[int], times: int = 1
) -> npt.NDArray[np.bool_]:
    """Return right or wrong, of shape models × times × items, of models that answer the same items so many times.

    Luck is drawn anew each time; all else stays.
    """
    scenario, items = names(sizes), sum(sizes)
    luck = 1 - world.item - world.scenario - world.suited
    common = np.sqrt(world.item) * rng.standard_normal(items)
    common += np.sqrt(world.scenario) * rng.standard_normal(len(sizes))[scenario]
    own = np.sqrt(world.suited) * rng.standard_normal((len(accuracies), 1, len(sizes)))[..., scenario]
    thresholds = norm.ppf(accuracies)[:, None, None]
    right: Marks = common + own + np.sqrt(luck) * rng.standard_normal((len(accuracies), times, items)) < thresholds
    return right


def names(sizes: Sequence[int]) -> npt.NDArray[np.intp]:
    """Return the number of the scenario of each item."""
    return np.repeat(np.arange(len(sizes)), sizes)


def _share_held(world: World, accuracy: float, sizes: Sequence[int]) -> float:
    scenarios = [str(number) for number in names(sizes)]
    held = 0
    for rng in _generators(accuracy, sizes):
        low, high = share_interval(answer(rng, world, [accuracy], sizes)[0, 0].tolist(), scenarios)
        held += low <= accuracy <= high
    return 100 * held / SIMULATIONS


def _difference_held(rise: tuple[float, float], sizes: Sequence[int]) -> float:
    found = _differences(rise, sizes)
    return 100 * sum(one.low <= rise[1] - rise[0] <= one.high for one in found) / SIMULATIONS


def _alarms(accuracy: float, sizes: Sequence[int]) -> tuple[float, float]:
    """Return how often equal models have a p below 5%, and an interval that leaves zero out."""
    found = list(_differences((accuracy, accuracy), sizes))
    small, apart = sum(one.p_value < LEVEL for one in found), sum(one.low > 0 or one.high < 0 for one in found)
    return 100 * small / SIMULATIONS, 100 * apart / SIMULATIONS


def _differences(accuracies: tuple[float, float], sizes: Sequence[int]) -> Iterator[Difference]:
    scenarios = [str(number) for number in names(sizes)]
    for seed, rng in enumerate(_generators(sum(accuracies), sizes)):
        before, after = answer(rng, World(), accuracies, sizes)[:, 0]
        yield paired_difference(before.tolist(), after.tolist(), scenarios, seed, RESAMPLES)


def _mean_held(accuracy: float) -> float:
    held = 0
    for rng in _generators(accuracy, SHARED):
        (right,) = answer(rng, World(), [accuracy], SHARED, ORDERS)
        low, high = score_orders(_pose(right)).interval
        held += low <= accuracy <= high
    return 100 * held / SIMULATIONS


def _order_alarms(accuracy: float) -> float:
    scenarios, small = [str(number) for number in names(SHARED)], 0
    for seed, rng in enumerate(_generators(accuracy, SHARED)):
        before, after = answer(rng, World(), [accuracy, accuracy], SHARED, ORDERS)
        shares = [list(share_by_item(_pose(right)).values()) for right in (before, after)]
        small += paired_difference(*shares, scenarios, seed, RESAMPLES).p_value < LEVEL
    return 100 * small / SIMULATIONS


def _pose(right: Marks) -> list[Posed]:
    """Give orders × items of right and wrong as answers: the first position is picked, and holds the key if right."""
    return [
        Posed(str(item), str(scenario), order, (0,), (0 if is_right else 1,))
        for order, row in enumerate(right)
        for item, (scenario, is_right) in enumerate(zip(names(SHARED), row, strict=True))
    ]


def _generators(accuracy: float, sizes: Sequence[int]) -> Iterator[np.random.Generator]:
    """Yield one per simulation, others in every setting: else all settings would stray together."""
    setting = [round(1000 * accuracy), len(sizes)]
    return (np.random.default_rng([*setting, number]) for number in range(SIMULATIONS))
