"""The models of a stage, opened with ledger, kept answers, and prompt formats; and what their errors mean for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import dspy
from rich.console import Console

from corpus.errors import EmoReasonError, LimitError, TeacherError
from corpus.text import reason_of
from lms.build import Models
from lms.cache import use_cache
from lms.faults import classify
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
def open_models(run: Run, stage: str, specs: Mapping[str, ModelSpec], console: Console) -> Iterator[Models]:
    """Yield the models of some roles, set in DSPy's context; what they cost is written into the manifest at the end.

    Raises:
        TeacherError, ModelError, RecipeError: see `lms.build.Models`.
    """
    recipe = run.recipe

    def announce(line: str) -> None:
        console.print(f"{stage}: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(stage, run.calls_path, recipe.limits))
        stack.callback(lambda: run.note(spending=ledger.as_json()))
        models = stack.enter_context(
            Models(specs, ledger, recipe.generate.concurrency, cached=run.cache_path is not None, announce=announce)
        )
        kept = run.cache_path if models.keep_answers else None
        stack.enter_context(use_cache(kept, shared=kept != run.path))
        named = recipe.lms.keys() | recipe.panel.keys()
        digests = {role: digest for role, digest in models.weights.items() if digest and role in named}
        run.note(weights=run.manifest.get("weights", {}) | digests)
        first = next(iter(models.lms.values()))
        stack.enter_context(dspy.context(lm=first, roles=models.lms, adapters=adapters_of(specs)))
        yield models


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
        cause = error.__cause__
        if isinstance(cause, EmoReasonError):
            raise cause
        if isinstance(cause, LimitReached):
            raise LimitError(
                f"stopped: {cause.message}; what was finished and all answers are kept: "
                "raise the limit and run the same command to go on"
            ) from error
        if isinstance(error, FATAL) or (isinstance(error, FATAL_AT_FIRST) and at_first):
            raise TeacherError(f"{self.role} {reason_of(error)}") from error

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


def short_reason(role: str, error: dspy.LMError) -> str:
    """Return a short reason that can be counted; the error's own words may hold an address."""
    return f"{role}: {classify(error).reason}"
