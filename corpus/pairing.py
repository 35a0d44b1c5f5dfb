"""Which personas are used, and which theme fits a persona."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from corpus.errors import RecipeError
from corpus.jsonl import iter_records
from corpus.records import Persona, Theme
from corpus.seeds import rng_for

KEYWORD_WEIGHT = 3.0


def sample_personas(path: Path | None, sessions: int, uses: int, seed: int) -> list[Persona]:
    """Return one persona per session, each new persona before any is used again.

    The file is read once as a stream; memory holds at most ``sessions`` personas (reservoir sampling,
    Vitter 1985, algorithm R), so a file of any size will do.

    Raises:
        RecipeError: the file has too few personas for ``sessions`` at ``uses`` uses each.
        DataError: the file is unreadable or malformed.
    """
    source = path or files("corpus").joinpath("data/personas.jsonl")
    rng, pool, seen = rng_for(seed, "personas"), list[Persona](), 0
    for persona in iter_records(source, Persona):
        seen += 1
        if len(pool) < sessions:
            pool.append(persona)
        elif (slot := rng.randrange(seen)) < sessions:
            pool[slot] = persona
    if seen * uses < sessions:
        raise RecipeError(
            f"plan.sessions is {sessions}, but {source} has {seen} personas at {uses} uses each "
            f"(plan.persona_uses); lower plan.sessions to {seen * uses} or raise plan.persona_uses"
        )
    chosen: list[Persona] = []
    while len(chosen) < sessions:
        rng.shuffle(pool)
        chosen += pool
    return chosen[:sessions]


def load_themes(path: Path | None) -> list[Theme]:
    """Read the themes of a recipe, or the packaged ones; raises DataError."""
    return list(iter_records(path or files("corpus").joinpath("data/themes.jsonl"), Theme))


def why_unfit(persona: Persona, theme: Theme) -> str:
    """Say why a theme does not fit a persona, or return an empty string when it does."""
    low, high = theme.age_relevance
    if persona.age is not None and not low <= persona.age <= high:
        return f"theme {theme.theme!r} is for ages {low}-{high}, the persona is {persona.age}"
    return ""


def choose_theme(persona: Persona, themes: list[Theme], *key: object) -> Theme:
    """Draw a fitting theme; one whose keywords occur in the persona is three times as likely per keyword.

    Raises:
        RecipeError: no theme fits the persona.
    """
    fitting = [theme for theme in themes if not why_unfit(persona, theme)]
    if not fitting:
        raise RecipeError(f"plan.themes: no theme fits a persona aged {persona.age}; widen an age_relevance")
    about = f"{persona.persona} {persona.occupation} {persona.relationship}".lower()
    weights = [KEYWORD_WEIGHT ** min(2, sum(word in about for word in theme.keywords)) for theme in fitting]
    return rng_for(*key).choices(fitting, weights)[0]
