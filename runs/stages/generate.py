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
        shares = shares_of(Counter(moment.cell for plan in plans for moment in plan.moments))
        planned: list[str] = []
        for number in range(1 + FURTHER_ROUNDS):
            name = f"generate, round {number + 1}" if number else "generate"
            _hold(name, plans, worker, run.recipe.generate.concurrency, console)
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
        # The asker itself asks again when an answer cannot be read, and counts the calls.
        adapter = ChatAdapter(use_json_adapter_fallback=False)
        stack.enter_context(dspy.context(lm=self.roles["teacher"], roles=self.roles, adapter=adapter))
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
                return self._unreached(plan, f"teacher {self.names['teacher']}: {reason_of(error)}")
            except AskFailed as error:
                return Outcome(error.reason)
        teacher = self.names.get("converter", self.names["teacher"])
        drafts = [d.model_copy(update={"teacher": teacher}).model_dump(mode="json") for d in written.drafts]
        self._add_drafts({"id": plan.id, **_cost(written, usage), "failures": written.failures, "drafts": drafts})
        return Outcome()

    def _session(self, plan: Plan) -> Session:
        """Hold the session, or take the one that was held before a kill; raises AskFailed once it is journalled."""
        if plan.id in self.held:
            return Session.model_validate(self.held.pop(plan.id))
        with dspy.track_usage() as usage:
            try:
                prediction = self.methods[plan.method](plan=plan)
            except AskFailed as error:
                self._add_session({"id": plan.id, "ok": False, "reason": error.reason, **_cost(error, usage)})
                raise
        session: Session = prediction.session
        self._add_session(
            {"id": plan.id, "ok": True, **_cost(prediction, usage), "session": session.model_dump(mode="json")}
        )
        return session

    def _unreached(self, plan: Plan, reason: str) -> Outcome:
        """Note a teacher that did not answer; a session that was held stays, and only its conversion is lost."""
        if self.tally.held(plan.id):
            moments = {moment.id: reason for moment in plan.moments}
            self._add_drafts({"id": plan.id, "ok": False, "failures": moments, "drafts": []})
        else:
            self._add_session({"id": plan.id, "ok": False, "reason": reason})
        return Outcome(reason, unreached=True)

    def _add_session(self, row: dict[str, Any]) -> None:
        self.sessions.append(row)
        self.tally.add_session(row)

    def _add_drafts(self, row: dict[str, Any]) -> None:
        self.drafts.append(row)
        self.tally.add_drafts(row)


def _cost(counted: dspy.Prediction | AskFailed, usage: Any) -> dict[str, int]:
    totals = usage.get_total_tokens().values()
    return {
        "calls": counted.calls,
        "retries": counted.retries,
        "input_tokens": sum(total.get("prompt_tokens") or 0 for total in totals),
        "output_tokens": sum(total.get("completion_tokens") or 0 for total in totals),
    }
