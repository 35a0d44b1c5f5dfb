"""What is to be compiled, and the name that tells it from everything else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import dspy

from corpus.errors import DataError
from corpus.seeds import derive_seed
from lms.build import fingerprint
from lms.spec import ModelSpec
from optimizers.config import Kind, OptimizerName
from optimizers.metric import Assessor
from optimizers.quality.exam import ExamQuality
from optimizers.quality.items import ItemQuality
from optimizers.quality.session import SessionQuality
from optimizers.quality.weights import weights_of
from optimizers.store import PROGRAMS, load_into
from optimizers.strategies import Sizes
from programs.fingerprint import fingerprint_prompts
from runs.compiling.estimate import Estimate, estimate
from runs.folder import Run
from runs.items import read_file
from runs.programs import load_named, make_program
from runs.recipe import EXAMINEE, JUDGE, REFLECTION, WRITERS, Recipe


@dataclass(frozen=True)
class Order:
    """What is to be compiled.

    Args:
        recipe: with the optimizers, sizes, and budget in `compile:`.
        kind: which program.
        root: the folder of all compiled programs.
        start: a compiled program to go on from; None for the program as it is in the code.
        run: the run whose items an exam prompt is compiled on; needed for that kind alone.
    """

    recipe: Recipe
    kind: Kind
    root: Path = PROGRAMS
    start: Path | None = None
    run: Run | None = None

    @property
    def chain(self) -> list[OptimizerName]:
        """The optimizers."""
        return self.recipe.compile.chain

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles whose models are asked."""
        if self.kind == "exam":
            return (EXAMINEE, REFLECTION)
        return (*WRITERS, *([JUDGE] if self.recipe.compile.judge else []), REFLECTION)

    @property
    def per_case(self) -> int:
        """How many of the program's predictors one case asks."""
        return len(self.make().predictors()) if self.kind == "session" else 1

    def make(self) -> dspy.Module:
        """Return the program as it is in the code."""
        return make_program(self.kind, self.recipe)

    def parent(self) -> dspy.Module:
        """Return the program from which the search starts; raises as `load_into`."""
        program = self.make()
        if self.start:
            load_into(program, self.start)
        return program

    @property
    def sizes(self) -> Sizes:
        """The sizes to which optimizers are fitted."""
        compile_, predictors = self.recipe.compile, len(self.make().predictors())
        return Sizes(compile_.train, compile_.dev, predictors, self.per_case, compile_.demos)

    @property
    def weights(self) -> dict[str, float]:
        """Criterion → weight."""
        return weights_of(self.kind, getattr(self.recipe.compile.weights, self.kind))

    def assessor(self) -> Assessor:
        """Return what says how good an attempt is."""
        recipe, seed = self.recipe, derive_seed(self.recipe.seed, "quality")
        if self.kind == "items":
            compile_ = recipe.compile
            return ItemQuality(
                self.weights, recipe.curate, compile_.judge, compile_.votes, seed, self._existing_scenarios()
            )
        if self.kind == "session":
            return SessionQuality(self.weights, recipe.compile.judge, seed)
        return ExamQuality(self.weights)

    def _existing_scenarios(self) -> list[str]:
        """The scenarios that an item must not repeat; raises DataError for a file that holds no items."""
        return [placed.item.scenario for path in self.recipe.compile.existing for placed in read_file(path)]

    def _sessions_by(self) -> str:
        """What writes the sessions of item cases, as a fingerprint."""
        return fingerprint_prompts([load_named("session", self.recipe)]) if self.kind == "items" else ""

    def _items(self) -> str:
        """The items of a run, as a fingerprint."""
        if self.run is None:
            return ""
        self.run.require("curate")
        return _fingerprint(self.run.items_path)

    @property
    def name(self) -> str:
        """The name of the compilation, which tells it from any other; raises RunError when a run is not curated."""
        recipe = self.recipe
        specs = recipe.models_of(*self.roles)
        made_from = {
            "compile": recipe.compile.model_dump(mode="json", exclude={"threads", "failures", "optimizer", "existing"}),
            "chain": self.chain,
            "plan": recipe.plan.model_dump(mode="json", exclude={"sessions"}),
            "curate": recipe.curate.model_dump(mode="json") if self.kind == "items" else {},
            "seed": recipe.seed,
            "models": {role: [fingerprint(spec), *_settings(spec)] for role, spec in specs.items()},
            "parent": fingerprint_prompts([self.parent()]),
            "sessions by": self._sessions_by(),
            "items": self._items(),
            "existing": [_fingerprint(path) for path in recipe.compile.existing],
        }
        key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.kind}-{'+'.join(self.chain)}-{key}"


def _fingerprint(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error


def _settings(spec: ModelSpec) -> list[float | int | None]:
    """What is sent with every call, and so decides answers without being part of a model's fingerprint."""
    return [spec.temperature, spec.max_tokens, spec.seed]


def estimate_order(order: Order) -> Estimate:
    """Say beforehand what an order costs; raises RecipeError when its budget is too small."""
    return estimate(order.recipe, order.kind, order.chain, order.sizes)
