"""Asking a model: choose the role's model, give each call its own seed, and retry a malformed answer with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError, LMProviderError

from corpus.errors import EmoReasonError
from corpus.seeds import derive_seed

ATTEMPTS = 4  # so that a model that spoils one answer in ten loses one ask in ten thousand
Check = Callable[[dspy.Prediction], str]  # an empty string accepts; else "reason: what is wrong"
COMPLAINT_FIELD = dspy.InputField(desc="why your last answer was not accepted; write a new one that mends this")
# Answers that an engine did not hand over, by the code of its error (lms/faults.py), and what the model is told.
WITHHELD = {
    "truncated": "answer cut: it was too long and its end is missing; say the same in fewer words",
    "filtered": "answer filtered: the provider withheld it; say it in a way that offends no rule",
}


class AskFailed(EmoReasonError):
    """A role gave no acceptable answer in the allowed attempts; ``reason`` is the short name that is counted.

    ``costs`` are those of the whole session or conversion so far, as `Asker.costs` gives them.
    """

    def __init__(self, role: str, complaint: str, ask: Asker):
        super().__init__(f"{role}: {complaint}")
        self.reason = f"{role}: {_name(complaint)}"
        self.costs = ask.costs


class Asker:
    """Asks predictors on behalf of one session, with seeds derived from the session's own.

    Role models come from ``dspy.settings.roles`` (role → LM), their prompt formats from ``dspy.settings.adapters``
    (role → adapter).  Both are chosen here, never bound to predictors: several optimizers drop bound models, and a
    compiled program must run with another teacher.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.calls = 0
        self.complaints: Counter[str] = Counter()

    @property
    def retries(self) -> int:
        """How many answers were not accepted."""
        return self.complaints.total()

    @property
    def costs(self) -> dict[str, Any]:
        """Calls, retries, and complaints (reason → count), for a prediction or a journal."""
        return {"calls": self.calls, "retries": self.retries, "complaints": dict(self.complaints)}

    def __call__(
        self,
        role: str,
        predictor: dspy.Predict,
        check: Check | None = None,
        **inputs: Any,
    ) -> dspy.Prediction:
        """Ask once, and again with the complaint when the answer is cut, does not parse, or ``check`` objects.

        ``check`` returns an empty string for an acceptable answer, else ``"reason: what is wrong"``.

        Raises:
            AskFailed: no attempt was acceptable.
        """
        lm, rollout = _model_of(role, predictor)
        adapter = (dspy.settings.get("adapters") or {}).get(role) or dspy.settings.adapter
        signature = predictor.signature
        for attempt in range(ATTEMPTS):
            self.calls += 1
            config = {"seed": derive_seed(self.seed, self.calls, *rollout)}
            try:
                with dspy.context(adapter=adapter):
                    prediction = predictor(signature=signature, config=config, lm=lm, **inputs)
                complaint = check(prediction) if check else ""
                if complaint:
                    _forget(prediction)
            except AdapterParseError as error:
                complaint = f"unreadable answer: {_say_what_is_wrong(error)}"
            except (RecursionError, MemoryError, ValueError) as error:
                if not _is_endless(error):
                    raise
                complaint = "unreadable answer: it repeats itself or is nested without an end"
            except LMProviderError as error:
                if error.provider_code not in WITHHELD:
                    raise
                complaint = WITHHELD[error.provider_code]
            if not complaint:
                return prediction
            if attempt == 0:
                signature = signature.append("complaint", COMPLAINT_FIELD, str)
            inputs["complaint"] = complaint
            self.complaints[f"{role}: {_name(complaint)}"] += 1
        raise AskFailed(role, complaint, self)


def _model_of(role: str, predictor: dspy.Predict) -> tuple[dspy.LM, tuple[int, ...]]:
    """The role's model, and the number of the rollout that an optimizer asks for, which stands in the seed.

    Optimizers that want other answers to the same questions bind or set copies of the model with another
    ``rollout_id`` and temperature (BootstrapFewShot, SIMBA).  The copy says which rollout is wanted; whose answer it
    is remains for the roles to say.
    """
    wanted = predictor.lm or dspy.settings.lm
    lm = (dspy.settings.get("roles") or {}).get(role) or dspy.settings.lm
    rollout = wanted.kwargs.get("rollout_id") if wanted else None
    if not rollout:
        return lm, ()
    return lm.copy(rollout_id=rollout, temperature=wanted.kwargs["temperature"]), (rollout,)


def _forget(prediction: dspy.Prediction) -> None:
    """Take an answer that was not accepted out of DSPy's trace, so that it becomes no demonstration."""
    trace = dspy.settings.trace
    if trace and trace[-1][-1] is prediction:
        trace.pop()


def _name(complaint: str) -> str:
    return complaint.partition(":")[0]


def _is_endless(error: Exception) -> bool:
    """Whether a parser gave up, as those under DSPy do on thousands of words without a comma, or of brackets."""
    return not isinstance(error, ValueError) or "nesting exceeds" in str(error)


def _say_what_is_wrong(error: AdapterParseError) -> str:
    """Say it for the model, which does not need to see its whole answer again."""
    first = str(error).strip().partition("\n")[0][:200]
    if not first.startswith(("Adapter ", "LM response cannot be")):  # a field that does not have its type
        return first
    missing = [name for name in error.signature.output_fields if name not in (error.parsed_result or {})]
    return f"these fields are missing or not in the form that was asked for: {', '.join(missing)}"
