"""Which personas are used, and which theme fits a persona."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from pathlib import Path

from corpus.errors import RecipeError
from corpus.jsonl import BadRow, Model, iter_good_records, iter_records
from corpus.records import Persona, Theme
from corpus.seeds import rng_for

SPARE = 1.5  # personas at hand per planned session, for sessions that replace what failed
KEYWORD_WEIGHT = 3.0  # a theme is so many times likelier per keyword that it shares with the persona, up to two
_NOT_EMPLOYED = re.compile(r"\b(retired|unemployed|homemaker|pensioner)\b", re.IGNORECASE)


def sample_personas(
    path: Path | None, sessions: int, uses: int, seed: int, rejected: list[BadRow] | None = None
) -> list[Persona]:
    """Return one persona per session and some to spare, each new persona before any is used again.

    The file is read once as a stream; memory holds at most SPARE × ``sessions`` personas (reservoir sampling,
    Vitter 1985, algorithm R), so a file of any size will do.

    Args:
        path: JSON Lines of personas; None for the packaged ones.
        sessions: number of sessions planned.
        uses: how often a persona may be used.
        seed: seed of the recipe.
        rejected: an empty list that takes the lines of ``path`` that are no persona; without it they are an error.

    Raises:
        RecipeError: the file has too few personas for ``sessions`` at ``uses`` uses each.
        DataError: the file is unreadable or malformed, or not one of its lines is a persona.
    """
    rng, pool, seen, most = rng_for(seed, "personas"), list[Persona](), 0, ceil(SPARE * sessions)
    for persona in _read(path, "personas.jsonl", Persona, rejected):
        seen += 1
        if len(pool) < most:
            pool.append(persona)
        elif (slot := rng.randrange(seen)) < most:
            pool[slot] = persona
    if seen * uses < sessions:
        hint = f"; unusable lines: {len(rejected)}, line {rejected[0].line}: {rejected[0].reason}" if rejected else ""
        raise RecipeError(
            f"plan.sessions is {sessions}, but {path or 'the packaged file'} has {seen} personas at {uses} uses each "
            f"(plan.persona_uses); lower plan.sessions to {seen * uses} or raise plan.persona_uses{hint}"
        )
    chosen: list[Persona] = []
    for _ in range(min(uses, ceil(most / len(pool)))):
        rng.shuffle(pool)
        chosen += pool
    return chosen


def load_themes(path: Path | None, rejected: list[BadRow] | None = None) -> list[Theme]:
    """Read the themes of a recipe, or the packaged ones; ``rejected`` and DataError as for `sample_personas`."""
    return list(_read(path, "themes.jsonl", Theme, rejected))


@dataclass(frozen=True)
class Fit:
    """Whether a theme suits a persona, how well, and why."""

    reasons: tuple[str, ...]
    weight: float

    @property
    def possible(self) -> bool:
        """False when the pair would not be believed."""
        return self.weight > 0


def judge_fit(persona: Persona, theme: Theme) -> Fit:
    """Weigh age, occupation, and shared keywords; the reasons are recorded in the plan."""
    low, high = theme.age_relevance
    if persona.age is not None and not low <= persona.age <= high:
        return Fit((f"age {persona.age} is outside the theme's {low}-{high}",), 0.0)
    if theme.category == "career" and (idle := _NOT_EMPLOYED.search(persona.occupation)):
        return Fit((f"a career theme does not suit a persona who is {idle[0].lower()}",), 0.0)
    age = f"age {persona.age} is within" if persona.age is not None else "age not given, taken to be within"
    reasons = [f"{age} the theme's {low}-{high}"]
    about = f"{persona.persona} {persona.relationship}"
    shared = [word for word in theme.keywords if _has_word(about, word)]
    trade = [word for word in theme.keywords if _has_word(persona.occupation, word)]
    if trade:
        reasons.append(f"occupation {persona.occupation!r} has the theme's {', '.join(trade)}")
    if shared := [word for word in shared if word not in trade]:
        reasons.append(f"the persona mentions the theme's {', '.join(shared)}")
    if not (trade or shared):
        reasons.append("no keyword shared; nothing speaks against the pair")
    return Fit(tuple(reasons), KEYWORD_WEIGHT ** min(2, len(trade) + len(shared)))


class Pairer:
    """Draws a fitting theme for each persona in turn: no pair twice, and themes about equally often."""

    def __init__(self, themes: list[Theme]):
        self.themes = themes
        self.uses: Counter[str] = Counter()
        self.pairs: set[tuple[str, str]] = set()

    def choose(self, persona: Persona, *key: object) -> tuple[Theme, Fit]:
        """Draw a theme; one that shares keywords is likelier, one used before is less likely.

        Raises:
            RecipeError: no theme fits the persona.
        """
        fits = [(theme, fit) for theme in self.themes if (fit := judge_fit(persona, theme)).possible]
        fresh = [(theme, fit) for theme, fit in fits if (persona.persona, theme.theme) not in self.pairs] or fits
        if not fresh:
            raise RecipeError(
                f"plan.themes: no theme fits a persona aged {persona.age} ({persona.occupation}); widen age_relevance"
            )
        weights = [fit.weight / (1 + self.uses[theme.theme]) for theme, fit in fresh]
        theme, fit = rng_for(*key).choices(fresh, weights)[0]
        self.uses[theme.theme] += 1
        self.pairs.add((persona.persona, theme.theme))
        return theme, fit


def _read(path: Path | None, packaged: str, model: type[Model], rejected: list[BadRow] | None) -> Iterator[Model]:
    """Yield the records of a user's file, or of a packaged one, which is read strictly."""
    if path is None:
        return iter_records(files("corpus").joinpath("data", packaged), model)
    return iter_records(path, model) if rejected is None else iter_good_records(path, model, rejected)


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE) is not None
