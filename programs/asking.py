"""Asking a model: choose the role's model, give each call its own seed, and retry a malformed answer with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy

from corpus.errors import EmoReasonError
from corpus.seeds import derive_seed

ATTEMPTS = 3
Check = Callable[[dspy.Prediction], str]  # an empty string accepts; else "reason: what is wrong"
COMPLAINT_FIELD = dspy.InputField(desc="why your last answer was not accepted; write a new one that mends this")


class AskFailed(EmoReasonError):
    """A role gave no acceptable answer in the allowed attempts; ``reason`` is the short name that is counted.

    ``calls`` and ``retries`` are those of the whole session or conversion so far.
    """

    def __init__(self, role: str, complaint: str, calls: int, retries: int):
        super().__init__(f"{role}: {complaint}")
        self.reason = f"{role}: {complaint.partition(':')[0]}"
        self.calls, self.retries = calls, retries


class Asker:
    """Asks predictors on behalf of one session, with seeds derived from the session's own.

    Role models come from ``dspy.settings.roles`` (role → LM) and are chosen here, never bound to predictors:
    several optimizers drop bound models, and a compiled program must run with another teacher.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.calls = 0
        self.retries = 0

    def __call__(
        self,
        role: str,
        predictor: dspy.Predict,
        check: Check | None = None,
        **inputs: Any,
    ) -> dspy.Prediction:
        """Ask once, and again with the complaint when the answer does not parse or ``check`` objects.

        ``check`` returns an empty string for an acceptable answer, else ``"reason: what is wrong"``.

        Raises:
            AskFailed: no attempt was acceptable.
        """
        roles = dspy.settings.get("roles") or {}
        signature = predictor.signature
        for attempt in range(ATTEMPTS):
            self.calls += 1
            config = {"seed": derive_seed(self.seed, self.calls)}
            try:
                with dspy.context(lm=roles.get(role) or dspy.settings.lm):
                    prediction = predictor(signature=signature, config=config, **inputs)
                complaint = check(prediction) if check else ""
            except dspy.utils.exceptions.AdapterParseError as error:
                complaint = f"unreadable answer: {_first_line(error)}"
            if not complaint:
                return prediction
            if attempt == 0:
                signature = signature.append("complaint", COMPLAINT_FIELD, str)
            inputs["complaint"] = complaint
            self.retries += 1
        raise AskFailed(role, complaint, self.calls, self.retries)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
