"""The same item about other people.

A small student that meets an item twice learns it by the names, which are its rarest words, and not by what
happens.  Renaming the people of an item each time it is shown leaves it only the event to learn from.
"""

from __future__ import annotations

import re
from typing import Any

from corpus.names import names_by_pronouns
from corpus.records import ApplicationItem, UnderstandingItem
from corpus.seeds import rng_for

_KEPT = ("qid", "session", "teacher", "people")


def rename_people(item: UnderstandingItem | ApplicationItem, *key: object) -> UnderstandingItem | ApplicationItem:
    """Return the item with its people renamed, pronouns kept, names drawn by ``key`` and all different."""
    names: dict[str, str] = {}
    for person in item.people:
        free = [name for name in names_by_pronouns(person.pronouns) if name not in names.values()]
        names[person.name] = rng_for("rename", item.qid, person.name, *key).choice(free)
    if not names:
        return item
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda match: names[match[0]], value)
        return tuple(map(renamed, value)) if isinstance(value, tuple) else value

    fields = {name: getattr(item, name) for name in type(item).model_fields if name not in _KEPT}
    return item.model_copy(update={name: renamed(value) for name, value in fields.items()})
