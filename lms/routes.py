"""OpenAI-compatible servers and hosted models, through DSPy's own engines: its native ones, else LiteLLM."""

from __future__ import annotations

import os
from dataclasses import replace

from dspy import lm15
from dspy.clients.engines import LiteLLMEngine, LM15Engine
from dspy.lm15 import (
    AccessPolicy,
    EndpointSupport,
    OpenAIChatCompat,
    ProviderDefinition,
    Request,
    Response,
    RouterConfig,
    Timeouts,
)

from lms.faults import UNFINISHED, UNREACHABLE
from lms.resilient import Engine
from lms.spec import SERVERS, ModelSpec

# Nothing phones home: without this, LiteLLM downloads a price list at run time.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
# Of lm15's transports, whose classes DSPy does not export.
_NO_CONNECTION, _NO_ANSWER = ("ConnectError", "ConnectTimeout"), "ReadTimeout"
# How vLLM, llama.cpp, and SGLang say that a prompt is too long; lm15 knows OpenAI's code for it alone.
_OVERFLOW = ("maximum context length", "exceed_context_size", "available context size", "longer than the model")
_OPENAI = "openai"


class RoutedEngine:
    """One of DSPy's engines, with the spec's extra fields in each request, and its losses named as ours are."""

    def __init__(self, engine: Engine, spec: ModelSpec):
        self.engine, self.spec = engine, spec

    def complete(self, request: Request) -> Response:
        """Send one request; raises lm15 errors."""
        extensions = {**(request.config.extensions or {}), **self.spec.extra}
        config = request.config
        if config.top_k is not None and self.spec.provider in SERVERS:
            # OpenAI's protocol has no such field and lm15 leaves it out, but all of these servers read it.
            extensions, config = {"top_k": config.top_k, **extensions}, replace(config, top_k=None)
        if extensions:
            request = replace(request, config=replace(config, extensions=extensions))
        try:
            response = self.engine.complete(request)
        except lm15.TransportError as error:
            if type(error.__cause__).__name__ == _NO_ANSWER:
                raise lm15.TimeoutError(
                    f"no answer in {self.spec.timeout:g} s; raise timeout if the model is slow"
                ) from error
            if type(error.__cause__).__name__ in _NO_CONNECTION:
                error.provider_code = UNREACHABLE
                error.args = (f"cannot reach the server ({error.message}); check base_url, and that it runs",)
                error.message = error.args[0]
            raise
        except lm15.InvalidRequestError as error:
            if isinstance(error, lm15.ContextLengthError) or any(mark in error.message for mark in _OVERFLOW):
                raise lm15.ContextLengthError(
                    f"the prompt does not fit the context of {self.spec.model}: {error.message}; lower max_tokens, "
                    "or start the server with a larger context",
                    status=error.status,
                ) from error
            raise
        if _broke_off(response):
            raise lm15.ServerError("the answer broke off: it has no end", provider_code=UNFINISHED)
        return response


def _broke_off(response: Response) -> bool:
    """Whether a chat completion gives no reason for its end, which lm15 takes for a full stop."""
    choices = (response.provider_data or {}).get("choices")
    return choices is not None and not (choices and choices[0].get("finish_reason"))


def route(spec: ModelSpec, key: str | None, connections: int) -> tuple[Engine, str]:
    """Return the engine of a spec, and the model's name as that engine knows it.

    Local servers and addresses of the user's own are declared to DSPy's native engine; providers that it knows go
    through it too; the rest (Bedrock, Together, …) goes through LiteLLM.
    """
    timeouts = Timeouts(read=spec.timeout, write=spec.timeout, pool=spec.timeout)
    if spec.provider in SERVERS or (spec.provider == _OPENAI and spec.base_url):
        dialect, address = SERVERS.get(spec.provider, (_OPENAI, spec.base_url or ""))
        server = ProviderDefinition.chat(
            AccessPolicy(
                provider="server",
                supports=EndpointSupport(complete=True),
                auth_modes=("bearer",),
                base_url=spec.base_url or address,
            ),
            compat=OpenAIChatCompat.preset(dialect),
            placeholder_key=None if key else "none",
        )
        config = RouterConfig(
            env={}, api_keys={"server": key} if key else None, timeouts=timeouts, max_connections=connections,
            providers=(server,),
        )  # fmt: skip
        return RoutedEngine(LM15Engine(config), spec), f"server/{spec.name}"
    config = RouterConfig(timeouts=timeouts, max_connections=connections)
    try:
        provider = LM15Engine(config).resolve(spec.model).provider
    except (lm15.UnknownModelError, lm15.UnsupportedFeatureError):
        options = {"api_key": key, "api_base": spec.base_url}
        given = {name: value for name, value in options.items() if value}
        return RoutedEngine(LiteLLMEngine(timeout=spec.timeout, **given), spec), spec.model
    config = replace(
        config,
        api_keys={provider: key} if key else None,
        base_urls={provider: spec.base_url} if spec.base_url else None,
    )
    return RoutedEngine(LM15Engine(config), spec), spec.model
