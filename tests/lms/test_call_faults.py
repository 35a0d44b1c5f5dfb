"""What went wrong in a call (lms/faults.py): an lm15 error and the DSPy error that it becomes mean the same."""

from __future__ import annotations

from collections.abc import Iterator

import dspy
import pytest
from dspy import lm15
from dspy.clients.errors import wrap_error

from lms.faults import CUT, FILTERED, UNFINISHED, UNREACHABLE, Fault, classify
from lms.gate import GivenUp, Stopped
from lms.ledger import LimitReached

BUSY, GONE = Fault("busy", "server busy"), Fault("gone", "server gone")
BROKEN, OTHER = Fault("answer", "answer broke off"), Fault("final", "call failed")
TABLE = {
    lm15.TransportError: Fault("passing", "connection lost"),
    lm15.TimeoutError: Fault("passing", "no answer in time"),
    lm15.ServerError: Fault("passing", "server error"),
    lm15.RateLimitError: BUSY,
    lm15.ContextLengthError: Fault("final", "prompt too long"),
    lm15.UnsupportedModelError: Fault("final", "model missing"),
    lm15.AuthError: Fault("final", "key refused"),
    lm15.BillingError: Fault("final", "not paid"),
    lm15.InvalidRequestError: Fault("final", "call refused"),
    GivenUp: Fault("passing", "connection lost"),  # without its code, which the gate always gives
}
CODES = {
    UNREACHABLE: GONE,
    UNFINISHED: BROKEN,
    CUT: Fault("final", "answer cut"),
    FILTERED: Fault("final", "answer filtered"),
}


def descend(kind: type[lm15.LM15Error]) -> Iterator[type[lm15.LM15Error]]:
    yield kind
    for child in kind.__subclasses__():
        yield from descend(child)


ERRORS = sorted(set(descend(lm15.LM15Error)), key=lambda kind: kind.__name__)


def both(error: lm15.LM15Error) -> tuple[Fault, Fault]:
    wrapped = wrap_error(error, model="ollama_chat/m")
    assert isinstance(wrapped, dspy.LMError)
    return classify(error), classify(wrapped)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_and_what_dspy_makes_of_it_are_the_same_fault(kind: type[lm15.LM15Error]) -> None:
    fault = TABLE.get(kind, OTHER)
    assert both(kind("it went wrong")) == (fault, fault)


def test_the_table_names_errors_that_there_are() -> None:
    assert set(TABLE) <= set(ERRORS)
    assert {Stopped, LimitReached} <= set(ERRORS)  # both are final: a run that ends is not to be called again


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("code", CODES)
def test_a_code_of_ours_says_more_than_the_class(kind: type[lm15.LM15Error], code: str) -> None:
    assert both(kind("it went wrong", provider_code=code)) == (CODES[code], CODES[code])


@pytest.mark.parametrize("kind", [lm15.ServerError, lm15.ProviderError, lm15.TransportError])
def test_503_is_a_server_with_too_much_to_do(kind: type[lm15.LM15Error]) -> None:
    assert both(kind("overloaded", status=503)) == (BUSY, BUSY)


@pytest.mark.parametrize("status", [500, 502, 504, 529])
def test_other_failures_of_a_server_pass(status: int) -> None:
    assert both(lm15.ServerError("oops", status=status)) == (TABLE[lm15.ServerError],) * 2


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "context_length_exceeded", "none", "None", ""])
def test_codes_of_others_change_nothing(code: str) -> None:
    assert both(lm15.ServerError("oops", provider_code=code)) == (TABLE[lm15.ServerError],) * 2


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), dspy.LMUnexpectedError("a bug"), TimeoutError(), ConnectionError()]
)
def test_an_error_that_is_none_of_these_is_final(error: Exception) -> None:
    assert classify(error) == OTHER


def test_the_reasons_are_short_names_and_no_two_kinds_share_one() -> None:
    faults = {*TABLE.values(), *CODES.values(), OTHER}
    assert len({fault.reason for fault in faults}) == len(faults)
    assert all(len(fault.reason) < 20 and ":" not in fault.reason for fault in faults)
