"""Cases: what a program is tried on.  Each knows how to run its program, and shows itself briefly.

DSPy's proposers put the `repr` of examples into prompts, so a case must not show a whole session there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.exceptions import LMProviderError

from corpus.records import ApplicationItem, Draft, Moment, Plan, Session, UnderstandingItem
from corpus.seeds import derive_seed
from programs.asking import WITHHELD, Asker, AskFailed
from programs.briefing import brief_moments


@dataclass(frozen=True)
class SessionCase:
    """A plan, of which the session is to be written."""

    plan: Plan

    @property
    def id(self) -> str:
        """Its own ID."""
        return self.plan.id

    @property
    def cluster(self) -> str:
        """Cases of one cluster are not independent of each other."""
        return self.plan.persona.persona

    @property
    def marks(self) -> dict[str, str]:
        """Inputs by which a demonstration that was made of this case is known."""
        return {"moments": brief_moments(self.plan)} | {"moment": self.plan.moments[0].brief()}

    def run(self, program: dspy.Module) -> tuple[Session, dict[str, Any]]:
        """Return the session and what it cost; raises AskFailed."""
        made = program(plan=self.plan)
        return made.session, _costs(made)

    def __repr__(self) -> str:
        return f"a session about {self.plan.theme.theme}, with {len(self.plan.moments)} planned moments"


@dataclass(frozen=True)
class ItemCase:
    """A moment of a finished session, of which the item is to be written."""

    session: Session
    moment: Moment

    @property
    def id(self) -> str:
        """Its own ID."""
        return self.moment.id

    @property
    def cluster(self) -> str:
        """Cases of one cluster are not independent of each other."""
        return self.session.id

    @property
    def marks(self) -> dict[str, str]:
        """Inputs by which a demonstration that was made of this case is known."""
        return {"moment": self.moment.brief()}

    def run(self, program: dspy.Module) -> tuple[Draft, dict[str, Any]]:
        """Return the draft and what it cost; raises AskFailed."""
        ask = Asker(derive_seed(self.session.plan.seed, self.moment.id))
        draft: Draft = program.write(ask, self.session, self.moment)
        return draft, ask.costs

    def __repr__(self) -> str:
        kind = f"{self.moment.task}, {self.moment.cell}"
        return f"a moment to be made an item ({kind}), aiming at {self.moment.aim}"


@dataclass(frozen=True)
class ExamCase:
    """A training item, to be answered."""

    item: UnderstandingItem | ApplicationItem

    @property
    def id(self) -> str:
        """Its own ID."""
        return self.item.qid

    @property
    def cluster(self) -> str:
        """Cases of one cluster are not independent of each other."""
        return self.item.session or self.item.scenario

    @property
    def marks(self) -> dict[str, str]:
        """Inputs by which a demonstration that was made of this case is known."""
        return {"scenario": self.item.scenario}

    def run(self, program: dspy.Module) -> tuple[dspy.Prediction, dict[str, Any]]:
        """Return the readings of the answer and what it cost; raises AskFailed for an answer that was cut or withheld.

        An exam is taken once: nobody is told what was wrong and asked again.
        """
        ask = Asker(0)
        ask.calls = 1
        try:
            return program(item=self.item), ask.costs
        except LMProviderError as error:
            if error.provider_code not in WITHHELD:
                raise
            raise AskFailed("examinee", WITHHELD[error.provider_code], ask) from error

    def __repr__(self) -> str:
        return f"a question ({self.item.task}) on: {self.item.scenario[:200]}"


Case = SessionCase | ItemCase | ExamCase


def example_of(case: Case) -> dspy.Example:
    """Return the case as DSPy's optimizers take it."""
    return dspy.Example(case=case).with_inputs("case")


def _costs(made: dspy.Prediction) -> dict[str, Any]:
    return {name: made[name] for name in ("calls", "retries", "complaints")}
