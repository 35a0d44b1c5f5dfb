"""The watch over those who are asked in a compilation or a transfer, with errors that say what to do."""

from __future__ import annotations

from typing import Literal

import dspy

from corpus.errors import EmoReasonError, TeacherError
from corpus.text import reason_of
from optimizers.watch import Watch
from runs.serving import explain_fatal


def make_watch(command: Literal["compile", "transfer"], who: str, most: float) -> Watch:
    """Return the watch over the cases of one who is asked, which ends at a share ``most`` without an answer."""

    def explain(error: dspy.LMError, answered: bool) -> EmoReasonError | None:
        return explain_fatal(f"{command}: {who}", error, at_first=not answered)

    def too_many(failed: int, done: int, error: dspy.LMError) -> EmoReasonError:
        return TeacherError(
            f"{command}: {who} gave no answer to {failed} of {done} cases ({reason_of(error)}), more than "
            "compile.failures allows; all answers are kept: mend it and run the same command again"
        )

    return Watch(most, explain, too_many)
