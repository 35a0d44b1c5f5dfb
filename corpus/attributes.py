"""The attributes of a case, drawn so that they go together (data/attributes.yaml).

Each value is drawn with a weight that is the product of what the tables say about it, given what is already known;
there is no rejection.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import prod

import yaml
from pydantic import BaseModel, ConfigDict

from corpus.records import Attributes, Moment, Persona, Theme
from corpus.seeds import rng_for

AREAS = (2, 4)  # of understanding and of application, per case

Weights = dict[str, float]  # value → weight


class Draw(BaseModel):
    """One attribute: its values, and their weights by condition and the condition's value."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    values: tuple[str, ...]
    given: dict[str, dict[str, Weights]]

    def weights(self, known: dict[str, str]) -> list[float]:
        """Return the weight of each value, given what is known."""
        tables = [table.get(known.get(condition, ""), {}) for condition, table in self.given.items()]
        return [prod(table.get(value, 1.0) for table in tables) for value in self.values]


class AttributeTables(BaseModel):
    """The whole of data/attributes.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    draws: dict[str, Draw]
    eu_areas: dict[str, tuple[str, ...]]
    ea_areas: dict[str, tuple[str, ...]]
    stages: tuple[str, ...]
    arcs: dict[str, dict[str, str]]


@cache
def load_attributes() -> AttributeTables:
    """Read the packaged tables once."""
    text = files("corpus").joinpath("data/attributes.yaml").read_text(encoding="utf-8")
    return AttributeTables.model_validate(yaml.safe_load(text))


def draw_attributes(persona: Persona, theme: Theme, moments: tuple[Moment, ...], *key: object) -> Attributes:
    """Draw a realistic combination for a persona and theme; the areas cover the moments that are planned."""
    tables, rng = load_attributes(), rng_for("attributes", *key)
    known = {"theme": theme.category, "status": persona.relationship, "disposition": persona.disposition}
    for name, draw in tables.draws.items():
        known[name] = rng.choices(draw.values, draw.weights(known))[0]
    eu = _areas(tables.eu_areas, [m.sub_category for m in moments if m.task == "EU"], *key, "EU")
    ea = _areas(tables.ea_areas, [m.aim for m in moments if m.task == "EA"], *key, "EA")
    drawn = {name: known[name] for name in tables.draws}
    return Attributes(eu_areas=eu, eu_target=eu[0], ea_areas=ea, ea_target=ea[0], **drawn)


def arc_of(attributes: Attributes) -> tuple[str, ...]:
    """Return the stages through which a client of this coping style moves, each as ``name: what shows``."""
    tables = load_attributes()
    return tuple(f"{stage}: {tables.arcs[attributes.coping][stage]}" for stage in tables.stages)


def _areas(members: dict[str, tuple[str, ...]], planned: list[str], *key: object) -> tuple[str, ...]:
    """Two to four areas, those of the planned moments first; the first one is the target."""
    rng = rng_for("areas", *key)
    wanted = [area for name in planned for area, names in members.items() if name in names]
    others = [area for area in members if area not in wanted]
    rng.shuffle(others)
    areas = tuple(dict.fromkeys([*wanted, *others]))
    return areas[: max(rng.randint(*AREAS), min(len(set(wanted)), AREAS[1]))]
