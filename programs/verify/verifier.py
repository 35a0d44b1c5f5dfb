"""The verifier: all that a judge is asked about one draft, in the order that saves calls.

The review comes first: one look at the item, or one at its explanation, can decide, and a draft with a confirmed fault
is asked about no further.  The blind solver takes four answers at least by default, and so comes after.  A draft that
it sets aside has been reviewed by then, so that people who see the vote shares of an ambiguous item need not look for
plain faults too; the choices-only reader, whose answers are counted over kept items, is not asked about it.
"""

from __future__ import annotations

from functools import partial

import dspy

from corpus.config import VerifyConfig
from corpus.judgements import why_aside
from corpus.records import ApplicationDraft, Judgement, UnderstandingDraft
from corpus.seeds import derive_seed
from programs.asking import Asker
from programs.verify.choices_only import ChoicesOnlyReader
from programs.verify.findings import confirm
from programs.verify.review import Reviewer
from programs.verify.solver import BlindSolver


class Verifier(dspy.Module):
    """Draft → `dspy.Prediction(judgement=Judgement, calls, retries, complaints)`; asks the role ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.reviewer = Reviewer()
        self.solver = BlindSolver()
        self.choices_only = ChoicesOnlyReader()

    def forward(
        self, draft: UnderstandingDraft | ApplicationDraft, config: VerifyConfig, seed: int = 0
    ) -> dspy.Prediction:
        """Ask what ``config`` asks for, until the draft is decided.

        Args:
            draft: what is to be verified.
            config: which parts are asked for, and how many blind answers.
            seed: the run's; each draft gets one of its own from it.

        Raises:
            AskFailed: the judge gave no acceptable answer; nothing is known about the draft then.
        """
        ask = Asker(derive_seed(seed, draft.id, "verify"))
        return dspy.Prediction(judgement=self._judge(ask, draft, config), **ask.costs)

    def _judge(self, ask: Asker, draft: UnderstandingDraft | ApplicationDraft, config: VerifyConfig) -> Judgement:
        found = Judgement(id=draft.id)
        if config.review:
            for look in (self.reviewer.look_at_item, self.reviewer.look_at_explanation):
                finding = confirm(partial(look, ask, draft))
                remarks = f"{found.remarks}\n{finding.remarks}".strip()
                found = found.model_copy(update={"faults": finding.faults, "remarks": remarks})
                if found.faults:
                    return found
        if config.votes:
            found = found.model_copy(update={"solved": self.solver.solve(ask, draft, config)})
            if why_aside(found, config):
                return found
        if config.choices_only:
            found = found.model_copy(update={"guessed": self.choices_only.guess(ask, draft)})
        return found
