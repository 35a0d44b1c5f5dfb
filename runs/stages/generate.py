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

from corpus.errors import RunError, TeacherError
from corpus.plans import Planner
from corpus.quotas import find_lacking, shares_of
from corpus.records import Draft, Method, Plan, Session
from corpus.text import reason_of
from lms.build import build_lm
from programs.asking import AskFailed
from programs.concise import ConciseSession
from programs.converter import ItemConverter
from programs.mads import TherapySession
from runs.folder import Run
from runs.generation_display import show_generation
from runs.journal import Journal
from runs.pool import run_units
from runs.tally import Tally
from signatures.chat_adapter import ChatAdapter

FATAL = (
    dspy.LMAuthError,
    dspy.LMNotConfiguredError,
    dspy.LMUnsupportedModelError,
    dspy.ContextWindowExceededError,
    dspy.LMInvalidRequestError,
)
MAX_UNREACHED = 8  # sessions in a row without a usable teacher before the stage gives up
FURTHER_ROUNDS = 3
_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)


@dataclass(frozen=True)
class Outcome:
    """Why a planned session failed, if it did."""

    reason: str = ""
    unreached: bool = False


def generate(run: Run, console: Console) -> dict[str, Any]:
    """Bring every plan to a session and its drafts; finished ones are kept, failed ones are tried again.

    Raises:
        TeacherError: the teacher refuses every call, or cannot be reached for eight sessions in a row.
        RunError: not one session could be finished.
    """
    tally = Tally(run.recipe.curate)
    planner = Planner(run.recipe.plan, run.recipe.seed)
    with (
        Journal(run.journal_path("sessions")) as sessions,
        Journal(run.journal_path("drafts")) as drafts,
        ExitStack() as stack,
    ):
        tally.read(sessions, drafts)
        worker = _Worker(run, sessions, drafts, tally, stack)
        plans = list(planner.first_round())
        planned: list[Plan] = []
        for number in range(1 + FURTHER_ROUNDS):
            name = f"generate, round {number + 1}" if number else "generate"
            _hold(name, plans, worker, run.recipe.generate.concurrency, console)
            planned += plans
            shares = shares_of(Counter(moment.cell for plan in planned for moment in plan.moments))
            lacking = find_lacking(tally.sound(plan.id for plan in planned), shares)
            if sum(lacking.values()) < run.recipe.plan.moments[0]:  # less than one session would bring
                break
            if not (plans := list(planner.further_round(lacking))):
                break
            cells = ", ".join(f"{cell} {count}" for cell, count in lacking.items())
            console.print(f"generate: {len(plans)} sessions more for what is lacking: {cells}", soft_wrap=True)
    summary = tally.summary()
    if not summary["sessions"]:
        reason, count = tally.failures.most_common(1)[0]
        failed = sum(summary["failed_sessions"].values())
        raise RunError(f"generate: none of {failed} sessions could be finished; {count} times: {reason}")
    return summary


def _hold(name: str, plans: Sequence[Plan], worker: _Worker, concurrency: int, console: Console) -> None:
    """Take the plans of one round through session and conversion."""
    todo = [plan for plan in plans if not worker.tally.converted(plan.id)]
    done = len(plans) - len(todo)
    if done:
        console.print(f"{name}: {done} of {len(plans)} sessions are done, going on")
    unreached = 0
    with show_generation(console, name, worker.tally, done, len(plans)) as show:
        for count, outcome in enumerate(run_units(todo, worker.run, concurrency), done + 1):
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

    def __init__(self, run: Run, sessions: Journal, drafts: Journal, tally: Tally, stack: ExitStack):
        self.sessions, self.drafts, self.tally = sessions, drafts, tally
        self.held = {
            row["id"]: row["session"] for row in sessions.rows() if row["ok"] and not tally.converted(row["id"])
        }
        self.roles = {role: build_lm(spec) for role, spec in run.recipe.lms.items()}
        self.names = {role: spec.identity for role, spec in run.recipe.lms.items()}
        stack.enter_context(dspy.context(lm=self.roles["teacher"], roles=self.roles, adapter=ChatAdapter()))
        self.methods: dict[Method, dspy.Module] = {"mads": TherapySession(), "concise": ConciseSession()}
        self.convert = ItemConverter()

    def run(self, plan: Plan) -> Outcome:
        with dspy.context(trace=[], disable_history=True):
            try:
                session = self._session(plan)
                with dspy.track_usage() as usage:
                    written = self.convert(session=session)
            except FATAL as error:
                raise TeacherError(f"teacher {self.names['teacher']}: {reason_of(error)}") from error
            except dspy.LMError as error:
                return self._fail(plan, f"teacher {self.names['teacher']}: {reason_of(error)}", unreached=True)
            except AskFailed as error:
                return self._fail(plan, error.reason)
        teacher = self.names.get("converter", self.names["teacher"])
        drafts = [d.model_copy(update={"teacher": teacher}).model_dump(mode="json") for d in written.drafts]
        row = {"id": plan.id, **_cost(written, usage), "failures": written.failures, "drafts": drafts}
        self.drafts.append(row)
        self.tally.add_drafts(row)
        return Outcome()

    def _session(self, plan: Plan) -> Session:
        """Hold the session, or take the one that was held before a kill."""
        if plan.id in self.held:
            return Session.model_validate(self.held.pop(plan.id))
        with dspy.track_usage() as usage:
            prediction = self.methods[plan.method](plan=plan)
        session: Session = prediction.session
        row = {"id": plan.id, "ok": True, **_cost(prediction, usage), "session": session.model_dump(mode="json")}
        self.sessions.append(row)
        self.tally.add_session(row)
        return session

    def _fail(self, plan: Plan, reason: str, unreached: bool = False) -> Outcome:
        if not self.tally.held(plan.id):  # a session that was held stays, though its conversion failed
            row = {"id": plan.id, "ok": False, "reason": reason, "calls": 0, "retries": 0}
            self.sessions.append(row)
            self.tally.add_session(row)
        return Outcome(reason=reason, unreached=unreached)


def _cost(prediction: dspy.Prediction, usage: Any) -> dict[str, int]:
    totals = usage.get_total_tokens().values()
    return {
        "calls": prediction.calls,
        "retries": prediction.retries,
        "input_tokens": sum(total.get("prompt_tokens") or 0 for total in totals),
        "output_tokens": sum(total.get("completion_tokens") or 0 for total in totals),
    }
