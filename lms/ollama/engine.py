"""Generation with Ollama: `POST /api/chat` as a DSPy engine.

DSPy's own routes cannot set the context size, and Ollama cuts long prompts without a word.  Here the context size
is fixed, cutting is forbidden (`truncate` and `shift` false), and only an answer that is done and stopped counts.
"""

from __future__ import annotations

import json
from typing import Any

from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, ThinkingPart, Usage

from lms.faults import UNFINISHED
from lms.ollama.connection import Connection
from lms.ollama.cut_prompts import PromptMeter
from lms.spec import ModelSpec

HTTP_OK, HTTP_NOT_FOUND = 200, 404
_BY_STATUS: dict[int, type[lm15.ProviderError]] = {
    400: lm15.InvalidRequestError,
    401: lm15.AuthError,
    403: lm15.AuthError,
    404: lm15.UnsupportedModelError,
    408: lm15.TimeoutError,
    429: lm15.RateLimitError,
    504: lm15.TimeoutError,
}
_OVERFLOW = ("exceed_context_size_error", "longer than the context length", "exceeds the context length")
# Some of them come with 500.
_CLIENT_FAULTS = ("must be of type", "must be of an array", "invalid format", "JSON schema conversion failed")
_BROKEN_ANSWER = "does not match the expected"  # llama.cpp's parser could make nothing of what the model wrote
_OPTIONS = {
    "temperature": "temperature",
    "max_tokens": "num_predict",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


class OllamaEngine:
    """A DSPy engine for one model of an Ollama server; one attempt a call, thread-safe."""

    def __init__(self, spec: ModelSpec, connection: Connection):
        self.spec, self.connection = spec, connection
        self._meter = PromptMeter(spec.num_ctx)

    def complete(self, request: Request) -> Response:
        """Send one request.

        Raises:
            lm15 errors: ContextLengthError when the prompt does not fit num_ctx, ServerError with the code
            `unfinished` when the answer broke off, UnsupportedModelError for a missing model, AuthError for a key,
            TransportError, TimeoutError, RateLimitError, and ServerError for what may pass.
        """
        body = self._body(request)
        status, text, retry_after = self.connection.send("POST", "/api/chat", body)
        if status != HTTP_OK:
            raise self._error(status, text, retry_after)
        size = sum(len(message["content"].encode()) for message in body["messages"])
        try:
            return self._response(json.loads(text), size)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = "what answered is not Ollama; check base_url"
            raise lm15.TransportError(message, provider="ollama") from error

    def _body(self, request: Request) -> dict[str, Any]:
        config = request.config
        messages = []
        if request.system is not None:
            system = request.system if isinstance(request.system, str) else "".join(p.text for p in request.system)
            messages.append({"role": "system", "content": system})
        messages += [{"role": message.role, "content": message.text or ""} for message in request.messages]
        # One context size for all calls: another one would make the server load the model again.
        options: dict[str, Any] = {"num_ctx": self.spec.num_ctx, "num_predict": self.spec.max_tokens, **self.spec.extra}
        for ours, theirs in _OPTIONS.items():
            if getattr(config, ours) is not None:
                options[theirs] = getattr(config, ours)
        if config.stop:
            options["stop"] = list(config.stop)
        body: dict[str, Any] = {
            "model": self.spec.name, "messages": messages, "stream": False, "options": options,
            "keep_alive": self.spec.keep_alive, "truncate": False, "shift": False,
        }  # fmt: skip
        if config.response_format:
            is_object = config.response_format["type"] == "json_object"
            body["format"] = "json" if is_object else config.response_format["schema"]
        think = self.spec.think
        if config.reasoning is not None:
            think = False if config.reasoning.is_off else config.reasoning.effort
        if think is not None:
            body["think"] = think
        return body

    def _response(self, data: dict[str, Any], size: int) -> Response:
        reason, read, written = data.get("done_reason"), data.get("prompt_eval_count", 0), data.get("eval_count", 0)
        if data["done"] is not True or reason not in ("stop", "length"):
            message = "the answer broke off: the model repeated itself, or its runner ended"
            raise lm15.ServerError(message, provider="ollama", provider_code=UNFINISHED)
        if self._meter.was_cut(size, read):
            raise self._overflow()
        parts: list[Any] = [TextPart(data["message"]["content"])]
        if data["message"].get("thinking"):
            parts.insert(0, ThinkingPart(data["message"]["thinking"]))
        return Response(
            id=None, model=data["model"], message=Message.assistant(parts), finish_reason=reason,
            usage=Usage(input_tokens=read, output_tokens=written),
        )  # fmt: skip

    def _error(self, status: int, text: str, retry_after: float | None) -> lm15.LM15Error:
        if any(mark in text for mark in _OVERFLOW):
            return self._overflow()
        try:
            message = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            message = f"status {status}, and what answered is not Ollama; check base_url"
            if status == HTTP_NOT_FOUND:
                return lm15.InvalidRequestError(message, provider="ollama", status=status)
        if _BROKEN_ANSWER in message:
            return lm15.ServerError(message, provider="ollama", provider_code=UNFINISHED, status=status)
        if status == HTTP_NOT_FOUND:
            message += f"; run `ollama pull {self.spec.name}`"
        kind = _BY_STATUS.get(status, lm15.ServerError if status >= 500 else lm15.InvalidRequestError)
        if any(mark in message for mark in _CLIENT_FAULTS):
            kind = lm15.InvalidRequestError
        return kind(message, provider="ollama", status=status, retry_after=retry_after)

    def _overflow(self) -> lm15.LM15Error:
        message = f"the prompt does not fit into {self.spec.num_ctx} tokens; raise num_ctx of {self.spec.model}"
        return lm15.ContextLengthError(message, provider="ollama")
