"""What an Ollama server is and has: version, models, pull, contexts granted.  Spoken through the `ollama` package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import ollama
from dspy import lm15
from rapidfuzz import process

from corpus.errors import TeacherError
from lms.ollama.connection import Connection
from lms.spec import ModelSpec

Version = tuple[int, ...]
SINCE: dict[str, Version] = {  # first release with a feature
    "format": (0, 5, 0),
    "think": (0, 9, 0),
    "truncate": (0, 12, 6),
    "think max": (0, 22, 0),
}
ADMIN_SECONDS = 30.0
PULL_SECONDS = 1800.0  # to wait for the next line of a pull: to check the digest of a large model takes minutes


@dataclass(frozen=True)
class ModelFacts:
    """What the server says of a model; ``num_ctx`` is the context that it was trained for, in tokens."""

    digest: str
    capabilities: tuple[str, ...]
    family: str
    num_ctx: int | None
    size: int | None


@dataclass(frozen=True)
class Problem:
    """Why a spec and a server do not fit; a grave one makes every call fail."""

    what: str
    grave: bool = True


@dataclass
class Progress:
    """A line of a pull: what is done, and bytes where bytes are moved."""

    status: str
    done: int = 0
    total: int = 0


@dataclass
class OllamaServer:
    """The server of a spec.

    All methods raise TeacherError, in one line, when the server cannot be reached or refuses.
    """

    spec: ModelSpec
    connection: Connection
    _client: ollama.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = self._open(ADMIN_SECONDS)

    def close(self) -> None:
        """Close the connections of the `ollama` package."""
        self._client.close()  # type: ignore[no-untyped-call]

    def version(self) -> Version:
        """Return the release, such as (0, 33, 0)."""
        try:
            status, text, _ = self.connection.send("GET", "/api/version")
        except lm15.LM15Error as error:
            raise TeacherError(f"{self.spec.model}: {error}") from error
        if status in (401, 403):
            raise TeacherError(f"{self.spec.model}: the server refuses the key (status {status}); see api_key_env")
        try:
            numbers = re.match(r"\d+(?:\.\d+)*", json.loads(text)["version"])
        except (ValueError, KeyError, TypeError):
            numbers = None
        if numbers is None:
            raise TeacherError(
                f"{self.spec.model}: what answers at {self.connection.base_url} is not Ollama; base_url is the address "
                "without /v1, for example http://127.0.0.1:11434"
            )
        return tuple(int(number) for number in numbers[0].split("."))

    def names(self) -> list[str]:
        """Return the names of the models that the server has."""
        with self._boundary():
            return [str(model.model) for model in self._client.list().models]

    def facts(self) -> ModelFacts | None:
        """Return what the server says of the spec's model, or None when it does not have it."""
        wanted = self.spec.name if ":" in self.spec.name.rpartition("/")[2] else f"{self.spec.name}:latest"
        with self._boundary():
            listed = {str(model.model).lower(): model for model in self._client.list().models}.get(wanted.lower())
            if listed is None:
                return None
            shown = self._client.show(self.spec.name)
        info: dict[str, Any] = dict(shown.modelinfo or {})
        trained = next((value for key, value in info.items() if key.endswith(".context_length")), None)
        family = (shown.details.family if shown.details else None) or ""
        return ModelFacts(
            listed.digest or "",
            tuple(shown.capabilities or ()),
            family,
            trained,
            int(listed.size) if listed.size else None,
        )

    def problems(self, version: Version, found: ModelFacts | None) -> list[Problem]:
        """Return what keeps the spec from working on this release with the model found there, gravest first."""
        if found is None:
            return [Problem(self._missing())]
        problems = [*self._of_version(version), *self._of_model(found)]
        return sorted(problems, key=lambda problem: not problem.grave)

    def pull(self) -> Iterator[Progress]:
        """Fetch the model from the registry that the server uses."""
        with self.calling(PULL_SECONDS) as client:
            for line in client.pull(self.spec.name, stream=True):
                yield Progress(line.status or "", line.completed or 0, line.total or 0)

    @contextmanager
    def calling(self, seconds: float) -> Iterator[ollama.Client]:
        """Yield a client that waits so long for each line of an answer."""
        with self._boundary(), self._open(seconds) as client:
            yield client

    def granted_context(self) -> int | None:
        """Return the context that the server holds for the model at present, in tokens; None when it is not loaded."""
        with self._boundary():
            running = self._client.ps().models
        names = {self.spec.name.lower(), f"{self.spec.name.lower()}:latest"}
        return next((m.context_length for m in running if str(m.model).lower() in names), None)

    def _missing(self) -> str:
        nearest = process.extractOne(self.spec.name, self.names(), score_cutoff=60)
        near = f" (the nearest that it has is {nearest[0]})" if nearest else ""
        return f"the server does not have {self.spec.name}{near}; run `ollama pull {self.spec.name}`, or doctor --pull"

    def _of_version(self, version: Version) -> Iterator[Problem]:
        spec, release = self.spec, ".".join(map(str, version))
        if version < SINCE["truncate"]:
            yield Problem(
                f"Ollama {release} cuts prompts that do not fit; a cut is seen by its count of tokens, "
                "but 0.12.6 or newer refuses them",
                grave=False,
            )
        if spec.structured != "none" and version < SINCE["format"]:
            yield Problem(f"Ollama {release} knows no schemas; set structured: none, or update to 0.5 or newer")
        if spec.think is not None and version < SINCE["think"]:
            yield Problem(f"Ollama {release} does not know think; remove the key, or update to 0.9 or newer")
        if spec.think == "max" and SINCE["think"] <= version < SINCE["think max"]:
            yield Problem(f"Ollama {release} does not know think: max; write high, or update to 0.22 or newer")

    def _of_model(self, found: ModelFacts) -> Iterator[Problem]:
        spec = self.spec
        if found.capabilities and "completion" not in found.capabilities:
            yield Problem(f"{spec.name} does not write text ({', '.join(found.capabilities)}); name another model")
        if spec.think and found.capabilities and "thinking" not in found.capabilities:
            yield Problem(f"{spec.name} does not think; remove think, or set it to false")
        if spec.think is False and found.family in ("gptoss", "gpt-oss"):
            yield Problem(f"the thinking of {spec.name} cannot be switched off; set think: low", grave=False)
        if found.num_ctx is not None and spec.num_ctx > found.num_ctx:
            yield Problem(f"{spec.name} was trained for {found.num_ctx:,} tokens; lower num_ctx to that")

    def _open(self, seconds: float) -> ollama.Client:
        # No proxy of the environment: it would stand before a local server too.
        hooks = {"request": [self._authorize]}
        return ollama.Client(self.connection.base_url, timeout=seconds, trust_env=False, event_hooks=hooks)

    def _authorize(self, request: httpx.Request) -> None:
        """Send the key that is declared, or none: the package would send OLLAMA_API_KEY to any server."""
        request.headers.pop("Authorization", None)
        if authorization := self.connection.headers.get("Authorization"):
            request.headers["Authorization"] = authorization

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        where = f"({self.connection.base_url})"
        try:
            yield
        except ollama.ResponseError as error:
            said = str(error.error).strip().partition("\n")[0] or f"status {error.status_code}"
            if key := self.connection.headers.get("Authorization", "").removeprefix("Bearer "):
                said = said.replace(key, "***")
            raise TeacherError(f"{self.spec.model}: the server refuses: {said}") from error
        except (ConnectionError, httpx.HTTPError) as error:
            reason = str(error).partition(". ")[0] or type(error).__name__
            raise TeacherError(f"{self.spec.model}: {reason} {where}") from error
        except (ValueError, TypeError, AttributeError) as error:  # of the package, about an answer that it cannot read
            raise TeacherError(f"{self.spec.model}: what answers is not Ollama {where}") from error
