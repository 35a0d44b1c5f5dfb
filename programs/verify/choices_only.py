"""The choices-only reader: one answer to an item without its scenario.

An item that can be answered so is answered by its wording and not by reasoning (Balepur et al., arXiv 2402.12483).  One
lucky guess proves nothing about an item; the share over many is compared with chance.
"""

from __future__ import annotations

import dspy

from corpus.records import ApplicationDraft, UnderstandingDraft
from programs.asking import Asker
from programs.verify.posing import pose
from signatures.solving import GuessApplication, GuessUnderstanding


class ChoicesOnlyReader(dspy.Module):
    """Draft → `dspy.Prediction(guessed=bool, calls, retries, complaints)`; asks the role ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.guess_understanding = dspy.Predict(GuessUnderstanding)
        self.guess_application = dspy.Predict(GuessApplication)

    def forward(self, draft: UnderstandingDraft | ApplicationDraft, seed: int = 0) -> dspy.Prediction:
        """Guess once.

        Raises:
            AskFailed: the judge gave no readable answer.
        """
        ask = Asker(seed)
        return dspy.Prediction(guessed=self.guess(ask, draft), **ask.costs)

    def guess(self, ask: Asker, draft: UnderstandingDraft | ApplicationDraft) -> bool:
        """Return whether all questions were guessed rightly, asking on behalf of ``ask``."""
        posed = pose(draft, ask.seed, "choices only")
        del posed.inputs["scenario"]
        predictor = self.guess_understanding if isinstance(draft, UnderstandingDraft) else self.guess_application
        return posed.is_right(posed.picks(ask("judge", predictor, check=posed.check, **posed.inputs)))
