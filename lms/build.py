"""From declared models to `dspy.LM`s: one engine and one gate per model, one LM per role."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import dspy

from corpus.errors import RecipeError, TeacherError
from lms.gate import Announce, Gate
from lms.ledger import Ledger
from lms.ollama.connection import Connection
from lms.ollama.engine import OllamaEngine
from lms.ollama.server import OllamaServer
from lms.resilient import Engine, ResilientEngine
from lms.spec import OLLAMA, SCRIPTED, TRANSFORMERS, ModelSpec

if TYPE_CHECKING:
    from dspy.clients.provider import Provider

    from lms.in_process.shelf import Shelf

LOADED = 2  # checkpoints of this process in memory at once; a third makes the least recently used give way
OLLAMA_ADDRESS = "http://127.0.0.1:11434"
# Fields that decide how a model is called and not what it answers: they are no part of its fingerprint.
_NO_MATTER = {
    "api_key_env", "num_ctx", "keep_alive", "allow_cloud", "timeout", "retries", "patience", "concurrency", "prices",
    "latency", "temperature", "max_tokens", "seed",
}  # fmt: skip


class Models:
    """The models of some roles; use as a context manager, which looks whether they are there, and closes them.

    Args:
        specs: role → model; roles with equal specs share an engine, those of one model at one server a gate.
        ledger: where calls are entered.
        concurrency: calls at once at one model, unless its spec says otherwise.
        cached: whether DSPy may keep answers (see lms/cache.py).
        cached_scripted: whether those of the scripted teacher are kept too, which is quicker asked again.
        announce: called with a line that the user should see now.
        provider: what tunes the LMs, such as `finetune.provider.TRLProvider`; without one `lm.finetune` is refused.
        takes_cut: whether an answer that was cut at `max_tokens` is an answer, as in an exam, and not a failure.

    Raises:
        RecipeError: the environment variable of a key is not set.
        TeacherError: (on entering) an Ollama server is not there, lacks the model, or does not fit the spec.
        ModelError: (on entering) a local checkpoint cannot be loaded.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        ledger: Ledger | None = None,
        concurrency: int = 64,
        cached: bool = False,
        cached_scripted: bool = False,
        announce: Announce = lambda line: None,
        provider: Provider | None = None,
        takes_cut: bool = False,
    ):
        self.takes_cut = takes_cut
        self.specs, self.ledger = dict(specs), ledger or Ledger("")
        self.concurrency, self.announce = concurrency, announce
        self.cached, self.cached_scripted, self.provider = cached, cached_scripted, provider
        self.lms: dict[str, dspy.LM] = {}
        self.gates: dict[str, Gate] = {}
        self.weights: dict[str, str] = {}
        self._stack = ExitStack()
        self._shelf: Shelf | None = None
        for spec in self.specs.values():
            read_key(spec)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            built: dict[str, tuple[Engine, str, str]] = {}
            gates: dict[tuple[str, str | None], Gate] = {}
            for role, spec in self.specs.items():
                key, server = spec.model_dump_json(), (spec.model, spec.base_url)
                if key not in built:
                    built[key] = self._build(spec, stack)
                if server not in gates:
                    # In this process so many are answered together, while as many gather for the next batch.
                    most = self._most(spec) * (2 if spec.provider == TRANSFORMERS else 1)
                    gates[server] = Gate(spec.identity, most, spec.patience, self.announce)
                engine, name, weights = built[key]
                gate = self.gates[role] = gates[server]
                self.weights[role] = weights
                self.lms[role] = self._lm(
                    role,
                    spec,
                    name,
                    weights,
                    ResilientEngine(engine, spec, role, gate, self.ledger, name, self.takes_cut),
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        self._stack.close()

    def stop(self) -> None:
        """Begin no further call and wake those that wait; calls under way end by themselves."""
        for gate in self.gates.values():
            gate.stop()

    @property
    def keep_answers(self) -> bool:
        """Whether DSPy keeps the answers of any of them."""
        return any(lm.cache for lm in self.lms.values())

    def distinct_gates(self) -> Iterator[Gate]:
        """Yield each gate once."""
        yield from dict.fromkeys(self.gates.values())

    def _most(self, spec: ModelSpec) -> int:
        return spec.concurrency or self.concurrency

    def _lm(self, role: str, spec: ModelSpec, name: str, weights: str, engine: ResilientEngine) -> dspy.LM:
        kwargs: dict[str, Any] = {"top_p": spec.top_p, "top_k": spec.top_k, "seed": spec.seed}
        if spec.provider != OLLAMA and spec.think is not None and spec.think is not True:
            kwargs["reasoning_effort"] = spec.think or "none"
        return dspy.LM(
            f"{spec.model}#{fingerprint(spec, weights)}",
            engine=engine,
            provider=self.provider,
            cache=self.cached and (self.cached_scripted or spec.provider != SCRIPTED),
            num_retries=0,  # the engine repeats what is worth it
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
            **{key: value for key, value in kwargs.items() if value is not None},
        )

    def _build(self, spec: ModelSpec, stack: ExitStack) -> tuple[Engine, str, str]:
        """Return the engine, the model's name as it knows it, and what identifies the weights, as far as is known."""
        if spec.provider == SCRIPTED:
            from lms.scripted.engine import ScriptedEngine

            return ScriptedEngine(spec.mistakes, spec.latency), spec.model, ""
        if spec.provider == TRANSFORMERS:
            from lms.in_process.engine import InProcessEngine
            from lms.in_process.shelf import Shelf

            self._shelf = self._shelf or Shelf(LOADED)
            local = InProcessEngine(spec.name, self._shelf, max_batch=self._most(spec), num_ctx=spec.num_ctx)
            stack.callback(local.unload)
            return stack.enter_context(local), spec.model, identify_folder(Path(spec.name))
        if spec.provider == OLLAMA:
            server = connect(spec)
            stack.callback(server.connection.close)
            with closing(server):
                weights = self._check(server)
            return OllamaEngine(spec, server.connection), spec.model, weights
        from lms.routes import route

        engine, name = route(spec, read_key(spec), self._most(spec))
        return engine, name, ""

    def _check(self, server: OllamaServer) -> str:
        """Return the digest of an Ollama model's weights, once nothing speaks against it."""
        version, found = server.version(), server.facts()
        for problem in server.problems(version, found):
            if problem.grave:
                raise TeacherError(f"{server.spec.model}: {problem.what}")
            self.announce(f"{server.spec.model}: {problem.what}")
        return found.digest if found else ""


def build_lm(spec: ModelSpec, role: str = "teacher", **options: Any) -> dspy.LM:
    """Return the LM of one spec, for the life of the process; options and errors are those of `Models`."""
    return Models({role: spec}, **options).__enter__().lms[role]


def connect(spec: ModelSpec) -> OllamaServer:
    """Return the Ollama server of a spec; nothing is sent yet."""
    connection = Connection(spec.base_url or OLLAMA_ADDRESS, read_key(spec), spec.timeout)
    return OllamaServer(spec, connection)


def read_key(spec: ModelSpec) -> str | None:
    """Return the key of a spec from the environment, None when it names none, without the space around it.

    Raises:
        RecipeError: it is not set, or holds what no HTTP header may hold.
    """
    if spec.api_key_env is None:
        return None
    key = os.environ.get(spec.api_key_env, "").strip()
    if not key:
        raise RecipeError(f"{spec.model}: set the environment variable {spec.api_key_env} to the key")
    if not (key.isascii() and key.isprintable()):
        raise RecipeError(f"{spec.model}: the key in {spec.api_key_env} holds a character that is no part of a key")
    return key


def fingerprint(spec: ModelSpec, weights: str = "") -> str:
    """Return what tells a model's answers from those of another: server, weights, and settings that decide answers."""
    decisive = {key: value for key, value in spec.model_dump(mode="json").items() if key not in _NO_MATTER}
    text = json.dumps([decisive, weights], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def identify_folder(folder: Path) -> str:
    """Return names, sizes, and times of a checkpoint's files as JSON; an empty list for a hub id."""
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    return json.dumps([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files])
