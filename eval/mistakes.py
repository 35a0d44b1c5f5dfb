"""What a student gets wrong on a benchmark: how, which emotion for which, and on items of what sort.

An answer that nothing could be read from is a failure of form, and is counted apart from one that was read and is
wrong: it says nothing about understanding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from eval.confusion import KINDS, Confusion, Kind, count_confusions, kind_of
from eval.orders import interval_of
from signatures.formats import LETTERS

# unread: something was written that no rule reads; empty: nothing was written; failed: the model was not to be had.
Outcome = Literal["right", "wrong", "unread", "empty", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Asked:
    """One question of an item as it was answered: where the key stood, what was picked (None: not read), by index.

    ``name`` is that of the question, such as emotion or cause.
    """

    name: str
    choices: tuple[str, ...]
    key: int
    pick: int | None


@dataclass(frozen=True)
class Reply:
    """One answer to an item; the same item comes again where it was posed in several orders, or sampled.

    ``before`` and ``others`` are what `kind_of` wants to know; ``shown`` tells whether the options stood in a list.
    """

    item: str
    scenario: str
    category: str
    outcome: Outcome
    asked: tuple[Asked, ...]
    before: str = ""
    others: frozenset[str] = frozenset()
    shown: bool = True


class Slice(BaseModel):
    """The share right of ``n`` items of one sort, in 0..1, and its 95% interval, see `eval.orders.interval_of`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    n: int
    share: float
    interval: tuple[float, float]


class Mistakes(BaseModel):
    """The mistakes of one student on one benchmark.

    ``outcomes`` and ``kinds`` count answers, ``confusions`` wrong emotions that were read, the most common first.
    ``lengths`` (terciles of the scenario's length) and ``positions`` (question → letter of its key) say how many items
    were right; by position, whether that question was.  Positions are empty where no list was shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    outcomes: dict[Outcome, int]
    confusions: list[Confusion]
    kinds: dict[Kind, int]
    lengths: dict[str, Slice]
    positions: dict[str, dict[str, Slice]]


def find_mistakes(replies: Sequence[Reply]) -> Mistakes:
    """Return what is wrong with the answers to the items of one benchmark and task; at least one answer."""
    outcomes, confused = Counter(reply.outcome for reply in replies), list(_confused(replies))
    kinds = Counter(kind for _, _, kind in confused)
    return Mistakes(
        outcomes={name: outcomes[name] for name in OUTCOMES if outcomes[name] or name != "failed"},
        confusions=count_confusions(confused),
        kinds={name: kinds[name] for name in KINDS if kinds[name]},
        lengths=_by_length(replies),
        positions=_by_position(replies),
    )


def share_by_category(replies: Iterable[Reply]) -> dict[str, Slice]:
    """Return how many items of each category were right, by name."""
    return dict(sorted(_group(replies, lambda reply: reply.category).items()))


def measure(members: Iterable[tuple[str, str, bool]]) -> Slice:
    """Return the share right of (item, scenario, right); an item that comes several times counts once, by its mean."""
    right: dict[str, list[bool]] = defaultdict(list)
    scenarios: dict[str, str] = {}
    for item, scenario, is_right in members:
        right[item].append(is_right)
        scenarios[item] = scenario
    shares = [fmean(marks) for marks in right.values()]
    return Slice(n=len(shares), share=fmean(shares), interval=interval_of(shares, list(scenarios.values())))


def _confused(replies: Iterable[Reply]) -> Iterable[tuple[str, str, Kind]]:
    for reply in replies:
        for one in reply.asked:
            if one.name == "emotion" and one.pick is not None and one.pick != one.key:
                key, picked = one.choices[one.key], one.choices[one.pick]
                yield key, picked, kind_of(key, picked, reply.before, reply.others)


def _group(replies: Iterable[Reply], name_of: Callable[[Reply], str]) -> dict[str, Slice]:
    groups: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    for reply in replies:
        groups[name_of(reply)].append((reply.item, reply.scenario, reply.outcome == "right"))
    return {name: measure(group) for name, group in groups.items()}


def _by_length(replies: Sequence[Reply]) -> dict[str, Slice]:
    """By terciles of the scenarios' length in characters, the shortest first; of equal length all are in one."""
    lengths = {reply.item: len(reply.scenario) for reply in replies}
    first, second = (int(cut) for cut in np.quantile(list(lengths.values()), [1 / 3, 2 / 3]))
    names = [f"up to {first} characters", f"{first + 1} to {second}", f"{second + 1} and more"]
    found = _group(replies, lambda reply: names[(len(reply.scenario) > first) + (len(reply.scenario) > second)])
    return {name: found[name] for name in names if name in found}


def _by_position(replies: Iterable[Reply]) -> dict[str, dict[str, Slice]]:
    groups: dict[str, dict[int, list[tuple[str, str, bool]]]] = defaultdict(lambda: defaultdict(list))
    for reply in replies:
        if reply.shown:
            for one in reply.asked:
                groups[one.name][one.key].append((reply.item, reply.scenario, one.pick == one.key))
    return {
        question: {LETTERS[place]: measure(places[place]) for place in sorted(places)}
        for question, places in groups.items()
    }
