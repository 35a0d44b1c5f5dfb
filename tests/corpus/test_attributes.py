from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.attributes import Draw, arc_of, draw_attributes, load_attributes
from corpus.config import PlanConfig
from corpus.pairing import load_themes, sample_personas
from corpus.plans import make_plans
from corpus.records import Attributes, Persona, Plan, Theme
from corpus.taxonomy import load_taxonomy

TABLES, TAXONOMY = load_attributes(), load_taxonomy()
PERSONAS, THEMES = sample_personas(None, 252, 1, seed=0), load_themes(None)
GIVEN = {  # what is known before the first draw
    "theme": sorted({theme.category for theme in THEMES}),
    "status": sorted({persona.relationship for persona in PERSONAS}),
    "disposition": sorted({persona.disposition for persona in PERSONAS}),
}
DRAWS = [pytest.param(name, draw, id=name) for name, draw in TABLES.draws.items()]


def known_values(name: str) -> list[str]:
    """What a condition can be; a persona or theme of one's own may bring anything."""
    return [*GIVEN[name], "something else"] if name in GIVEN else list(TABLES.draws[name].values)


def combinations_for(draw: Draw) -> Iterator[dict[str, str]]:
    """Every combination of the conditions that a draw looks at."""
    for values in product(*(known_values(condition) for condition in draw.given)):
        yield dict(zip(draw.given, values, strict=True))


def attributes_for(theme: str, status: str, disposition: str, key: object) -> Attributes:
    return draw_attributes(
        Persona(persona="x", relationship=status, disposition=disposition),
        Theme(category=theme, theme="t", description="d"),
        (),
        key,
    )


@pytest.fixture(scope="module")
def drawn() -> list[tuple[dict[str, str], Attributes]]:
    """What was given, and the attributes drawn from it."""
    cases = product(GIVEN["theme"], GIVEN["status"], GIVEN["disposition"], range(8))
    return [
        ({"theme": t, "status": s, "disposition": d}, attributes_for(t, s, d, (t, s, d, n))) for t, s, d, n in cases
    ]


@pytest.fixture(scope="module")
def many() -> list[Plan]:
    return list(make_plans(PlanConfig(sessions=300), seed=2))


@pytest.mark.parametrize(("name", "draw"), DRAWS)
def test_every_combination_of_known_conditions_leaves_a_positive_weight(name: str, draw: Draw) -> None:
    for known in combinations_for(draw):
        weights = draw.weights(known)
        assert len(weights) == len(draw.values)
        assert min(weights) >= 0, (name, known)
        assert max(weights) > 0, (name, known)


@pytest.mark.parametrize(("name", "draw"), DRAWS)
def test_tables_speak_of_known_conditions_and_values_only(name: str, draw: Draw) -> None:
    earlier = list(TABLES.draws)[: list(TABLES.draws).index(name)]
    assert len(set(draw.values)) == len(draw.values) >= 2
    for condition, table in draw.given.items():
        assert condition in {*GIVEN, *earlier}
        assert table.keys() <= set(known_values(condition))
        for weights in table.values():
            assert weights.keys() <= set(draw.values)


def test_a_weight_is_the_product_of_what_the_tables_say_and_1_where_they_are_silent() -> None:
    draw = Draw(values=("a", "b", "c"), given={"x": {"one": {"a": 2.0, "b": 0.0}}, "y": {"two": {"a": 3.0, "c": 0.5}}})
    assert draw.weights({"x": "one", "y": "two"}) == [6, 0, 0.5]
    assert draw.weights({"x": "one"}) == [2, 0, 1]
    assert draw.weights({"x": "two", "y": "one"}) == [1, 1, 1]


def test_every_category_of_theme_and_every_disposition_has_its_table() -> None:
    assert TABLES.draws["conflict_domain"].given["theme"].keys() == set(GIVEN["theme"])
    assert TABLES.draws["coping"].given["disposition"].keys() == set(GIVEN["disposition"])


