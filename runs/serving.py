"""The models of a stage, opened with ledger, kept answers, and prompt formats; and what their errors mean for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dspy
from rich.console import Console

from corpus.errors import EmoReasonError, LimitError, TeacherError
from corpus.text import reason_of
from lms.build import Models
from lms.cache import use_cache
from lms.faults import classify
from lms.gate import Announce
from lms.ledger import Ledger, LimitReached
from lms.spec import TRANSFORMERS, ModelSpec
from runs.folder import Run
from runs.formats import adapters_of

# What the recipe got wrong, and what may be the fault of one unit once another was finished.
FATAL = (dspy.LMAuthError, dspy.LMBillingError, dspy.LMConfigurationError, dspy.LMUnsupportedModelError,
         dspy.LMUnsupportedFeatureError)  # fmt: skip
FATAL_AT_FIRST = (dspy.LMInvalidRequestError,)
MAX_UNREACHED = 8  # units in a row without a usable model before the stage gives up


@contextmanager
def serve(
    specs: Mapping[str, ModelSpec],
    ledger: Ledger,
    concurrency: int,
    announce: Announce,
    cache: Path | None,
    shared: bool = True,
    cached_scripted: bool = False,
) -> Iterator[Models]:
    """Yield the models of some roles, set in DSPy's context, with answers kept in the folder ``cache`` if there is one.

    Args:
        shared: whether other processes may use the folder at the same time.
        cached_scripted: whether the scripted teacher's answers are kept too.

    Raises:
        TeacherError, ModelError, RecipeError: see `lms.build.Models`.
    """
    with (
        Models(specs, ledger, concurrency, cache is not None, cached_scripted, announce) as models,
        use_cache(cache if models.keep_answers else None, shared),
        dspy.context(lm=next(iter(models.lms.values())), roles=models.lms, adapters=adapters_of(specs)),
    ):
        yield models


@contextmanager
def open_models(run: Run, stage: str, specs: Mapping[str, ModelSpec], console: Console) -> Iterator[Models]:
    """Yield the models of a stage as `serve` does; what they cost is written into the manifest at the end."""
    recipe, cache = run.recipe, run.cache_path
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(stage, run.calls_path, recipe.limits))
        stack.callback(lambda: run.note(spending=ledger.as_json()))
        announce = announce_on(console, stage)
        models = stack.enter_context(
            serve(specs, ledger, recipe.generate.concurrency, announce, cache, shared=cache != run.path)
        )
        named = recipe.lms.keys() | recipe.panel.keys()
        digests = {role: digest for role, digest in models.weights.items() if digest and role in named}
        run.note(weights=run.manifest.get("weights", {}) | digests)
        yield models


def announce_on(console: Console, stage: str) -> Announce:
    """Return what prints a line that the user should see now."""

    def announce(line: str) -> None:
        console.print(f"{stage}: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    return announce


def share_one_core(models: Models) -> bool:
    """Whether the units of these models compute in Python alone: torch wants all cores."""
    return all(spec.provider != TRANSFORMERS for spec in models.specs.values())


class Reach:
    """Tells a model that cannot be used from one bad unit of work.

    Args:
        role: the word for the model in messages.
    """

    def __init__(self, role: str):
        self.role = role
        self._in_a_row = 0

    def raise_if_fatal(self, error: dspy.LMError, at_first: bool) -> None:
        """Raise what no further call would mend; until a unit was finished, a refused call is the recipe's fault.

        Raises:
            LimitError: a limit of the recipe is reached.
            TeacherError: the model refuses every call.
        """
        if fatal := explain_fatal(self.role, error, at_first):
            raise fatal from error

    def count(self, problem: str) -> None:
        """Take in how a unit ended: with an empty string, or with what kept the model from being reached.

        Raises:
            TeacherError: eight units in a row could not reach it.
        """
        self._in_a_row = self._in_a_row + 1 if problem else 0
        if self._in_a_row >= MAX_UNREACHED:
            raise TeacherError(
                f"{problem}; {MAX_UNREACHED} units of work in a row failed so. "
                f"What was finished is kept: mend the {self.role} and run the same command again"
            )


def explain_fatal(role: str, error: dspy.LMError, at_first: bool) -> EmoReasonError | None:
    """Return the reason to stop at once that an error is, or None; see `Reach.raise_if_fatal`."""
    cause = error.__cause__
    if isinstance(cause, EmoReasonError):
        return cause
    if isinstance(cause, LimitReached):
        return LimitError(
            f"stopped: {cause.message}; what was finished and all answers are kept: "
            "raise the limit and run the same command to go on"
        )
    if isinstance(error, FATAL) or (isinstance(error, FATAL_AT_FIRST) and at_first):
        return TeacherError(f"{role} {reason_of(error)}")
    return None


def short_reason(role: str, error: dspy.LMError) -> str:
    """Return a short reason that can be counted; the error's own words may hold an address."""
    return f"{role}: {classify(error).reason}"
