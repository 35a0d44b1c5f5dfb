"""What a look of the judge found, and when it counts: a fault stands when most of three further looks find it too.

A judge imagines now and then a fault that is not there, and overlooks one that is.  Over nine faults, a judge that
imagines each in 2 of 100 items would cost 1 clean item in 6 by its word alone, and 1 in 140 if one look of two had to
agree.  With this rule it costs 1 in 5,000, and a judge that overlooks 5 faults in 100 still reports 94.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dspy

MORE_LOOKS, AGREEING = 3, 2


@dataclass(frozen=True)
class Finding:
    """Names of faults, and what the judge said of them."""

    faults: tuple[str, ...]
    remarks: str


def read_scores(answer: dspy.Prediction, fault_of: Mapping[str, str]) -> Finding:
    """Turn an answer of scores into the faults that its ``no`` stand for."""
    return Finding(tuple(fault for score, fault in fault_of.items() if answer[score] == "no"), answer.remarks.strip())


def confirm(look: Callable[[], Finding]) -> Finding:
    """Look once and, when faults are found, up to three times more; return those that stand, with the last remarks.

    Looking ends as soon as a fault stands, because what has one is set aside, whatever else may be wrong with it; and
    as soon as none can stand any more.
    """
    first = last = look()
    seen = dict.fromkeys(first.faults, 0)
    for left in range(MORE_LOOKS, 0, -1):
        if all(count + left < AGREEING for count in seen.values()):
            break
        last = look()
        seen |= {name: count + 1 for name, count in seen.items() if name in last.faults}
        if standing := tuple(name for name, count in seen.items() if count == AGREEING):
            return Finding(standing, last.remarks)
    return Finding((), last.remarks)
