"""The judge of a run at work: about items, sessions, and likenesses to an exam, each judgement a journal row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import dspy
from rich.console import Console

from corpus.contamination import Overlap, Suspect
from corpus.records import Draft, Session
from corpus.text import reason_of
from lms.build import Models
from programs.asking import AskFailed
from programs.verify.paraphrase import ParaphraseJudge
from programs.verify.sessions import SessionJudge
from programs.verify.verifier import Verifier
from runs.folder import Run
from runs.journal import Journal
from runs.pool import run_units
from runs.progress import show_progress
from runs.recipe import JUDGE
from runs.serving import Reach, open_models, share_one_core, short_reason


class Judge:
    """Asks the judge as far as the recipe wants it; opened in ``stack``, its model not before something is to be asked.

    Raises:
        TeacherError: the judge is not there, refuses every call, or cannot be reached for eight units in a row.
        LimitError: a limit of the recipe is reached.
    """

    def __init__(self, run: Run, console: Console, stack: ExitStack):
        self.run, self.console, self.stack = run, console, stack
        self.config = run.recipe.verify
        self.reach = Reach(JUDGE)
        self.items = stack.enter_context(Journal(run.journal_path("judgements")))
        self.sessions = stack.enter_context(Journal(run.journal_path("session-judgements")))
        self.judge_item: dspy.Module = Verifier()
        self.judge_session: dspy.Module = SessionJudge()
        self.judge_pair: dspy.Module = ParaphraseJudge()
        self._models: Models | None = None
        self._answered = False

    @property
    def programs(self) -> list[dspy.Module]:
        """The programs that ask what the recipe wants to know."""
        items, sessions = self.config.asks_about_items, self.config.sessions
        return [self.judge_item] * items + [self.judge_session] * sessions

    @property
    def models(self) -> Models:
        """The judge's model."""
        if self._models is None:
            specs = self.run.recipe.models_of(JUDGE)
            self._models = self.stack.enter_context(open_models(self.run, "verify", specs, self.console))
        return self._models

    def look_at(self, drafts: Sequence[Draft], sessions: Sequence[Session]) -> None:
        """Have judged what is not judged yet."""
        units: list[_Unit] = []
        if self.config.asks_about_items:
            units += [
                _Unit(draft.id, self.items, partial(self.judge_item, draft=draft, config=self.config))
                for draft in drafts
            ]
        if self.config.sessions:
            units += [
                _Unit(session.id, self.sessions, partial(self.judge_session, session=session)) for session in sessions
            ]
        self._ask("judged", units)

    def find_paraphrases(self, suspects: Sequence[Suspect]) -> list[Overlap]:
        """Have the judge decide about neighbours in meaning; return those that tell an exam's story.

        A pair about which it gave no usable answer is none; the journal names it.
        """
        journal = self.stack.enter_context(Journal(self.run.journal_path("paraphrases")))
        pairs = {f"{suspect.id} {suspect.source}": suspect for suspect in suspects}
        self._ask(
            "compared with exams",
            [
                _Unit(
                    key,
                    journal,
                    partial(self.judge_pair, scenario=suspect.ours, exam_scenario=suspect.theirs),
                )
                for key, suspect in pairs.items()
            ],
        )
        found = {key for key, row in journal.latest().items() if row.get("judgement")}
        return [
            Overlap(suspect.id, suspect.source, "scenario", "paraphrase", suspect.theirs, suspect.ours)
            for key, suspect in pairs.items()
            if key in found
        ]

    def _ask(self, what: str, units: Sequence[_Unit]) -> None:
        done = {
            journal: {key for key, row in journal.latest().items() if row["ok"]}
            for journal in {unit.journal for unit in units}
        }
        todo = [unit for unit in units if unit.id not in done[unit.journal]]
        if not todo:
            return
        models = self.models
        work = run_units(todo, self._judge, self.run.recipe.generate.concurrency, models.stop, share_one_core(models))
        with show_progress(self.console, "verify") as update:
            for count, problem in enumerate(work, 1):
                self.reach.count(problem)
                update(count, len(todo), f"{what}, {models.ledger.total.calls:,} calls")

    def _judge(self, unit: _Unit) -> str:
        """Journal one judgement; return what kept the judge from being reached, if anything did."""
        try:
            with dspy.context(trace=[], disable_history=True):
                found = unit.ask(seed=self.run.recipe.seed)
        except AskFailed as error:
            unit.journal.append({"id": unit.id, "ok": False, "reason": error.reason, **error.costs})
            return ""
        except dspy.LMError as error:
            self.reach.raise_if_fatal(error, at_first=not self._answered)
            unit.journal.append({"id": unit.id, "ok": False, "reason": short_reason(JUDGE, error)})
            return f"{JUDGE} {reason_of(error)}"
        self._answered = True
        costs = {name: found[name] for name in ("calls", "retries", "complaints")}
        unit.journal.append({"id": unit.id, "ok": True, **costs, "judgement": _as_json(found)})
        return ""


@dataclass(frozen=True)
class _Unit:
    """One thing to ask: its ID, where the answer is entered, and the program with its inputs but for the seed."""

    id: str
    journal: Journal
    ask: Callable[..., dspy.Prediction]


def _as_json(found: dspy.Prediction) -> Any:
    """What a program of programs/verify found: a record, or whether a pair is one story."""
    return bool(found.paraphrase) if "paraphrase" in found else found.judgement.model_dump(mode="json")
