"""Looks at a recipe's models before they are needed: there, able, quick, and with room for the longest prompt?"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

import dspy
from dspy import lm15
from dspy.lm15 import Config, Message, Reasoning, Request, Response
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from corpus.errors import EmoReasonError
from lms.build import Models, connect, read_key
from lms.ollama.server import OllamaServer
from lms.spec import OLLAMA, SCRIPTED, TRANSFORMERS, ModelSpec
from runs.longest_prompts import find_longest_prompts, size_of
from runs.recipe import Recipe

State = Literal["ok", "note", "fails"]
ROOM = 1.25  # of the scripted teacher's longest prompt: a real teacher's texts may be longer
LEAST_BYTES = 3.0  # of text per token, where a prompt does not fit and its tokens are not known
MOST_AT_ONCE = 8  # calls sent together to see how many a server works on
SHORT = "Answer in one short sentence: what may a person feel who finds an old letter?"
SCHEMA = {
    "type": "object", "properties": {"feeling": {"type": "string"}}, "required": ["feeling"],
    "additionalProperties": False,
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing looked at in a model, which is named with its roles.

    ``advice`` says what to change, where ``found`` does not say it already.
    """

    model: str
    what: str
    state: State
    found: str
    advice: str = ""


def examine_models(recipe: Recipe, console: Console, pull: bool = False) -> Iterator[Finding]:
    """Yield findings model by model; a model that cannot be used ends its own list, not the examination."""
    prompts = find_longest_prompts(recipe)
    roles: dict[str, list[str]] = {}
    for role, spec in recipe.roles.items():
        roles.setdefault(spec.model_dump_json(), []).append(role)
    for names in roles.values():
        spec = recipe.roles[names[0]]
        longest = max((prompts[role] for role in names if role in prompts), key=size_of, default=None)
        concurrency = spec.concurrency or recipe.generate.concurrency
        whose = "teacher" if "teacher" in names else ", ".join(names)
        for finding in _Examination(spec, longest, concurrency, console, pull).findings():
            yield replace(finding, model=f"{whose}: {spec.model}")