def test_no_pair_of_weight_0_is_ever_drawn(drawn: list[tuple[dict[str, str], Attributes]]) -> None:
    met: set[tuple[str, str, str]] = set()
    for given_values, attributes in drawn:
        known = {**given_values, **attributes.model_dump()}
        for name, draw in TABLES.draws.items():
            for condition, table in draw.given.items():
                weights = table.get(known[condition], {})
                met.update((name, condition, known[condition]) for weight in weights.values() if weight == 0)
                assert weights.get(known[name], 1.0) > 0, (name, condition, known)
    zeros = {
        (name, condition, value)
        for name, draw in TABLES.draws.items()
        for condition, table in draw.given.items()
        for value, weights in table.items()
        if 0 in weights.values()
    }
    assert met == zeros != set()  # every forbidden pair had its chance


@pytest.mark.parametrize("attribute", list(TABLES.draws))
def test_frequencies_follow_the_weights(attribute: str, drawn: list[tuple[dict[str, str], Attributes]]) -> None:
    draw, counts = TABLES.draws[attribute], Counter[str]()
    expected = dict.fromkeys(draw.values, 0.0)
    for given_values, attributes in drawn:
        known = {**given_values, **attributes.model_dump()}
        weights = draw.weights(known)
        counts[known[attribute]] += 1
        for name, weight in zip(draw.values, weights, strict=True):
            expected[name] += weight / sum(weights)
    assert counts.total() >= 4000
    for name in draw.values:
        assert abs(counts[name] - expected[name]) < 4.5 * expected[name] ** 0.5


@settings(max_examples=40, deadline=None)
@given(
    theme=st.sampled_from([*GIVEN["theme"], "own"]),
    status=st.sampled_from([*GIVEN["status"], ""]),
    disposition=st.sampled_from([*GIVEN["disposition"], ""]),
    key=st.integers(),
)
def test_any_persona_and_theme_get_attributes_and_the_same_again(
    theme: str, status: str, disposition: str, key: int
) -> None:
    one, again = (attributes_for(theme, status, disposition, key) for _ in range(2))
    assert one == again
    assert all(getattr(one, name) in draw.values for name, draw in TABLES.draws.items())


def test_two_to_four_areas_of_each_kind_are_worked_on_and_the_first_is_the_target(many: list[Plan]) -> None:
    for areas, target, known in (
        ("eu_areas", "eu_target", TABLES.eu_areas),
        ("ea_areas", "ea_target", TABLES.ea_areas),
    ):
        drawn = [getattr(plan.attributes, areas) for plan in many]
        assert {len(found) for found in drawn} == {2, 3, 4}
        assert all(set(found) <= set(known) and len(set(found)) == len(found) for found in drawn)
        assert all(getattr(plan.attributes, target) == found[0] for plan, found in zip(many, drawn, strict=True))


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_the_areas_cover_the_planned_moments(many: list[Plan], task: str) -> None:
    for plan in many:
        members = TABLES.eu_areas if task == "EU" else TABLES.ea_areas
        names = [(m.sub_category if task == "EU" else m.aim) for m in plan.moments if m.task == task]
        planned = {area for area, held in members.items() if set(held) & set(names)}
        areas = plan.attributes.eu_areas if task == "EU" else plan.attributes.ea_areas
        assert planned <= set(areas) or (set(areas) <= planned and len(areas) == 4), plan.id
        assert areas[0] in planned


def test_every_sub_category_and_every_need_belongs_to_one_area() -> None:
    for areas, known in ((TABLES.eu_areas, TAXONOMY.sub_categories), (TABLES.ea_areas, TAXONOMY.ea.needs)):
        assert sorted(name for names in areas.values() for name in names) == sorted(known)


def test_emotion_mixes_are_those_of_the_taxonomy() -> None:
    assert set(TABLES.draws["emotion_mix"].values) == set(TAXONOMY.mixes)


def test_every_way_of_coping_has_an_arc_of_all_stages_in_its_own_words() -> None:
    assert TABLES.arcs.keys() == set(TABLES.draws["coping"].values)
    assert all(tuple(arc) == TABLES.stages for arc in TABLES.arcs.values())
    said = [text for arc in TABLES.arcs.values() for text in arc.values()]
    assert len(set(said)) == len(said)


def test_an_arc_is_told_as_stage_and_what_shows(many: list[Plan]) -> None:
    attributes = many[0].attributes.model_copy(update={"coping": "venting"})
    arc = arc_of(attributes)
    assert [stage.partition(": ")[0] for stage in arc] == list(TABLES.stages)
    assert arc[0] == "guarded: is loud about what others did"
