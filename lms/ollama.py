"""Ollama, spoken natively (`POST /api/chat`).

DSPy's own routes cannot set the context size, and Ollama cuts long prompts without a word.  Here the context size
is fixed, cutting is forbidden (`truncate` and `shift` false), and only an answer that is done and stopped counts.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, ThinkingPart, Usage

_BY_STATUS: dict[int, type[lm15.LM15Error]] = {
    400: lm15.InvalidRequestError,
    401: lm15.AuthError,
    403: lm15.AuthError,
    404: lm15.UnsupportedModelError,
    408: lm15.TimeoutError,
    429: lm15.RateLimitError,
    504: lm15.TimeoutError,
}
_OVERFLOW = ("exceed_context_size_error", "longer than the context length", "exceeds the context length")
_CLIENT_FAULTS = ("must be of type", "invalid format")  # Ollama answers these with 500; a retry is useless
_OPTIONS = {
    "temperature": "temperature",
    "max_tokens": "num_predict",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
}


class _Client(httpx.Client):
    """Closes its connections when its thread or its engine is gone."""

    def __del__(self) -> None:
        self.close()


class OllamaEngine:
    """A DSPy engine for one Ollama server.  One HTTP client per thread: a shared pool rescans all connections."""

    supports_function_calling = False
    supports_reasoning = False
    supports_response_schema = True
    supported_params = frozenset({"temperature", "max_tokens", "top_p", "top_k", "stop", "seed", "response_format"})

    def __init__(
        self, base_url: str, num_ctx: int, keep_alive: str = "30m", think: bool | None = None, timeout: float = 600.0
    ):
        self.settings: dict[str, Any] = {
            "base_url": base_url.rstrip("/"), "num_ctx": num_ctx, "keep_alive": keep_alive,
            "think": think, "timeout": timeout,
        }  # fmt: skip
        self.num_ctx = num_ctx
        self._clients = threading.local()

    def __deepcopy__(self, memo: dict[int, Any]) -> OllamaEngine:
        return self

    def dump_state(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return dict(self.settings)

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> OllamaEngine:
        """Rebuild an engine from `dump_state`."""
        return cls(**state)

    def complete(self, request: Request) -> Response:
        """Send one request.

        Raises:
            lm15 errors: ContextLengthError when the prompt does not fit num_ctx, ProviderError when the answer was
            cut at max_tokens, UnsupportedModelError for a missing model, TransportError and ServerError otherwise.
        """
        try:
            answer = self._client().post(f"{self.settings['base_url']}/api/chat", json=self._body(request))
        except httpx.TimeoutException as error:
            raise lm15.TimeoutError(f"no answer in {self.settings['timeout']} s", provider="ollama") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            message = f"cannot reach Ollama at {self.settings['base_url']} ({error}); is `ollama serve` running?"
            raise lm15.TransportError(message, provider="ollama") from error
        if answer.status_code != httpx.codes.OK:
            raise self._error(request, answer.status_code, answer.text)
        try:
            return self._response(request, answer.json())
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.settings['base_url']} answered with something that is not Ollama's"
            raise lm15.TransportError(message, provider="ollama") from error

    def _client(self) -> httpx.Client:
        if not hasattr(self._clients, "client"):
            self._clients.client = _Client(timeout=self.settings["timeout"])
        client: httpx.Client = self._clients.client
        return client

    def _body(self, request: Request) -> dict[str, Any]:
        config = request.config
        messages = []
        if request.system is not None:
            system = request.system if isinstance(request.system, str) else "".join(p.text for p in request.system)
            messages.append({"role": "system", "content": system})
        messages += [{"role": message.role, "content": message.text or ""} for message in request.messages]
        options: dict[str, Any] = {"num_ctx": self.num_ctx}
        for ours, theirs in _OPTIONS.items():
            if getattr(config, ours) is not None:
                options[theirs] = getattr(config, ours)
        if config.stop:
            options["stop"] = list(config.stop)
        body: dict[str, Any] = {
            "model": request.model.split("/", 1)[-1], "messages": messages, "stream": False, "options": options,
            "keep_alive": self.settings["keep_alive"], "truncate": False, "shift": False,
        }  # fmt: skip
        if config.response_format:
            is_object = config.response_format["type"] == "json_object"
            body["format"] = "json" if is_object else config.response_format["schema"]
        if self.settings["think"] is not None:
            body["think"] = self.settings["think"]
        return body

    def _response(self, request: Request, data: dict[str, Any]) -> Response:
        done = data["done"]
        read, written, reason = data.get("prompt_eval_count"), data.get("eval_count"), data.get("done_reason")
        if reason == "length":
            message = f"answer cut after {written} tokens; raise max_tokens (or num_ctx) of {request.model}"
            raise lm15.ProviderError(message, provider="ollama", provider_code="truncated")
        if not done or reason != "stop":
            raise lm15.ServerError("the answer ended before it was done", provider="ollama")
        if read is not None and read >= self.num_ctx - 1:  # servers before 0.12.6 ignore `truncate` and cut
            raise self._overflow(request)
        parts: list[Any] = [TextPart(data["message"]["content"])]
        if data["message"].get("thinking"):
            parts.insert(0, ThinkingPart(data["message"]["thinking"]))
        return Response(
            id=None, model=data["model"], message=Message.assistant(parts), finish_reason="stop",
            usage=Usage(input_tokens=read, output_tokens=written),
        )  # fmt: skip

    def _error(self, request: Request, status: int, text: str) -> lm15.LM15Error:
        if any(mark in text for mark in _OVERFLOW):
            return self._overflow(request)
        try:
            message = str(json.loads(text)["error"])
        except (json.JSONDecodeError, KeyError, TypeError):
            message = text[:200]
        if status == 404:
            message += f"; run `ollama pull {request.model.split('/', 1)[-1]}`"
        kind = _BY_STATUS.get(status, lm15.ServerError if status >= 500 else lm15.ProviderError)
        if any(mark in message for mark in _CLIENT_FAULTS):
            kind = lm15.InvalidRequestError
        return kind(message, provider="ollama", status=status)

    def _overflow(self, request: Request) -> lm15.LM15Error:
        message = f"the prompt does not fit into {self.num_ctx} tokens; raise num_ctx of {request.model}"
        return lm15.ContextLengthError(message, provider="ollama")
