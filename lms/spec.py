"""A model, declared: what a recipe says about a language model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lms.scripted.mistakes import MISTAKES, Mistake

SCRIPTED, OLLAMA = "scripted/", "ollama_chat/"


class ModelSpec(BaseModel):
    """One entry of `lms:`.  The prefix of `model` chooses the engine.

    ``scripted/…`` the embedded scripted teacher; ``ollama_chat/…`` a local Ollama, spoken natively; any other
    ``provider/name`` goes through DSPy's own routes.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    model: str = Field(pattern=r"^[\w.-]+/.+", description="provider/name, e.g. ollama_chat/qwen3:8b")
    base_url: str | None = Field(default=None, description="server address; default: the provider's own")
    api_key_env: str | None = Field(default=None, description="name of the environment variable with the key")
    temperature: float = Field(default=0.8, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=16, description="most tokens of one answer")
    num_ctx: int = Field(default=8192, ge=512, description="context size asked of Ollama, fixed for the run")
    keep_alive: str = Field(default="30m", description="how long Ollama keeps the model loaded")
    think: bool | None = Field(default=None, description="thinking of Ollama models that can; default: the model's own")
    timeout: float = Field(default=600, gt=0, description="seconds to wait for one answer")
    retries: int = Field(default=5, ge=0, description="repeats after a transport error, 429, or 5xx")
    mistakes: dict[Mistake, float] | None = Field(default=None, description="scripted only: rate of each named mistake")
    latency: float = Field(default=0, ge=0, description="scripted only: seconds per call")

    @field_validator("mistakes")
    @classmethod
    def _rates_are_shares(cls, rates: dict[Mistake, float] | None) -> dict[Mistake, float] | None:
        if rates and not all(0 <= rate <= 1 for rate in rates.values()):
            raise ValueError(f"rates are shares from 0 to 1; the mistakes are {', '.join(MISTAKES)}")
        return rates

    @property
    def identity(self) -> str:
        """The name that is written beside what the model wrote."""
        return self.model
