"""Plans: who comes, with what theme, and which labelled moments the session must bring out.

The cells (11 EU sub-categories, 8 EA category × question type) are dealt from shuffled decks, so that counts are
balanced by construction and any plan can be made from (seed, index) alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

import yaml

from corpus.config import PlanConfig
from corpus.errors import RecipeError
from corpus.names import names_by_region
from corpus.pairing import choose_theme, load_themes, sample_personas
from corpus.records import Moment, Person, Persona, Plan, Pronouns
from corpus.seeds import derive_seed, rng_for
from corpus.taxonomy import load_taxonomy, split_label

SELF_SHARE = 0.5  # of the moments are about the client; the others about someone in the client's life
MAX_WEIGHT = 100.0  # a deck holds four cards per unit of weight
Cell = tuple[str, Literal["", "Action", "Response"]]  # EU: (sub-category, ""); EA: (category, question type)
HOME_REGION_SHARE = 0.7  # of the other people have names of the client's region


@cache
def _attributes() -> dict[str, Any]:
    text = files("corpus").joinpath("data/attributes.yaml").read_text(encoding="utf-8")
    return cast(dict[str, Any], yaml.safe_load(text))


def make_plans(config: PlanConfig, seed: int) -> Iterator[Plan]:
    """Yield the plans of a recipe in index order.

    Raises:
        RecipeError: a weight names no category, or personas or themes do not suffice.
        DataError: a persona or theme file is unreadable.
    """
    decks = _decks(config.weights)
    themes = load_themes(config.themes)
    low, high = config.moments
    for index, persona in enumerate(sample_personas(config.personas, config.sessions, config.persona_uses, seed)):
        plan_id = f"s{seed}-{index:05d}"
        rng = rng_for(plan_id)
        people = _draw_people(persona, 2 * high + 1, plan_id)
        client = people.pop()
        count = rng.randint(low, high)
        eu_count = (count + index % 2) // 2
        cells = _deal(decks["EU"], seed, "EU", index * ((high + 1) // 2), eu_count)
        cells += _deal(decks["EA"], seed, "EA", index * ((high + 1) // 2), count - eu_count)
        rng.shuffle(cells)
        moments = []
        for number, (cell, nth) in enumerate(cells):
            subject = client if rng.random() < SELF_SHARE else people.pop()
            moments.append(_make_moment(f"{plan_id}-m{number}", seed, cell, nth, subject, people.pop()))
        yield Plan(
            id=plan_id,
            seed=derive_seed(plan_id, "ask"),
            persona=persona,
            theme=choose_theme(persona, themes, plan_id, "theme"),
            client=client,
            manner=_draw_manner(plan_id),
            moments=tuple(moments),
        )


def _decks(weights: dict[str, float]) -> dict[str, list[Cell]]:
    taxonomy = load_taxonomy()
    known = [*taxonomy.sub_categories, *taxonomy.ea.categories]
    if unknown := [name for name in weights if name not in known]:
        raise RecipeError(f"plan.weights.{unknown[0]}: no such category; known are {', '.join(known)}")
    if wrong := [name for name, weight in weights.items() if not 0 <= weight <= MAX_WEIGHT]:
        raise RecipeError(f"plan.weights.{wrong[0]}: {weights[wrong[0]]} is not a weight; write 0 to {MAX_WEIGHT:g}")
    decks: dict[str, list[Cell]] = {
        "EU": [(sub, "") for sub in taxonomy.sub_categories for _ in range(_copies(weights.get(sub, 1.0)))],
        "EA": [(c, q) for c, q in taxonomy.cells for _ in range(_copies(weights.get(c, 1.0)))],
    }
    for task, deck in decks.items():
        if not deck:
            raise RecipeError(f"plan.weights: every {task} category has weight 0; give one of them a positive weight")
    return decks


def _copies(weight: float) -> int:
    return max(1, round(weight * 4)) if weight else 0


def _deal(deck: list[Cell], seed: int, task: str, start: int, count: int) -> list[tuple[Cell, int]]:
    """Cards ``start … start+count`` of an endless run of shuffled decks, each with its how-manieth of that cell."""
    dealt = []
    for position in range(start, start + count):
        number, offset = divmod(position, len(deck))
        cards = list(deck)
        rng_for(seed, "deck", task, number).shuffle(cards)
        cell = cards[offset]
        dealt.append((cell, number * deck.count(cell) + cards[:offset].count(cell)))
    return dealt


def _deal_aim(aims: tuple[str, ...], seed: int, cell: Cell, nth: int) -> str:
    """The ``nth`` aim of a cell, dealt like the cells, so that every label is planned about equally often."""
    number, offset = divmod(nth, len(aims))
    return rng_for(seed, "aims", *cell, number).sample(aims, len(aims))[offset]


def _make_moment(moment_id: str, seed: int, cell: Cell, nth: int, subject: Person, other: Person) -> Moment:
    taxonomy = load_taxonomy()
    name, question_type = cell
    if not question_type:
        aim = _deal_aim(taxonomy.sub_categories[name].aims, seed, cell, nth)
        reasons = [taxonomy.emotions[emotion].appraisal for emotion in split_label(aim)]
        return Moment(
            id=moment_id, task="EU", category=taxonomy.coarse_of(name), sub_category=name, aim=aim,
            appraisal="; and at once: ".join(reasons), subject=subject, other=other,
        )  # fmt: skip
    aim = _deal_aim(taxonomy.ea.categories[name].calls_for[question_type], seed, cell, nth)
    return Moment(
        id=moment_id, task="EA", category=name, question_type=question_type, aim=aim,
        appraisal=taxonomy.ea.needs[aim], subject=subject, other=other,
    )  # fmt: skip


def _draw_people(persona: Persona, count: int, plan_id: str) -> list[Person]:
    """Distinct people; the last one is the client and has a name of the persona's region, if that is known."""
    names = names_by_region()
    rng = rng_for(plan_id, "people")
    home = persona.region if persona.region in names else rng.choice(list(names))
    people: dict[str, Person] = {}
    while len(people) < count:
        region = home if rng.random() < HOME_REGION_SHARE or not people else rng.choice(list(names))
        pronouns = cast(Pronouns, rng.choices(["she", "he", "they"], [0.47, 0.47, 0.06])[0])
        name = rng.choice(names[region][pronouns])
        people.setdefault(name, Person(name=name, pronouns=pronouns))
    return list(people.values())[::-1]


def _draw_manner(plan_id: str) -> str:
    lists = _attributes()
    rng = rng_for(plan_id, "manner")
    insight = rng.choice(lists["insight"])
    return (
        f"stakes {rng.choice(lists['stakes'])}, insight {insight}, copes by {rng.choice(lists['coping'])}, "
        f"speaks in a {rng.choice(lists['communication'][insight])} way"
    )
