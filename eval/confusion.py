"""Which wrong emotion was picked for which, and of what kind the mistake is.

A pick is of the first kind that fits, in this order.  *near-synonym*: it means nearly the same as the key.  *half of a
pair*: key and pick share a half, and one of them is a pair, such as Relief for Relief & Guilt.  *before the turn*: what
was felt before the event that changed it.  *another person's*: what somebody else in the scenario feels.  *neighbour*:
the taxonomy names it among those that lie near the key.  *other*: none of these is known.

What was felt before is known of items of our own, whose plan says it; what another person feels, where a second item
asks about that person in the same scenario, as half of EmoBench's do.  Elsewhere such a mistake counts as *other*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from corpus.taxonomy import are_synonyms, load_taxonomy, split_label

Kind = Literal["near-synonym", "half of a pair", "before the turn", "another person's", "neighbour", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Confusion(BaseModel):
    """``picked`` was taken for ``key`` ``count`` times; of what kind depends on the scenario too."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str
    picked: str
    count: int
    kinds: dict[Kind, int]


def kind_of(key: str, picked: str, before: str = "", others: Collection[str] = ()) -> Kind:
    """Return the kind of a wrong pick.

    Args:
        key, picked: labels, of one emotion or of two.
        before: what was felt before the turn; empty where nobody says.
        others: what other people in the scenario feel.
    """
    if are_synonyms(key, picked):
        return "near-synonym"
    parts, taken = split_label(key), split_label(picked)
    if len(parts) + len(taken) > 2 and any(are_synonyms(one, other) for one in parts for other in taken):
        return "half of a pair"
    if before and are_synonyms(before, picked):
        return "before the turn"
    if any(are_synonyms(other, picked) for other in others):
        return "another person's"
    if any(_are_near(one, other) for one in parts for other in taken):
        return "neighbour"
    return "other"


def count_confusions(mistakes: Iterable[tuple[str, str, Kind]]) -> list[Confusion]:
    """Return (key, picked, kind) counted by key and pick, the most common first, then by name."""
    kinds: dict[tuple[str, str], Counter[Kind]] = {}
    for key, picked, kind in mistakes:
        kinds.setdefault((key, picked), Counter())[kind] += 1
    found = [
        Confusion(key=key, picked=picked, count=counts.total(), kinds=dict(counts.most_common()))
        for (key, picked), counts in kinds.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.key, one.picked))


def _are_near(name: str, other: str) -> bool:
    emotions = load_taxonomy().emotions
    return any(one in emotions and second in emotions[one].near for one, second in ((name, other), (other, name)))
