"""Stage 1: plans → sessions → drafts, concurrently, each finished session and conversion a journal row.

When sessions or items failed, further rounds plan again what the short categories lack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import dspy
from pydantic import TypeAdapter
from rich.console import Console

from corpus.errors import EmoReasonError, LimitError, RunError, TeacherError
from corpus.plans import Planner
from corpus.quotas import find_lacking, shares_of
from corpus.records import Draft, Method, Plan, Session
from corpus.text import reason_of
from lms.build import Models
from lms.cache import use_cache
from lms.faults import classify
from lms.ledger import Ledger, LimitReached
from lms.spec import TRANSFORMERS
from programs.asking import AskFailed
from programs.concise import ConciseSession
from programs.converter import ItemConverter
from programs.mads import TherapySession
from runs.folder import Run
from runs.formats import adapters_of
from runs.generation_display import show_generation
from runs.journal import Journal
from runs.pool import run_units
from runs.tally import Tally

# What the recipe got wrong, and what may be the fault of one item once a session was finished.
FATAL = (dspy.LMAuthError, dspy.LMBillingError, dspy.LMConfigurationError, dspy.LMUnsupportedModelError,
         dspy.LMUnsupportedFeatureError)  # fmt: skip
FATAL_AT_FIRST = (dspy.LMInvalidRequestError,)
MAX_UNREACHED = 8  # sessions in a row without a usable teacher before the stage gives up
FURTHER_ROUNDS = 3
LEAST = 6  # moments: less than a session would bring is not planned again
_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)


@dataclass(frozen=True)
class Outcome:
    """Why a planned session failed, if it did."""

    reason: str = ""
    unreached: bool = False


def generate(run: Run, console: Console) -> dict[str, Any]:
    """Bring every plan to a session and its drafts; finished ones are kept, failed ones are tried again.

    Raises:
        TeacherError: the teacher is not there, refuses every call, or cannot be reached for eight sessions in a row.
        LimitError: a limit of the recipe is reached.
        RunError: not one session could be finished.
    """
    recipe = run.recipe
    tally = Tally(recipe.curate)
    planner = Planner(recipe.plan, recipe.seed)

    def announce(line: str) -> None:
        console.print(f"generate: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)

    with ExitStack() as stack:
        sessions = stack.enter_context(Journal(run.journal_path("sessions")))
        drafts = stack.enter_context(Journal(run.journal_path("drafts")))
        tally.read(sessions, drafts)
        ledger = stack.enter_context(Ledger("generate", run.calls_path, recipe.limits))
        stack.callback(lambda: run.note(spending=ledger.as_json()))
        models = stack.enter_context(
            Models(
                recipe.roles, ledger, recipe.generate.concurrency, cached=run.cache_path is not None, announce=announce
            )
        )
        kept = run.cache_path if models.keep_answers else None
        stack.enter_context(use_cache(kept, shared=kept != run.path))
        run.note(weights={role: models.weights[role] for role in recipe.lms if models.weights[role]})
        worker = _Worker(run, sessions, drafts, tally, models, stack)
        plans = list(planner.first_round())
        shares = shares_of(Counter(moment.cell for plan in plans for moment in plan.moments))
        planned: list[str] = []
        for number in range(1 + FURTHER_ROUNDS):
            name = f"generate, round {number + 1}" if number else "generate"
            _hold(name, plans, worker, recipe.generate.concurrency, console)
            planned += [plan.id for plan in plans]
            lacking = find_lacking(tally.sound(planned), shares)
            if number == FURTHER_ROUNDS or sum(lacking.values()) < LEAST:
                break
            if not (plans := list(planner.further_round(lacking))):
                break
            cells = ", ".join(f"{cell} {count}" for cell, count in lacking.items())
            console.print(f"generate: {len(plans)} sessions more for what is lacking: {cells}", soft_wrap=True)
    summary = tally.summary()
    if not summary["sessions"]:
        reason, count = tally.failures.most_common(1)[0]
        failed = sum(summary["failed_sessions"].values())
        advice = "; `emoreason doctor` looks at the models" if reason.startswith("teacher:") else ""
        raise RunError(f"generate: none of {failed} sessions could be finished; {count} times: {reason}{advice}")
    return summary | {"spent": ledger.total.as_json()}


def _hold(name: str, plans: Sequence[Plan], worker: _Worker, concurrency: int, console: Console) -> None:
    """Take the plans of one round through session and conversion."""
    todo = [plan for plan in plans if not worker.tally.converted(plan.id)]
    done = len(plans) - len(todo)
    if done:
        console.print(f"{name}: {done} of {len(plans)} sessions are done, going on")
    unreached = 0
    models = worker.models
    one_core = all(spec.provider != TRANSFORMERS for spec in models.specs.values())  # torch wants them all
    with show_generation(console, name, worker.tally, models, done, len(plans)) as show:
        for count, outcome in enumerate(run_units(todo, worker.run, concurrency, models.stop, one_core), done + 1):
            show(count)
            unreached = unreached + 1 if outcome.unreached else 0
            if unreached >= MAX_UNREACHED:
                raise TeacherError(
                    f"{outcome.reason}; {MAX_UNREACHED} sessions in a row failed so. "
                    "Finished sessions are kept: mend the teacher and run the same command again"
                )


def read_sessions(run: Run) -> Iterator[Session]:
    """Yield the finished sessions of a run in journal order."""
    for row in Journal(run.journal_path("sessions")).latest().values():
        if row["ok"]:
            yield Session.model_validate(row["session"])


def read_drafts(run: Run) -> Iterator[Draft]:
    """Yield the drafts of a run in journal order."""
    for row in Journal(run.journal_path("drafts")).latest().values():
        for draft in row["drafts"]:
            yield _DRAFT.validate_python(draft)


class _Worker:
    """Takes one plan through session and conversion, journalling each."""

    def __init__(self, run: Run, sessions: Journal, drafts: Journal, tally: Tally, models: Models, stack: ExitStack):
        self.sessions, self.drafts, self.tally, self.models = sessions, drafts, tally, models
        self.held = {
            row["id"]: row["session"] for row in sessions.rows() if row["ok"] and not tally.converted(row["id"])
        }
        specs = run.recipe.roles
        self.teacher, self.converter = specs["teacher"].identity, specs["converter"].identity
        adapters = adapters_of(run.recipe)
        stack.enter_context(dspy.context(lm=models.lms["teacher"], roles=models.lms, adapters=adapters))
        self.methods: dict[Method, dspy.Module] = {"mads": TherapySession(), "concise": ConciseSession()}
        self.convert = ItemConverter()

    def run(self, plan: Plan) -> Outcome:
        with dspy.context(trace=[], disable_history=True):
            try:
                session = self._session(plan)
                written = self.convert(session=session)
            except AskFailed as error:
                return Outcome(error.reason)
            except dspy.LMError as error:
                self._raise_if_fatal(error)
                return self._unreached(plan, error)
        drafts = [d.model_copy(update={"teacher": self.converter}).model_dump(mode="json") for d in written.drafts]
        self._add_drafts({"id": plan.id, **_costs(written), "failures": written.failures, "drafts": drafts})
        return Outcome()

    def _session(self, plan: Plan) -> Session:
        """Hold the session, or take the one that was held before a kill; raises AskFailed once it is journalled."""
        if plan.id in self.held:
            return Session.model_validate(self.held.pop(plan.id))
        try:
            prediction = self.methods[plan.method](plan=plan)
        except AskFailed as error:
            self._add_session({"id": plan.id, "ok": False, "reason": error.reason, **error.costs})
            raise
        session: Session = prediction.session
        self._add_session({"id": plan.id, "ok": True, **_costs(prediction), "session": session.model_dump(mode="json")})
        return session

    def _raise_if_fatal(self, error: dspy.LMError) -> None:
        """Raise what no further call would mend; until a session was finished, a refused call is the recipe's fault."""
        cause = error.__cause__
        if isinstance(cause, EmoReasonError):
            raise cause
        if isinstance(cause, LimitReached):
            raise LimitError(
                f"stopped: {cause.message}; finished sessions and answers are kept: "
                "raise the limit and run the same command to go on"
            ) from error
        if isinstance(error, FATAL) or (isinstance(error, FATAL_AT_FIRST) and self.tally.is_empty):
            raise TeacherError(f"teacher {reason_of(error)}") from error

    def _unreached(self, plan: Plan, error: dspy.LMError) -> Outcome:
        """Note a teacher that did not answer; a session that was held stays, and only its conversion is lost."""
        reason = f"teacher: {classify(error).reason}"  # the error's own words may hold an address
        if self.tally.held(plan.id):
            moments = {moment.id: reason for moment in plan.moments}
            self._add_drafts({"id": plan.id, "ok": False, "failures": moments, "drafts": []})
        else:
            self._add_session({"id": plan.id, "ok": False, "reason": reason})
        return Outcome(f"teacher {reason_of(error)}", unreached=True)

    def _add_session(self, row: dict[str, Any]) -> None:
        self.sessions.append(row)
        self.tally.add_session(row)

    def _add_drafts(self, row: dict[str, Any]) -> None:
        self.drafts.append(row)
        self.tally.add_drafts(row)


def _costs(prediction: dspy.Prediction) -> dict[str, Any]:
    return {name: prediction[name] for name in ("calls", "retries", "complaints")}
