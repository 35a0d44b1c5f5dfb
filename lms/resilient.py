"""An engine around an engine: repeats what may pass, waits for a server that is gone, and enters every call.

DSPy's own repeats wait 1, 2, 4 … seconds whatever happened, which brings a run to a crawl when one call in ten fails.
"""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import replace
from typing import Any, Protocol

from dspy import lm15
from dspy.lm15 import Request, Response

from lms.faults import CUT, FILTERED, TOO_SLOW, classify
from lms.gate import Gate, GivenUp, Outcome
from lms.in_process.engine import InProcessEngine, path_of
from lms.ledger import Ledger
from lms.spec import ModelSpec

FIRST_PAUSE, LAST_PAUSE = 0.1, 20.0  # seconds; doubled from one to the other, then drawn from (pause / 2, pause)
DOUBLINGS = 8  # from the first pause beyond the last
SEED_STEP, SEEDS = 1_000_003, 2**31


class Engine(Protocol):
    """One attempt at one request; raises lm15 errors."""

    def complete(self, request: Request) -> Response:
        """Answer one request."""
        ...


class ResilientEngine:
    """The engine of one role's LM.

    Args:
        engine: what answers, one attempt a call.
        spec: the model as declared.
        role: under which its calls are entered.
        gate: of the server, shared by all roles of the model.
        ledger: where calls are entered.
        name: the model's name as the engine knows it (an LM's name holds a fingerprint for the cache).
        takes_cut: whether an answer that was cut at `max_tokens` is an answer, as in an exam, and not a failure.
    """

    supports_function_calling = False
    supports_reasoning = False

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        role: str,
        gate: Gate,
        ledger: Ledger,
        name: str,
        takes_cut: bool = False,
    ):
        self.engine, self.spec, self.role, self.gate, self.ledger, self.name = engine, spec, role, gate, ledger, name
        self.takes_cut = takes_cut
        self._heard = threading.local()
        self.supports_response_schema = spec.structured == "schema"
        params = {"temperature", "max_tokens", "top_p", "top_k", "stop", "seed", "reasoning_effort"}
        self.supported_params = params if spec.structured == "none" else params | {"response_format"}

    def __deepcopy__(self, memo: dict[int, Any]) -> ResilientEngine:
        return self

    @property
    def last(self) -> Response | None:
        """The last response to the calling thread: DSPy's predictions say neither why it ended nor its tokens."""
        return getattr(self._heard, "response", None)

    def complete(self, request: Request) -> Response:
        """Answer one request, after as many attempts as it takes and the spec allows.

        Raises:
            LimitReached: a limit of the recipe is reached.
            Stopped: the run is ending.
            lm15 errors: the last failure, once `retries` or `patience` is used up; at once when repeating is useless.
        """
        request = replace(request, model=self._model_for(request))
        failures = seeds = attempt = 0
        waited = 0.0  # seconds, for answers that did not come in time: not for hours
        busy_since: float | None = None
        while True:
            try:
                return self._attempt(_reseed(request, seeds))
            except lm15.LM15Error as error:
                _presentable(error, self.spec)
                fault, asked = classify(error), error.retry_after or 0.0
                if fault.kind == "final" or isinstance(error, GivenUp) or asked > self.spec.patience:
                    raise
                if fault.kind == "gone" and not self.gate.was_reached:
                    raise
                if fault.kind == "gone" and self.gate.is_gone:
                    continue  # the gate holds the calls back until the server is there again
                if fault.kind == "busy":
                    busy_since = busy_since or time.monotonic()
                    if time.monotonic() - busy_since + asked > self.spec.patience:
                        raise
                else:
                    failures += 1
                    seeds += fault.kind == "answer"
                    # A gateway's 408 or 504 may come quickly; who waited here, waited for the whole time.
                    waited += self.spec.timeout if fault.reason == TOO_SLOW and error.status is None else 0.0
                    if failures > self.spec.retries or waited > self.spec.patience:
                        raise
                pause = min(FIRST_PAUSE * 2 ** min(attempt, DOUBLINGS), LAST_PAUSE)
                self.gate.rest(max(random.uniform(pause / 2, pause), asked))
                attempt += 1

    def load(self, model: str) -> None:
        """Load the checkpoint of a model string; raises ModelError.  What a server serves is its own business."""
        if isinstance(self.engine, InProcessEngine):
            self.engine.load(model)

    def unload(self, model: str) -> None:
        """Free the memory of that checkpoint, if it is one of this process."""
        if isinstance(self.engine, InProcessEngine):
            self.engine.unload(model)

    def _model_for(self, request: Request) -> str:
        """Return the model's name as the engine knows it: of a tuned copy of a local LM, the one that was asked."""
        if isinstance(self.engine, InProcessEngine) and path_of(request.model) not in ("", self.spec.name):
            return f"{request.model}"
        return self.name

    def _attempt(self, request: Request) -> Response:
        with self.gate.place() as place:
            self.ledger.begin()
            started, failed, usage = time.monotonic(), "call failed", None
            try:
                response = self.engine.complete(request)
                usage = response.usage
                if not (self.takes_cut and response.finish_reason == "length"):
                    _refuse_what_is_not_whole(response, self.spec)
                place.outcome, failed = "answered", ""
                self._heard.response = response
                return response
            except lm15.LM15Error as error:
                fault = classify(error)
                place.outcome, place.pause, failed = _outcome(fault.kind, error), error.retry_after or 0.0, fault.reason
                raise
            finally:
                self.ledger.end(self.role, self.spec, time.monotonic() - started, usage, failed)


def _outcome(kind: Outcome, error: lm15.LM15Error) -> Outcome:
    """A server that is asked the impossible is there all the same; errors that are not its own say nothing of it."""
    return "answered" if kind in ("answer", "final") and isinstance(error, lm15.ProviderError) else kind


def _refuse_what_is_not_whole(response: Response, spec: ModelSpec) -> None:
    if response.finish_reason == "length":
        thought = any(isinstance(part, lm15.ThinkingPart) for part in response.message.parts)
        hint = " or set think: false" if thought else ""
        length = response.usage.output_tokens or spec.max_tokens  # not every server says how much it wrote
        message = f"answer cut after {length} tokens; raise max_tokens of {spec.model}{hint}"
        raise lm15.ProviderError(message, provider=spec.provider, provider_code=CUT)
    if response.finish_reason in ("content_filter", "error"):
        raise lm15.ProviderError("the provider withheld the answer", provider=spec.provider, provider_code=FILTERED)


def _reseed(request: Request, times: int) -> Request:
    if not times or request.config.seed is None:
        return request
    seed = (request.config.seed + times * SEED_STEP) % SEEDS
    return replace(request, config=replace(request.config, seed=seed))


def _presentable(error: lm15.LM15Error, spec: ModelSpec) -> None:
    """Name the model as the recipe does, and hide the key: some servers repeat one that they refuse."""
    error.model = spec.model  # DSPy reads it, where it would else give the LM's name with its fingerprint
    key = os.environ.get(spec.api_key_env or "", "").strip()
    if key and key in error.message:
        error.message = error.message.replace(key, "***")
        error.args = (error.message,)