class _Examination:
    """Of one model."""

    def __init__(self, spec: ModelSpec, longest: Request | None, concurrency: int, console: Console, pull: bool):
        self.spec, self.longest, self.concurrency = spec, longest, concurrency
        self.console, self.pull = console, pull

    def findings(self) -> Iterator[Finding]:
        if self.spec.unused:
            yield self._note("recipe", f"{', '.join(self.spec.unused)}: set, and without meaning for this engine")
        if self.spec.provider == SCRIPTED:
            yield self._ok("engine", "embedded; no language model")
            return
        try:
            if self.spec.api_key_env:
                read_key(self.spec)
                yield self._ok("key", f"{self.spec.api_key_env} is set")
            if self.spec.provider == OLLAMA:
                yield from self._server()
            with Models({"doctor": self.spec}, concurrency=self.concurrency) as models:
                yield from self._calls(models.lms["doctor"])
        except EmoReasonError as error:
            yield self._fails("usable", str(error).removeprefix(f"{self.spec.model}: "))
        except lm15.LM15Error as error:
            yield self._fails("usable", self._say(error))

    def _server(self) -> Iterator[Finding]:
        with closing(connect(self.spec)) as server, closing(server.connection):
            version = server.version()
            yield self._ok("server", f"Ollama {'.'.join(map(str, version))}")
            if (facts := server.facts()) is None and self.pull:
                self._pull(server)
                facts = server.facts()
            for problem in server.problems(version, facts):
                if not problem.grave:
                    yield self._note("fit", problem.what)
            if facts:
                trained = f", trained for {facts.num_ctx:,} tokens" if facts.num_ctx else ""
                size = f", {facts.size / 1e9:.1f} GB" if facts.size else ""
                yield self._ok("model", f"{', '.join(facts.capabilities) or 'there'}{trained}{size}")

    def _pull(self, server: OllamaServer) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(f"pulling {self.spec.name}", total=None)
            for step in server.pull():
                bar.update(
                    task, description=f"{self.spec.name}: {step.status}", completed=step.done, total=step.total or None
                )

    def _calls(self, lm: dspy.LM) -> Iterator[Finding]:
        engine, name = lm.engine.engine, lm.engine.name  # one attempt a call, and an answer that was cut is shown
        names = ("temperature", "max_tokens", "top_p", "top_k")
        kwargs = {key: value for key, value in lm.kwargs.items() if key in names}
        if effort := lm.kwargs.get("reasoning_effort"):
            kwargs["reasoning"] = Reasoning("off" if effort == "none" else effort)

        def ask(text: str = SHORT, **config: object) -> Response:
            settings = {**kwargs, "seed": 1, **config}
            response: Response = engine.complete(Request(name, (Message.user(text),), config=Config(**settings)))
            return response

        def ask_longest(request: Request) -> Response:
            config = replace(request.config, **{**kwargs, "max_tokens": 16})
            response: Response = engine.complete(replace(request, model=name, config=config))
            return response

        try:
            ask()  # loads the model where it is not loaded
            started = time.monotonic()
            answer = ask()
            seconds = time.monotonic() - started
        except lm15.LM15Error as error:
            yield self._fails("short answer", self._say(error))
            return
        yield self._short_answer(answer, seconds)
        if self.longest is not None:
            yield self._context(self.longest, ask_longest)
        yield self._structured(ask)
        yield self._at_once(ask)

    def _short_answer(self, answer: Response, seconds: float) -> Finding:
        written = answer.usage.output_tokens or 0
        found = f"{written} tokens in {seconds:.2f} s ({written / max(seconds, 1e-9):.0f}/s)"
        if answer.finish_reason == "length":
            return self._fails("short answer", f"{found}, and cut", "raise max_tokens, or set think: false")
        return self._ok("short answer", found)

    def _context(self, longest: Request, ask: Callable[[Request], Response]) -> Finding:
        declared = self.spec.num_ctx if self.spec.provider in (OLLAMA, TRANSFORMERS) else None
        try:
            read = ask(longest).usage.input_tokens or 0
        except lm15.ContextLengthError as error:
            needed = math.ceil(ROOM * size_of(longest) / LEAST_BYTES) + self.spec.max_tokens
            return self._fails("longest prompt", self._say(error), _advise(needed) if declared else "")
        except lm15.LM15Error as error:
            return self._fails("longest prompt", self._say(error))
        needed = math.ceil(ROOM * read) + self.spec.max_tokens
        granted = self._granted()
        found = f"{read:,} tokens; with room and answer {needed:,}"
        if declared is None:
            return self._ok("longest prompt", found)
        found += f" of {granted or declared:,}"
        if granted is not None and granted < declared:
            return self._fails(
                "longest prompt", found, f"the server grants {granted:,} tokens of num_ctx {declared:,}: "
                "it lacks memory; lower num_ctx or OLLAMA_NUM_PARALLEL"
            )  # fmt: skip
        return (
            self._fails("longest prompt", found, _advise(needed))
            if needed > declared
            else self._ok("longest prompt", found)
        )

    def _granted(self) -> int | None:
        if self.spec.provider != OLLAMA:
            return None
        with closing(connect(self.spec)) as server, closing(server.connection):
            return server.granted_context()

    def _structured(self, ask: Callable[..., Response]) -> Finding:
        wanted = self.spec.structured
        kind = {"type": "json_object"} if wanted == "json" else {"type": "json_schema", "name": "f", "schema": SCHEMA}
        try:
            answer = ask(f'{SHORT} Write a JSON object: {{"feeling": "…"}}', response_format=kind)
            works = isinstance(json.loads(answer.text or "").get("feeling"), str)  # thoughts may stand beside it
        except (lm15.InvalidRequestError, lm15.CapabilityError, ValueError, AttributeError):
            works = False
        name = "json" if wanted == "json" else "schema"
        if works:
            hint = "" if wanted != "none" else "; structured: schema would hold answers to their form"
            return self._ok("structured output", f"{name} works{hint}")
        if wanted == "none":
            return self._note("structured output", "a schema is not obeyed; structured: none asks for none")
        return self._fails("structured output", f"{name} is not obeyed", "set structured: none")

    def _at_once(self, ask: Callable[..., Response]) -> Finding:
        """How many calls the server works on at a time: n calls together take n / k times as long as one."""
        count = min(self.concurrency, MOST_AT_ONCE)
        if count == 1:
            return self._ok("at once", "one call at a time, as declared")
        started = time.monotonic()
        ask()
        one = time.monotonic() - started
        started = time.monotonic()
        try:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda number: ask(seed=number), range(count)))
        except lm15.LM15Error as error:
            return self._note("at once", f"of {count} calls together some failed: {self._say(error)}")
        together = time.monotonic() - started
        worked_on = max(1.0, min(float(count), count * one / max(together, 1e-9)))
        times = together / max(one, 1e-9)
        found = f"{count} calls together: {times:.1f} times as long as one; about {worked_on:.1f} at a time"
        if worked_on >= count / 2:
            return self._ok("at once", found)
        advice = "more at once only queue: lower generate.concurrency"
        if self.spec.provider == OLLAMA:
            advice += f", or start Ollama with OLLAMA_NUM_PARALLEL={self.concurrency}"
        return Finding(self.spec.model, "at once", "note", found, advice)

    def _say(self, error: lm15.LM15Error) -> str:
        """The first line of an error, without the key: some servers repeat one that they refuse."""
        text, key = str(error.message).partition("\n")[0], read_key(self.spec)
        return text.replace(key, "***") if key else text

    def _ok(self, what: str, found: str) -> Finding:
        return Finding(self.spec.model, what, "ok", found)

    def _note(self, what: str, found: str) -> Finding:
        return Finding(self.spec.model, what, "note", found)

    def _fails(self, what: str, found: str, advice: str = "") -> Finding:
        return Finding(self.spec.model, what, "fails", found, advice)


def _advise(needed: int) -> str:
    return f"set num_ctx to {1024 * math.ceil(needed / 1024)} or more"
