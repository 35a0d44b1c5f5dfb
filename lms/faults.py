"""What went wrong in a call, by a short name that can be counted, and what is to be done about it.

busy     429, 503: the server has too much to do; wait, and let fewer calls through
gone     no connection: the server is down; wait for it
passing  a lost connection, a time-out, a 5xx: the same call again
answer   an answer that broke off: the call again with another seed, since the same seed would break off again
final    everything else: nobody is helped by asking again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import dspy
from dspy import lm15

Kind = Literal["busy", "gone", "passing", "answer", "final"]

# Codes that the engines of this project put on their errors (`provider_code`).
UNREACHABLE, UNFINISHED, CUT, FILTERED = "unreachable", "unfinished", "truncated", "filtered"
HTTP_BUSY = 503
TOO_SLOW = "no answer in time"


@dataclass(frozen=True)
class Fault:
    """A kind of trouble and its short name."""

    kind: Kind
    reason: str


_BY_CODE = {
    UNREACHABLE: Fault("gone", "server gone"),
    UNFINISHED: Fault("answer", "answer broke off"),
    CUT: Fault("final", "answer cut"),
    FILTERED: Fault("final", "answer filtered"),
}
_BY_CLASS: tuple[tuple[type[Exception], type[Exception], Fault], ...] = (
    (lm15.RateLimitError, dspy.LMRateLimitError, Fault("busy", "server busy")),
    (lm15.TransportError, dspy.LMTransportError, Fault("passing", "connection lost")),
    (lm15.TimeoutError, dspy.LMTimeoutError, Fault("passing", TOO_SLOW)),
    (lm15.ServerError, dspy.LMServerError, Fault("passing", "server error")),
    (lm15.ContextLengthError, dspy.ContextWindowExceededError, Fault("final", "prompt too long")),
    (lm15.UnsupportedModelError, dspy.LMUnsupportedModelError, Fault("final", "model missing")),
    (lm15.AuthError, dspy.LMAuthError, Fault("final", "key refused")),
    (lm15.BillingError, dspy.LMBillingError, Fault("final", "not paid")),
    (lm15.InvalidRequestError, dspy.LMInvalidRequestError, Fault("final", "call refused")),
)
_OTHER = Fault("final", "call failed")


def classify(error: Exception) -> Fault:
    """Return the fault of an lm15 error, or of the DSPy error that it became."""
    if fault := _BY_CODE.get(str(getattr(error, "provider_code", None))):
        return fault
    if getattr(error, "status", None) == HTTP_BUSY:
        return Fault("busy", "server busy")
    return next((fault for ours, dspys, fault in _BY_CLASS if isinstance(error, (ours, dspys))), _OTHER)
