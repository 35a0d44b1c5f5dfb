"""The paraphrase judge: whether a generated scenario tells an exam's story in other words.

Word overlap misses a paraphrase, and a near neighbour in meaning may be a story of the same kind; so a model decides
about the pairs that either of them brings up (Yang et al., arXiv 2311.04850).
"""

from __future__ import annotations

import dspy

from corpus.seeds import derive_seed
from programs.asking import Asker
from signatures.judging import JudgeParaphrase


class ParaphraseJudge(dspy.Module):
    """Two scenarios → `dspy.Prediction(paraphrase=bool, relation, remarks=str, calls, retries, complaints)`.

    ``relation`` is one of signatures.judging.Relation.  Asks the role ``judge``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.judge_paraphrase = dspy.Predict(JudgeParaphrase)

    def forward(self, scenario: str, exam_scenario: str, seed: int = 0) -> dspy.Prediction:
        """Compare a generated scenario with an exam's; only the same story is a paraphrase.

        Raises:
            AskFailed: the judge gave no acceptable answer.
        """
        ask = Asker(derive_seed(seed, scenario, exam_scenario))
        answer = ask("judge", self.judge_paraphrase, scenario=scenario, exam_scenario=exam_scenario)
        return dspy.Prediction(
            paraphrase=answer.relation == "same story",
            relation=answer.relation,
            remarks=answer.remarks.strip(),
            **ask.costs,
        )
