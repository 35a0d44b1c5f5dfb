"""Plans: who comes, with what theme, and which labelled moments the session must bring out.

The first round plans `plan.sessions` sessions; when some of them fail, further rounds plan what the short categories
still lack (corpus/quotas.py).  Everything follows from the recipe's seed and the order of the plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import cast

from corpus.attributes import arc_of, draw_attributes
from corpus.config import PlanConfig
from corpus.decks import Cell, Dealer, Deck, cell_named
from corpus.jsonl import BadRow
from corpus.names import names_by_region
from corpus.pairing import Pairer, load_themes, sample_personas
from corpus.records import Method, Moment, Narration, Person, Persona, Plan, Pronouns
from corpus.seeds import derive_seed, rng_for
from corpus.taxonomy import load_taxonomy, split_label

SELF_SHARE = 0.5  # of the moments are about the client; the others about someone in the client's life
HOME_REGION_SHARE = 0.7  # of the other people have names of the client's region
NARRATIONS: dict[Narration, float] = {"third person": 0.8, "first person": 0.14, "second person": 0.06}
CONCISE_MOMENTS = (4, 5)  # one per round of a concise session
MISREADINGS = 3  # one per wrong cause or option
RISK_SHARE = 0.5  # of the sessions on a self-harm theme have the client voice it
RISK_TURNS = (3, 5)
MAX_MOMENTS = 12  # of a session in which two of its 14 turns go to the risk and to safety


class Planner:
    """Plans the sessions of a recipe, one after the other.

    Lines of the recipe's own theme and persona files that cannot be used are in ``rejected``.

    Raises:
        RecipeError: a weight names no category, or personas or themes do not suffice.
        DataError: a persona or theme file is unreadable, or not one line of it can be used.
    """

    def __init__(self, config: PlanConfig, seed: int):
        self.config, self.seed = config, seed
        self.dealer = Dealer(config.weights, seed)
        no_themes, no_personas = list[BadRow](), list[BadRow]()
        themes = load_themes(config.themes, no_themes)
        self._pairer = Pairer([theme for theme in themes if config.sensitive_themes or not theme.care])
        self._personas = sample_personas(config.personas, config.sessions, config.persona_uses, seed, no_personas)
        self.rejected = [*no_themes, *no_personas]
        self._methods: Deck[Method] = Deck(_method_cards(config.method), seed, "methods")
        self._made = 0

    def first_round(self) -> Iterator[Plan]:
        """Yield the `plan.sessions` plans of the recipe."""
        for _ in range(self.config.sessions):
            method = self._methods.deal()
            low, high = self.config.moments if method == "mads" else CONCISE_MOMENTS
            count = rng_for(self.seed, "count", self._made).randint(low, high)
            eu_count = (count + self._made % 2) // 2
            cells = [self.dealer.deal_cell("EU") for _ in range(eu_count)]
            cells += [self.dealer.deal_cell("EA") for _ in range(count - eu_count)]
            yield self._plan(method, cells)

    def further_round(self, lacking: dict[str, int]) -> Iterator[Plan]:
        """Yield plans for so many more moments of each named cell, as far as the personas go."""
        cells = [cell_named(name) for name, count in lacking.items() for _ in range(count)]
        rng_for(self.seed, "further", self._made).shuffle(cells)
        while cells and self._made < len(self._personas):
            method = self._methods.deal()
            most = self.config.moments[1] if method == "mads" else CONCISE_MOMENTS[1]
            yield self._plan(method, cells[:most])
            cells = cells[most:]

    def _plan(self, method: Method, cells: list[Cell]) -> Plan:
        plan_id = f"s{self.seed}-{self._made:05d}"
        persona = self._personas[self._made]
        self._made += 1
        rng = rng_for(plan_id)
        theme, fit = self._pairer.choose(persona, plan_id, "theme")
        people = _draw_people(persona, 2 * len(cells) + 1, plan_id)
        client = people.pop()
        order = rng.sample(cells, len(cells))
        moments = []
        for number, cell in enumerate(order):
            subject = client if rng.random() < SELF_SHARE else people.pop()
            moments.append(self._moment(f"{plan_id}-m{number}", cell, subject, people.pop()))
        attributes = draw_attributes(persona, theme, tuple(moments), plan_id)
        risky = (
            theme.care == "self-harm" and method == "mads" and len(cells) <= MAX_MOMENTS and rng.random() < RISK_SHARE
        )
        return Plan(
            id=plan_id,
            seed=derive_seed(plan_id, "ask"),
            method=method,
            persona=persona,
            theme=theme,
            fit=fit.reasons,
            client=client,
            attributes=attributes,
            arc=arc_of(attributes),
            risk_turn=rng.randint(*RISK_TURNS) if risky else 0,
            moments=tuple(moments),
        )

    def _moment(self, moment_id: str, cell: Cell, subject: Person, other: Person) -> Moment:
        taxonomy, rng = load_taxonomy(), rng_for(moment_id)
        name, question_type = cell
        aim, variant = self.dealer.deal_aim(cell)
        narration = rng.choices(list(NARRATIONS), list(NARRATIONS.values()))[0]
        if question_type:
            return Moment(
                id=moment_id, task="EA", category=name, question_type=question_type, aim=aim,
                appraisal=taxonomy.ea.needs[aim].calls,
                build=f"the one detail that makes this the right answer; {taxonomy.ea.needs[aim].others_fall_short}",
                misreadings=_describe(rng.sample(taxonomy.ea.misreadings, MISREADINGS)),
                narration=narration, variant=variant, subject=subject, other=other,
            )  # fmt: skip
        sub = taxonomy.sub_categories[name]
        first = split_label(aim)[0]
        return Moment(
            id=moment_id, task="EU", category=taxonomy.coarse_of(name), sub_category=name, aim=aim,
            appraisal=describe_appraisal(aim), build=f"{sub.build}; {sub.knows}",
            before=taxonomy.emotions[first].opposite if name == "emotion_transition" else "",
            misreadings=_describe(rng.sample(sub.misreadings, MISREADINGS)),
            narration=narration, variant=variant, subject=subject, other=other,
        )  # fmt: skip


def make_plans(config: PlanConfig, seed: int) -> Iterator[Plan]:
    """Yield the plans of a recipe's first round; raises as `Planner` does."""
    return Planner(config, seed).first_round()


def describe_appraisal(label: str) -> str:
    """Say why an emotion, or each emotion of a pair, is felt, with the dimensions of the appraisal."""
    return "; and at once: ".join(
        f"{emotion.appraisal} (event {emotion.event}; expectation {emotion.expectation}; caused by {emotion.cause}; "
        f"standards {emotion.standards})"
        for emotion in (load_taxonomy().emotions[name] for name in split_label(label))
    )


def _describe(names: list[str]) -> tuple[str, ...]:
    return tuple(load_taxonomy().misreadings[name] for name in names)


def _method_cards(method: Method | dict[Method, float]) -> list[Method]:
    shares = method if isinstance(method, dict) else {method: 1.0}
    total = sum(shares.values())
    counts = {method: round(100 * share / total) for method, share in shares.items()}
    return [method for method, count in counts.items() for _ in range(count // gcd(*counts.values()))]


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
