"""Limits on what models may cost: the recipe section `limits:`, read without loading DSPy."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LimitsConfig(BaseModel):
    """`limits:` where a run stops by itself; the same command with a higher limit goes on from there."""

    model_config = ConfigDict(extra="forbid")
    calls: int | None = Field(default=None, ge=1, description="most requests sent to models, repeats included")
    tokens: int | None = Field(default=None, ge=1, description="most tokens, read and written")
    money: float | None = Field(default=None, gt=0, description="most money, by the `prices` of the models")
    minutes: float | None = Field(default=None, gt=0, description="most minutes of one command")
