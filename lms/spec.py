"""A model, declared: what a recipe says about a language model."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lms.scripted.names import MISTAKES, Mistake

SCRIPTED, OLLAMA, TRANSFORMERS = "scripted", "ollama_chat", "transformers"
# Servers that speak OpenAI's chat completions: prefix → (lm15's name of the dialect, address by default).
SERVERS = {
    "hosted_vllm": ("vllm", "http://127.0.0.1:8000/v1"),
    "sglang": ("sglang", "http://127.0.0.1:30000/v1"),
    "llama_server": ("lmstudio", "http://127.0.0.1:8080/v1"),
    "lm_studio": ("lmstudio", "http://127.0.0.1:1234/v1"),
}
_NO_THINKING = (SCRIPTED, TRANSFORMERS, "llama_server", "lm_studio")  # of these engines none takes an effort
Structured = Literal["none", "json", "schema"]
Effort = Literal["low", "medium", "high", "max"]

_CLOUD = re.compile(r"[:-]cloud$")
_NOT_MINE = {  # fields that mean something to some engines only, and the prefixes of those
    "num_ctx": (OLLAMA, TRANSFORMERS),
    "keep_alive": (OLLAMA,),
    "allow_cloud": (OLLAMA,),
    "mistakes": (SCRIPTED,),
    "latency": (SCRIPTED,),
}


class Prices(BaseModel):
    """What a million tokens cost, in the currency of `limits.money`."""

    model_config = ConfigDict(extra="forbid")
    input: float = Field(ge=0, description="price of a million tokens read")
    output: float = Field(ge=0, description="price of a million tokens written")


class ModelSpec(BaseModel):
    """One entry of `lms:`.  The prefix of `model` chooses the engine.

    ``scripted/…`` the embedded scripted teacher; ``ollama_chat/…`` an Ollama, spoken natively; ``transformers/…`` a
    folder or hub id, run in this process; ``hosted_vllm/…``, ``sglang/…``, ``llama_server/…``, ``lm_studio/…`` and
    ``openai/…`` with a ``base_url``: an OpenAI-compatible server; any other ``provider/name``: a hosted model.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    model: str = Field(pattern=r"^[\w.-]+/.+", description="provider/name, e.g. ollama_chat/qwen3:8b")
    base_url: str | None = Field(default=None, description="server address; default: the provider's own")
    api_key_env: str | None = Field(
        default=None, pattern=r"^[A-Za-z_]\w*$", description="name of the environment variable that holds the key"
    )
    temperature: float | None = Field(default=0.8, ge=0, le=2, description="null sends none, as some hosted models ask")
    top_p: float | None = Field(default=None, gt=0, le=1, description="default: the server's or the model's own")
    top_k: int | None = Field(default=None, ge=1, description="default: the server's or the model's own")
    seed: int | None = Field(default=None, ge=0, description="seed of calls that bring none of their own")
    max_tokens: int = Field(default=1024, ge=16, description="most tokens of one answer, thinking included")
    num_ctx: int = Field(default=8192, ge=512, description="context size, prompt and answer together; fixed for a run")
    structured: Structured = Field(
        default="none", description="how answers are held to their form: none (by markers), json, or schema"
    )
    think: bool | Effort | None = Field(
        default=None, description="thinking: true, false, or low to max; default: the model's own"
    )
    keep_alive: str = Field(
        default="30m",
        pattern=r"^-?[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h)$",
        description="how long Ollama keeps the model loaded",
    )
    allow_cloud: bool = Field(default=False, description="allow names in -cloud or :cloud, which Ollama sends away")
    timeout: float = Field(default=600, gt=0, description="seconds to wait for one answer")
    retries: int = Field(default=10, ge=0, description="repeats of one call after a failure that may pass")
    patience: float = Field(default=900, ge=0, description="seconds to wait for a server that is gone or busy")
    concurrency: int | None = Field(
        default=None, ge=1, le=512, description="most calls at once; default: generate.concurrency"
    )
    prices: Prices | None = Field(default=None, description="prices per million tokens: {input: …, output: …}")
    extra: dict[str, Any] = Field(
        default_factory=dict, description="fields for the server: Ollama's options, vLLM's or llama.cpp's own"
    )
    mistakes: dict[Mistake, float] | None = Field(default=None, description="scripted only: rate of each named mistake")
    latency: float = Field(default=0, ge=0, description="scripted only: seconds per call")

    @field_validator("mistakes")
    @classmethod
    def _rates_are_shares(cls, rates: dict[Mistake, float] | None) -> dict[Mistake, float] | None:
        if rates and not all(0 <= rate <= 1 for rate in rates.values()):
            raise ValueError(f"rates are shares from 0 to 1; the mistakes are {', '.join(MISTAKES)}")
        return rates

    @field_validator("keep_alive", mode="before")
    @classmethod
    def _has_a_unit(cls, value: Any) -> Any:
        """Seconds may come without their unit; Ollama refuses a string of figures alone."""
        return f"{value}s" if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", str(value)) else value

    @field_validator("base_url")
    @classmethod
    def _is_an_address_without_secrets(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            ports = parts.port is None or parts.port > 0
        except ValueError as error:
            raise ValueError(f"not an address ({error}); write for example http://127.0.0.1:11434") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not ports or re.search(r"\s", url):
            raise ValueError("not an address; write for example http://127.0.0.1:11434")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("an address holds no user, password, or query; name the key's variable in api_key_env")
        return url.rstrip("/")

    @field_validator("extra")
    @classmethod
    def _declared_fields_stand_alone(cls, extra: dict[str, Any]) -> dict[str, Any]:
        taken = {"model", "messages", "stream", "n", "num_predict", "truncate", "shift", "api_key", "headers"}
        for name in extra:
            if name in taken or name in cls.model_fields:
                raise ValueError(f"{name!r} does not belong in extra: it is set by the program or has a key of its own")
        return extra

    @model_validator(mode="after")
    def _fits_the_engine(self) -> ModelSpec:
        if self.provider == "ollama":
            raise ValueError(f"write ollama_chat/{self.name}: by that name Ollama is spoken natively")
        if self.provider == OLLAMA and _CLOUD.search(self.name) and not self.allow_cloud:
            raise ValueError(
                f"{self.name} is not local: Ollama sends it to its cloud; set allow_cloud: true to allow it"
            )
        if self.max_tokens >= self.num_ctx and self.provider in (OLLAMA, TRANSFORMERS):
            raise ValueError("max_tokens leaves no room for a prompt: num_ctx holds prompt and answer together")
        return self

    @property
    def provider(self) -> str:
        """What stands before the first slash of `model`."""
        return self.model.partition("/")[0]

    @property
    def name(self) -> str:
        """What stands after the first slash of `model`: the server's own name of it."""
        return self.model.partition("/")[2]

    @property
    def unused(self) -> list[str]:
        """Fields that were set and mean nothing to this engine: they stay when a model is swapped by one flag."""
        names = [
            name
            for name, prefixes in _NOT_MINE.items()
            if getattr(self, name) != type(self).model_fields[name].default and self.provider not in prefixes
        ]
        # Elsewhere an effort can be asked for, or none; that a model thinks at all is not for the caller to say.
        if self.think is not None and (
            self.provider in _NO_THINKING or (self.think is True and self.provider != OLLAMA)
        ):
            names.append("think")
        return names

    @property
    def identity(self) -> str:
        """The name that is written beside what the model wrote."""
        return self.model
