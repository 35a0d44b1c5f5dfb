"""What the writers of a session are told of its plan."""

from __future__ import annotations

from corpus.records import Person, Plan
from corpus.safety import PLANNING


def introduce(person: Person) -> str:
    """Name a person with pronouns, as the roles receive it."""
    return f"{person.name} ({person.pronouns})"


def care_for(plan: Plan) -> str:
    """Say what a theme asks the writers to be careful about."""
    return PLANNING.get(plan.theme.care, "nothing in particular")


def brief_moments(plan: Plan) -> str:
    """All planned moments, as blocks of ``key: value`` lines."""
    return "\n\n".join(moment.brief() for moment in plan.moments)


def brief_case(plan: Plan) -> dict[str, str]:
    """The input fields of both background writers."""
    return {
        "persona": plan.persona.persona,
        "client": introduce(plan.client),
        "theme": f"{plan.theme.theme}. {plan.theme.description}",
        "attributes": plan.attributes.brief(),
        "moments": brief_moments(plan),
        "care": care_for(plan),
    }
