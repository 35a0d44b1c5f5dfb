"""An attempt: a program tried on a case.  What a program fails at is an outcome with a reason, never a crash."""

from __future__ import annotations

from typing import Any

import dspy

from optimizers.cases import Case
from optimizers.watch import Watch
from programs.asking import AskFailed

UNREACHED = "no answer"
TOO_LONG = "the prompt, with its demonstrations, was longer than the model can read"
NOTHING: dict[str, Any] = {"calls": 0, "retries": 0, "complaints": {}}
_TEXTS = {"scenario", "message", "messages", "background", "case"}  # outputs that tell a story


class Attempt(dspy.Module):
    """Case → `dspy.Prediction(outcome, failure: str, calls: int, retries: int, complaints: dict, shown: tuple[str])`.

    ``outcome`` is what `Case.run` returns, or None with ``failure`` saying why.  ``shown`` holds the texts of the
    demonstrations that the program had before it.  This is the module that optimizers see; the predictors of the
    program are named ``program.…`` in it.
    """

    def __init__(self, program: dspy.Module, watch: Watch):
        super().__init__()
        self.program, self.watch = program, watch
        for predictor in program.predictors():  # classes of its own: InferRules writes into them
            predictor.signature = predictor.signature.with_instructions(predictor.signature.instructions)

    def forward(self, case: Case) -> dspy.Prediction:
        """Try once.

        Raises:
            Halted: see `Watch`.
        """
        shown = _texts_of_demos(self.program, case)
        try:
            with self.watch.unit():
                try:
                    outcome, costs = case.run(self.program)
                except dspy.ContextWindowExceededError:
                    if not self.watch.answered:  # the prompt was too long before anybody made it longer
                        raise
                    return dspy.Prediction(outcome=None, failure=TOO_LONG, **NOTHING, shown=shown)
        except AskFailed as error:
            return dspy.Prediction(outcome=None, failure=str(error), **error.costs, shown=shown)
        except dspy.LMError:
            return dspy.Prediction(outcome=None, failure=UNREACHED, **NOTHING, shown=shown)
        return dspy.Prediction(outcome=outcome, failure="", **costs, shown=shown)


def _texts_of_demos(program: dspy.Module, case: Case) -> tuple[str, ...]:
    """The texts that demonstrations of other cases show: a case that became one may be told as before."""
    texts: list[str] = []
    for predictor in program.predictors():
        for demo in predictor.demos:
            if any(str(demo.get(name, "")) == text for name, text in case.marks.items()):
                continue
            for name in _TEXTS & set(predictor.signature.output_fields) & set(demo.keys()):
                texts += [demo[name]] if isinstance(demo[name], str) else list(demo[name])
    return tuple(sorted(texts))
