"""The blind solver: several independent answers to an item without its key, and how many of them were the key.

Answers that agree are likelier to be right (self-consistency, Wang et al., arXiv 2203.11171); here it is the question
that is tested by them.  Asking ends as soon as the remaining answers cannot change what becomes of the item.
"""

from __future__ import annotations

from collections import Counter

import dspy

from corpus.config import VerifyConfig
from corpus.judgements import why_aside
from corpus.records import ApplicationDraft, Judgement, Solved, UnderstandingDraft
from programs.asking import Asker
from programs.verify.posing import pose
from signatures.solving import SolveApplication, SolveUnderstanding


class BlindSolver(dspy.Module):
    """Draft → `dspy.Prediction(solved=Solved, calls, retries, complaints)`; asks the role ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.solve_understanding = dspy.Predict(SolveUnderstanding)
        self.solve_application = dspy.Predict(SolveApplication)

    def forward(
        self, draft: UnderstandingDraft | ApplicationDraft, config: VerifyConfig, seed: int = 0
    ) -> dspy.Prediction:
        """Collect up to ``config.votes`` answers.

        Raises:
            AskFailed: the judge gave no readable answer.
        """
        ask = Asker(seed)
        return dspy.Prediction(solved=self.solve(ask, draft, config), **ask.costs)

    def solve(self, ask: Asker, draft: UnderstandingDraft | ApplicationDraft, config: VerifyConfig) -> Solved:
        """Answer as `forward` does, on behalf of ``ask``; each answer sees the options in another order."""
        predictor = self.solve_understanding if isinstance(draft, UnderstandingDraft) else self.solve_application
        votes: list[Counter[str]] = [Counter() for _ in range(1 + isinstance(draft, UnderstandingDraft))]
        asked = right = 0
        while not is_settled(asked, right, config):
            posed = pose(draft, ask.seed, asked)
            picks = posed.picks(ask("judge", predictor, check=posed.check, **posed.inputs))
            for counts, pick in zip(votes, picks, strict=True):
                counts[pick] += 1
            asked += 1
            right += posed.is_right(picks)
        return Solved(asked=asked, right=right, votes=tuple(map(dict, votes)))


def is_settled(asked: int, right: int, config: VerifyConfig) -> bool:
    """Whether an item is kept, ambiguous, or disputed whatever the remaining answers say.

    Both extremes are put to the rule itself: none of the remaining answers is right, or all are.  Agreement over the
    answers asked then leads to the same end as agreement over all: a share of right answers that is too low with the
    rest all right is too low without them, and one that is enough with the rest all wrong is enough without them.
    """
    least, most = right, right + config.votes - asked
    return _end_of(least, config) == _end_of(most, config)


def _end_of(right: int, config: VerifyConfig) -> str:
    return why_aside(Judgement(id="", solved=Solved(asked=config.votes, right=right, votes=())), config)
