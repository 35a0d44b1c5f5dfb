"""The reasoning judge: whether what a student wrote before its answer is about the scenario, and leads to that answer.

Whether the answer is right is not asked, and the judge is not told: a student can reason well to a wrong answer.
"""

from __future__ import annotations

import dspy

from corpus.seeds import derive_seed
from programs.asking import Asker
from signatures.judging import JudgeReasoning


class ReasoningJudge(dspy.Module):
    """An answer → `dspy.Prediction(remarks=str, grounded, consistent, calls, retries, complaints)`.

    The two scores are signatures.judging.Score.  Asks the role ``judge``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.judge_reasoning = dspy.Predict(JudgeReasoning)

    def forward(self, scenario: str, question: str, answer: str, reasoning: str, seed: int = 0) -> dspy.Prediction:
        """Judge one reasoning, once.

        Args:
            answer: the option or options that the student chose, in words.

        Raises:
            AskFailed: the judge gave no acceptable answer.
        """
        ask = Asker(derive_seed(seed, scenario, question, answer, reasoning))
        found = ask(
            "judge", self.judge_reasoning, scenario=scenario, question=question, reasoning=reasoning, answer=answer
        )
        return dspy.Prediction(
            remarks=found.remarks.strip(), grounded=found.grounded, consistent=found.consistent, **ask.costs
        )
