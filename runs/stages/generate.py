"""Stage 1: plans → sessions → drafts, concurrently, each finished session and conversion a journal row.

When sessions or items failed, further rounds plan again what the short categories lack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import dspy
from pydantic import TypeAdapter
from rich.console import Console

from corpus.errors import RunError
from corpus.jsonl import write_jsonl
from corpus.plans import Planner
from corpus.quotas import find_lacking, shares_of
from corpus.records import Draft, Method, Plan, Session
from corpus.text import reason_of
from lms.build import Models
from programs.asking import AskFailed
from programs.fingerprint import fingerprint_prompts
from runs.folder import Run
from runs.generation_display import show_generation
from runs.journal import Journal
from runs.pool import run_units
from runs.programs import load_pinned, make_program, pin_programs
from runs.recipe import WRITERS
from runs.serving import Reach, open_models, share_one_core, short_reason
from runs.tally import Tally

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

    Compiled programs that the recipe names are pinned first, those of later stages too.

    Raises:
        RecipeError: a compiled program cannot be used; no model was asked anything.
        TeacherError: the teacher is not there, refuses every call, or cannot be reached for eight sessions in a row.
        LimitError: a limit of the recipe is reached.
        RunError: not one session could be finished.
    """
    recipe = run.recipe
    for line in pin_programs(run):
        console.print(f"generate: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    tally = Tally(recipe.curate)
    planner = Planner(recipe.plan, recipe.seed)
    rejected = Counter(bad.path for bad in planner.rejected)
    write_jsonl(run.path / "data" / "rejected.jsonl", map(asdict, planner.rejected))
    for path, count in rejected.items():
        console.print(
            f"generate: {path}: {count} lines cannot be used, the others are; data/rejected.jsonl says why",
            style="yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    with ExitStack() as stack:
        sessions = stack.enter_context(Journal(run.journal_path("sessions")))
        drafts = stack.enter_context(Journal(run.journal_path("drafts")))
        tally.read(sessions, drafts)
        models = stack.enter_context(open_models(run, "generate", recipe.models_of(*WRITERS), console))
        worker = _Worker(run, sessions, drafts, tally, models)
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
    run.note_prompts("generate", fingerprint_prompts(worker.programs(summary["methods"])))
    if not summary["sessions"]:
        reason, count = tally.failures.most_common(1)[0]
        failed = sum(summary["failed_sessions"].values())
        advice = "; `emoreason doctor` looks at the models" if reason.startswith("teacher:") else ""
        raise RunError(f"generate: none of {failed} sessions could be finished; {count} times: {reason}{advice}")
    return summary | {"rejected": dict(rejected), "spent": models.ledger.total.as_json()}


def _hold(name: str, plans: Sequence[Plan], worker: _Worker, concurrency: int, console: Console) -> None:
    """Take the plans of one round through session and conversion."""
    todo = [plan for plan in plans if not worker.tally.converted(plan.id)]
    done = len(plans) - len(todo)
    if done:
        console.print(f"{name}: {done} of {len(plans)} sessions are done, going on")
    models = worker.models
    one_core = share_one_core(models)
    with show_generation(console, name, worker.tally, models, done, len(plans)) as show:
        for count, outcome in enumerate(run_units(todo, worker.run, concurrency, models.stop, one_core), done + 1):
            show(count)
            worker.reach.count(outcome.reason if outcome.unreached else "")


class _Worker:
    """Takes one plan through session and conversion, journalling each."""

    def __init__(self, run: Run, sessions: Journal, drafts: Journal, tally: Tally, models: Models):
        self.reach = Reach("teacher")
        self.sessions, self.drafts, self.tally, self.models = sessions, drafts, tally, models
        self.held = {
            row["id"]: row["session"] for row in sessions.rows() if row["ok"] and not tally.converted(row["id"])
        }
        specs = run.recipe.roles
        self.teacher, self.converter = specs["teacher"].identity, specs["converter"].identity
        self.hold, self.convert = make_program("session", run.recipe), make_program("items", run.recipe)
        load_pinned(run, "session", self.hold)
        load_pinned(run, "items", self.convert)

    def programs(self, methods: Iterable[Method]) -> list[dspy.Module]:
        """The programs that sessions of these methods go through."""
        return [self.convert, *(getattr(self.hold, method) for method in methods)]

    def run(self, plan: Plan) -> Outcome:
        with dspy.context(trace=[], disable_history=True):
            try:
                session = self._session(plan)
                written = self.convert(session=session)
            except AskFailed as error:
                return Outcome(error.reason)
            except dspy.LMError as error:
                self.reach.raise_if_fatal(error, at_first=self.tally.is_empty)
                return self._unreached(plan, error)
        drafts = [d.model_copy(update={"teacher": self.converter}).model_dump(mode="json") for d in written.drafts]
        self._add_drafts({"id": plan.id, **_costs(written), "failures": written.failures, "drafts": drafts})
        return Outcome()

    def _session(self, plan: Plan) -> Session:
        """Hold the session, or take the one that was held before a kill; raises AskFailed once it is journalled."""
        if plan.id in self.held:
            return Session.model_validate(self.held.pop(plan.id))
        try:
            prediction = self.hold(plan=plan)
        except AskFailed as error:
            self._add_session({"id": plan.id, "ok": False, "reason": error.reason, **error.costs})
            raise
        session: Session = prediction.session
        self._add_session({"id": plan.id, "ok": True, **_costs(prediction), "session": session.model_dump(mode="json")})
        return session

    def _unreached(self, plan: Plan, error: dspy.LMError) -> Outcome:
        """Note a teacher that did not answer; a session that was held stays, and only its conversion is lost."""
        reason = short_reason("teacher", error)
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
