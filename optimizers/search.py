"""The search: a chain of optimizers, each going on from the program before it, within a budget.

A step keeps its program only if it is better on the development cases.  When the budget ends in the middle of a step,
the best candidate that was tried on all of them is taken.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback
from dspy.utils.exceptions import AdapterParseError

from corpus.errors import LimitError
from optimizers.attempt import Attempt
from optimizers.cases import Case, example_of
from optimizers.config import OptimizerName
from optimizers.metric import Metric
from optimizers.persistent import Persistent
from optimizers.quiet import dspy_at_work
from optimizers.scoring import mean_quality, score
from optimizers.strategies import STRATEGIES, Search, Sizes
from optimizers.watch import Halted, Watch, no_proposal

REFLECTION = "reflection"


@dataclass(frozen=True)
class Step:
    """What one optimizer did: its knobs, and the quality on the development cases before and after."""

    optimizer: OptimizerName
    knobs: dict[str, int]
    before: float
    after: float
    candidates: int


@dataclass(frozen=True)
class Found:
    """The best program, the steps that led to it, and why the search ended early, if it did."""

    program: dspy.Module
    steps: tuple[Step, ...]
    stopped: str = ""


@dataclass(frozen=True)
class Ground:
    """All that a search stands on.

    ``on_best`` is told the best quality on the development cases whenever a candidate is tried on all of them.
    """

    make: Callable[[], dspy.Module]
    watch: Watch
    metric: Metric
    train: Sequence[Case]
    dev: Sequence[Case]
    per_case: int
    demos: int
    reflection: dspy.LM
    seed: int
    threads: int
    log: Path
    on_best: Callable[[float], None] = field(default=lambda best: None)

    @property
    def sizes(self) -> Sizes:
        """The sizes to which strategies are fitted."""
        predictors = len(self.make().predictors())
        return Sizes(len(self.train), len(self.dev), predictors, min(self.per_case, predictors), self.demos)

    def attempt(self, state: Mapping[str, Any] | None = None) -> Attempt:
        """Return a fresh attempt, with the program in the given state.

        Fresh, because DSPy leaves a mark on what it has compiled, for which a marked program within another one is no
        longer seen, saved, or compiled.
        """
        program = self.make()
        if state is not None:
            program.load_state(dict(state))
        return Attempt(program, self.watch)


def search(ground: Ground, chain: Sequence[OptimizerName], metric_calls: int, start: dspy.Module) -> Found:
    """Compile ``start`` with a chain of optimizers that share the metric calls evenly.

    Raises:
        RecipeError: the metric calls are too few for one of them.
        EmoReasonError: a model cannot be used; nothing is returned then.
    """
    with dspy_at_work(ground.log):
        return _climb(ground, chain, metric_calls, start)


def _climb(ground: Ground, chain: Sequence[OptimizerName], metric_calls: int, start: dspy.Module) -> Found:
    state = start.dump_state()
    steps: list[Step] = []
    try:
        before = mean_quality(score(ground.attempt(state), ground.dev, ground.metric, ground.threads))
    except Halted as halted:
        raise halted.error from halted.__cause__
    ground.on_best(before)
    for name in chain:
        fit = STRATEGIES[name].fit(ground.sizes, metric_calls // len(chain))
        candidates = _Candidates(ground, state, before)
        cause: BaseException | None = None
        try:
            reader = Persistent(dspy.ChatAdapter(), ground.watch)
            with dspy.context(callbacks=[*(dspy.settings.callbacks or []), candidates], adapter=reader):
                compiled = _reset(ground, STRATEGIES[name].run(ground.attempt(state), _search_of(ground), fit.knobs))
                if not candidates.knows(compiled):
                    score(compiled, ground.dev, ground.metric, ground.threads)  # `candidates` takes it in
            end = ground.watch.end_step()
        except Halted as halted:
            end, cause = halted.error, halted.__cause__
        except (dspy.LMError, AdapterParseError) as error:  # of the reflection model: those of cases are outcomes
            seen = error if isinstance(error, dspy.LMError) else None
            end, cause = (seen and ground.watch.explain(seen, True)) or no_proposal(error), error
        if end and not isinstance(end, LimitError):
            raise end from cause
        steps.append(Step(name, fit.knobs, before, candidates.best, len(candidates.tried)))
        state, before = candidates.state, candidates.best
        if end:
            for watch in (ground.watch, ground.metric.watch):
                watch.resume()
            return Found(ground.attempt(state).program, tuple(steps), str(end))
    return Found(ground.attempt(state).program, tuple(steps))


def _reset(ground: Ground, compiled: Attempt) -> Attempt:
    compiled.set_lm(None)  # SIMBA binds models; who answers is for the roles to say
    return ground.attempt(compiled.program.dump_state())


def _search_of(ground: Ground) -> Search:
    return Search(
        train=[example_of(case) for case in ground.train],
        dev=[example_of(case) for case in ground.dev],
        metric=ground.metric,
        watch=ground.watch,
        reflection=ground.reflection,
        sizes=ground.sizes,
        seed=ground.seed,
        threads=ground.threads,
        labels=lambda attempt: _find_labels(ground, attempt),
    )


def _find_labels(ground: Ground, attempt: Attempt) -> dict[str, list[dspy.Example]]:
    """Return, per predictor, the fields of its asks in the cases whose outcome passes the metric's threshold."""
    names = {id(predictor): name for name, predictor in attempt.named_predictors()}
    labels: dict[str, list[dspy.Example]] = defaultdict(list)
    for case in ground.train:
        with dspy.context(trace=[]):
            made = attempt(case=case)
            if not ground.metric(example_of(case), made, trace=dspy.settings.trace):
                continue
            for predictor, given, written in dspy.settings.trace:
                if name := names.get(id(predictor)):
                    labels[name].append(dspy.Example(augmented=True, **given, **written))
    return labels


def _key(state: Mapping[str, Any]) -> str:
    return json.dumps(state, sort_keys=True, default=str)


class _Candidates(BaseCallback):
    """Takes in every candidate that is tried on all development cases, and calls of the reflection model that fail."""

    def __init__(self, ground: Ground, state: Mapping[str, Any], quality: float):
        self.ground, self.state, self.best = ground, state, quality
        self.tried: set[str] = set()
        self._dev = {case.id for case in ground.dev}
        self._running: dict[str, Mapping[str, Any]] = {}
        self._reflecting: set[str] = set()

    def knows(self, attempt: Attempt) -> bool:
        """Whether this very program was tried on all development cases."""
        return _key(attempt.program.dump_state()) in self.tried

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        devset = inputs.get("devset") or instance.devset
        if {example.case.id for example in devset} == self._dev:
            self._running[call_id] = inputs["program"].program.dump_state()

    def on_evaluate_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        state = self._running.pop(call_id, None)
        if state is None or outputs is None:
            return
        self.tried.add(_key(state))
        quality = sum(float(found) for *_, found in outputs.results) / len(outputs.results)
        if quality > self.best:
            self.state, self.best = state, quality
        self.ground.on_best(self.best)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if getattr(instance.engine, "role", "") == REFLECTION:
            self._reflecting.add(call_id)

    def on_lm_end(self, call_id: str, outputs: Any | None, exception: BaseException | None = None) -> None:
        if call_id in self._reflecting:
            self._reflecting.discard(call_id)
            self.ground.watch.note_proposal(exception if isinstance(exception, dspy.LMError) else None)
