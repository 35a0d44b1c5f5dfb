"""Searches with real engines around the scripted teacher, which makes mistakes so that there is something to find."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dspy
from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from corpus.config import CurateConfig
from corpus.errors import EmoReasonError, LimitError, TeacherError
from lms.build import Models
from lms.ledger import Ledger, LimitReached
from lms.limits import LimitsConfig
from lms.resilient import Engine
from lms.spec import ModelSpec
from optimizers.cases import Case
from optimizers.config import OptimizerName
from optimizers.metric import Metric
from optimizers.quality.items import ItemQuality
from optimizers.search import Found, Ground, search
from optimizers.watch import Watch
from programs.converter import ItemConverter

ROLES = ("teacher", "converter", "judge", "reflection")
RATES: Any = {"names_emotion": 0.3, "twin_distractor": 0.2, "generic_explanation": 0.3, "long_key": 0.2}
TEACHER = ModelSpec(model="scripted/counsel", mistakes=RATES, retries=0, patience=0)
TRAIN, DEV, DEMOS, SEED = 6, 5, 2, 7
CALLS = 40  # of most searches; SIMBA needs more
Error = Callable[[], lm15.LM15Error]


def crash() -> lm15.LM15Error:
    """A server that breaks down."""
    return lm15.ServerError("it broke down", status=500)


def refuse() -> lm15.LM15Error:
    """A server that does not know the key."""
    return lm15.AuthError("wrong key")


class Faulty:
    """An engine that fails when ``fails`` says so of the number of a call, from 1; it notes all requests."""

    def __init__(self, engine: Engine, fails: Callable[[int], bool] = lambda number: False, error: Error = crash):
        self.engine, self.fails, self.error = engine, fails, error
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        if self.fails(number):
            raise self.error()
        return self.engine.complete(request)


class Babbling:
    """Answers in no form at all."""

    def complete(self, request: Request) -> Response:
        message = Message.assistant([TextPart("I would rather not.")])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())


def explain(error: dspy.LMError, answered: bool) -> EmoReasonError | None:
    """As a compilation explains errors."""
    if isinstance(error.__cause__, LimitReached):
        return LimitError(str(error.__cause__))
    return TeacherError("key refused") if isinstance(error, dspy.LMAuthError) else None


def make_watch(most: float = 0.1) -> Watch:
    """A watch with errors that tell what it saw."""
    return Watch(most, explain, lambda failed, done, error: TeacherError(f"{failed} of {done} without an answer"))


@dataclass
class Bench:
    """Models by role, a metric that counts cases, and a ground to search on."""

    models: Models
    watch: Watch
    metric: Metric
    log: Path
    tried: list[int] = field(default_factory=lambda: [0])
    best: list[float] = field(default_factory=list)

    @property
    def calls(self) -> dict[str, int]:
        """Role → calls."""
        return {role: spent.calls for (_, role), spent in self.models.ledger.spent.items()}

    def spoil(self, role: str, fails: Callable[[int], bool] = lambda number: False, error: Error = crash) -> Faulty:
        """Make the engine of one role fail."""
        outer: Any = self.models.lms[role].engine
        outer.engine = Faulty(outer.engine, fails, error)
        return outer.engine

    def ground(self, cases: Sequence[Case], threads: int = 1, demos: int = DEMOS, seed: int = SEED) -> Ground:
        return Ground(
            make=ItemConverter, watch=self.watch, metric=self.metric, train=cases[:TRAIN], dev=cases[-DEV:],
            per_case=1, demos=demos, reflection=self.models.lms["reflection"], seed=seed, threads=threads,
            log=self.log, on_best=self.best.append,
        )  # fmt: skip

    def search(
        self, cases: Sequence[Case], *chain: OptimizerName, threads: int = 1, calls: int = CALLS, demos: int = DEMOS,
        seed: int = SEED,
    ) -> Found:  # fmt: skip
        return search(self.ground(cases, threads, demos, seed), chain, calls, ItemConverter())


@contextmanager
def bench(
    folder: Path, limits: LimitsConfig | None = None, judge: bool = False, spec: ModelSpec = TEACHER
) -> Iterator[Bench]:
    """Yield all that a search needs, with the models set in DSPy's context."""
    tried, watch = [0], make_watch()

    def count() -> None:
        tried[0] += 1

    metric = Metric(ItemQuality({}, CurateConfig(), judge, 0, 5), 0.9, watch, count)
    with (
        Models(dict.fromkeys(ROLES, spec), Ledger("compile", None, limits)) as models,
        dspy.context(lm=models.lms["teacher"], roles=models.lms, adapters={}, trace=[], disable_history=True),
    ):
        yield Bench(models, watch, metric, folder / "optimizer.log", tried)


def texts_of(program: dspy.Module) -> dict[str, Any]:
    """Predictor → its instructions and demonstrations: all that an optimizer may change."""
    return {
        name: (predictor.signature.instructions, [dict(demo) for demo in predictor.demos])
        for name, predictor in program.named_predictors()
    }
