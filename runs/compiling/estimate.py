"""What a compilation will cost, said before its first call, and how many cases an optimizer may try for it.

The figures follow from the recipe alone, so that a compilation that goes on after a kill is the same one.  They allow
for a few repeated answers; a step that looks again at what seemed at fault, or a longer session, costs more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from corpus.errors import RecipeError
from optimizers.config import Kind, OptimizerName
from optimizers.strategies import STRATEGIES, Sizes
from programs.mads import FIRST_LOOK, LOOK_EVERY
from runs.compiling.cases import sessions_needed
from runs.recipe import Recipe

REPEATS = 1.1  # asks per accepted answer
CONCISE_CALLS = 2
REVIEWS = 2.4  # looks of the judge at an item and its explanation, with those that confirm a fault
SESSION_REVIEWS = 2.0  # of the judge at a session
RESERVE = 1.25  # of the final comparison, for demonstrations that lead to longer or to more answers


@dataclass(frozen=True)
class Line:
    """One step of a compilation: how many cases or sessions, and about how many calls."""

    step: str
    cases: int
    calls: int


@dataclass(frozen=True)
class Estimate:
    """The steps of a compilation, and the metric calls that are left for its optimizers."""

    lines: tuple[Line, ...]
    metric_calls: int

    @property
    def calls(self) -> int:
        """About how many calls in all."""
        return sum(line.calls for line in self.lines)

    @property
    def reserve(self) -> int:
        """Calls that the search leaves for the final comparison."""
        return int(RESERVE * self.lines[-1].calls)


def calls_per_case(recipe: Recipe, kind: Kind) -> float:
    """Return about how many calls one case takes, the judge's included."""
    compile_ = recipe.compile
    if kind == "exam":
        return 1.0
    if kind == "items":
        return REPEATS + compile_.judge * (REVIEWS + compile_.votes)
    return _calls_per_session(recipe) + compile_.judge * SESSION_REVIEWS


def estimate(recipe: Recipe, kind: Kind, chain: Sequence[OptimizerName], sizes: Sizes) -> Estimate:
    """Fit the optimizers of a chain to the recipe's budget and say what all steps cost.

    Raises:
        RecipeError: the budget does not leave enough for one of them.
    """
    compile_, each = recipe.compile, calls_per_case(recipe, kind)
    lines = []
    if kind == "items":
        sessions = sessions_needed(recipe)
        lines.append(Line("sessions to write items from", sessions, round(sessions * _calls_per_session(recipe))))
    lines.append(Line("uncompiled program, final cases", compile_.final, round(compile_.final * each)))
    lines.append(Line("uncompiled program, development cases", compile_.dev, round(compile_.dev * each)))
    last = Line("compiled program, final cases", compile_.final, round(compile_.final * each))
    allowed, steps = compile_.metric_calls, _plan_steps(chain, sizes, compile_.metric_calls, each)
    if (budget := compile_.budget.calls) is not None:
        left = budget - ceil(sum(line.calls for line in lines) + RESERVE * last.calls)
        if left < each:
            raise RecipeError(
                f"compile.budget.calls: {budget:,} is too little for a search: all else takes about "
                f"{budget - left:,}; raise it, or lower compile.final"
            )
        while (over := sum(line.calls for line in steps) - left) > 0:
            allowed -= max(1, int(over / (each + 1)))  # + 1: proposals, of which no case brings more
            steps = _plan_steps(chain, sizes, allowed, each)
    return Estimate((*lines, *steps, last), allowed)


def _plan_steps(chain: Sequence[OptimizerName], sizes: Sizes, allowed: int, each: float) -> list[Line]:
    fits = {name: STRATEGIES[name].fit(sizes, allowed // len(chain)) for name in chain}
    return [Line(name, fits[name].cases, round(fits[name].cases * each) + fits[name].proposals) for name in chain]


def _calls_per_session(recipe: Recipe) -> float:
    method = recipe.plan.method
    shares = method if isinstance(method, dict) else {method: 1.0}
    turns = max(FIRST_LOOK, recipe.plan.moments[1])
    looks = 1 + (turns - FIRST_LOOK) // LOOK_EVERY
    calls = {"mads": 1 + 2 * turns + looks, "concise": CONCISE_CALLS}
    return REPEATS * sum(share * calls[name] for name, share in shares.items()) / sum(shares.values())
