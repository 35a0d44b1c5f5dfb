"""Stage 1: plans → sessions → drafts, concurrently, each finished session and conversion a journal row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import dspy
from pydantic import TypeAdapter
from rich.console import Console

from corpus.errors import RunError, TeacherError
from corpus.plans import make_plans
from corpus.records import Draft, Plan, Session
from corpus.text import reason_of
from lms.build import build_lm
from programs.asking import AskFailed
from programs.converter import ItemConverter
from programs.session import TherapySession
from runs.folder import Run
from runs.journal import Journal
from runs.pool import run_units
from runs.progress import show_progress

FATAL = (
    dspy.LMAuthError,
    dspy.LMNotConfiguredError,
    dspy.LMUnsupportedModelError,
    dspy.ContextWindowExceededError,
    dspy.LMInvalidRequestError,
)
MAX_UNREACHED = 8  # sessions in a row without a usable teacher before the stage gives up
_DRAFT: TypeAdapter[Draft] = TypeAdapter(Draft)


@dataclass(frozen=True)
class Outcome:
    """What became of one planned session."""

    calls: int = 0
    reason: str = ""
    unreached: bool = False


def generate(run: Run, console: Console) -> dict[str, Any]:
    """Bring every plan to a session and its drafts; finished ones are kept, failed ones are tried again.

    Raises:
        TeacherError: the teacher refuses every call, or cannot be reached for eight sessions in a row.
        RunError: not one session could be finished.
    """
    plans = list(make_plans(run.recipe.plan, run.recipe.seed))
    with (
        Journal(run.journal_path("sessions")) as sessions,
        Journal(run.journal_path("drafts")) as drafts,
        ExitStack() as stack,
    ):
        worker = _Worker(run, sessions, drafts, stack)
        todo = [plan for plan in plans if plan.id not in worker.converted]
        if len(todo) < len(plans):
            console.print(f"generate: {len(plans) - len(todo)} of {len(plans)} sessions are done, going on")
        calls = failed = unreached = 0
        with show_progress(console, "generate") as update:
            results = run_units(todo, worker.run, run.recipe.generate.concurrency)
            for count, outcome in enumerate(results, len(plans) - len(todo) + 1):
                calls += outcome.calls
                failed += bool(outcome.reason)
                update(count, len(plans), f"{calls} calls, {failed} failed")
                unreached = unreached + 1 if outcome.unreached else 0
                if unreached >= MAX_UNREACHED:
                    raise TeacherError(
                        f"{outcome.reason}; {MAX_UNREACHED} sessions in a row failed so. "
                        "Finished sessions are kept: mend the teacher and run the same command again"
                    )
    return summarise(run)


def summarise(run: Run) -> dict[str, Any]:
    """Count what the journals hold; raises RunError when they hold no session at all."""
    sessions = Journal(run.journal_path("sessions")).latest()
    drafts = Journal(run.journal_path("drafts")).latest()
    failed = Counter(row["reason"] for row in sessions.values() if not row["ok"])
    if len(failed) and not any(row["ok"] for row in sessions.values()):
        reason, count = failed.most_common(1)[0]
        raise RunError(f"generate: none of {len(sessions)} sessions could be finished; {count} times: {reason}")
    unwritten = Counter(reason for row in drafts.values() for reason in row["failures"].values())
    return {
        "sessions": sum(row["ok"] for row in sessions.values()),
        "failed_sessions": dict(failed),
        "turns": sum(len(row["session"]["turns"]) for row in sessions.values() if row["ok"]),
        "moments": sum(len(row["session"]["plan"]["moments"]) for row in sessions.values() if row["ok"]),
        "drafts": sum(len(row["drafts"]) for row in drafts.values()),
        "unwritten": dict(unwritten),
        "calls": sum(row["calls"] for row in [*sessions.values(), *drafts.values()]),
        "retries": sum(row["retries"] for row in [*sessions.values(), *drafts.values()]),
    }


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

    def __init__(self, run: Run, sessions: Journal, drafts: Journal, stack: ExitStack):
        self.sessions, self.drafts = sessions, drafts
        self.converted = set(drafts.latest())
        self.held = {i: row for i, row in sessions.latest().items() if row["ok"] and i not in self.converted}
        self.roles = {role: build_lm(spec) for role, spec in run.recipe.lms.items()}
        self.names = {role: spec.identity for role, spec in run.recipe.lms.items()}
        stack.enter_context(dspy.context(lm=self.roles["teacher"], roles=self.roles, adapter=dspy.ChatAdapter()))
        self.hold_session, self.convert = TherapySession(), ItemConverter()

    def run(self, plan: Plan) -> Outcome:
        with dspy.context(trace=[], disable_history=True):
            try:
                if plan.id in self.held:
                    session, calls = Session.model_validate(self.held[plan.id]["session"]), 0
                else:
                    prediction = self.hold_session(plan=plan)
                    session, calls = prediction.session, prediction.calls
                    self.sessions.append(
                        {"id": plan.id, "ok": True, "calls": calls, "retries": prediction.retries,
                         "session": session.model_dump(mode="json")}
                    )  # fmt: skip
                written = self.convert(session=session)
            except FATAL as error:
                raise TeacherError(f"teacher {self.names['teacher']}: {reason_of(error)}") from error
            except dspy.LMError as error:
                return self._fail(plan, f"teacher {self.names['teacher']}: {reason_of(error)}", unreached=True)
            except AskFailed as error:
                return self._fail(plan, error.reason)
        teacher = self.names.get("converter", self.names["teacher"])
        self.drafts.append(
            {"id": plan.id, "calls": written.calls, "retries": written.retries, "failures": written.failures,
             "drafts": [d.model_copy(update={"teacher": teacher}).model_dump(mode="json") for d in written.drafts]}
        )  # fmt: skip
        return Outcome(calls + written.calls)

    def _fail(self, plan: Plan, reason: str, unreached: bool = False) -> Outcome:
        if plan.id not in self.held:
            self.sessions.append({"id": plan.id, "ok": False, "reason": reason, "calls": 0, "retries": 0})
        return Outcome(reason=reason, unreached=unreached)
