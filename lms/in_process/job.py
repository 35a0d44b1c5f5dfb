"""What one request asks of a checkpoint, and what the checkpoint gives back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One answer to generate.  Without a temperature it is greedy, and `top_p`, `top_k`, `seed` say nothing."""

    prompt: list[int]  # tokens
    max_tokens: int  # of the answer
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None  # without one, a seed is drawn
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """One generated answer."""

    text: str  # without what follows the first stop string, and without special tokens
    tokens: int  # generated, the end token not counted
    stopped: bool  # at an end token or a stop string, not at max_tokens


@dataclass(frozen=True)
class Step:
    """Texts to choose from by their likelihood: per token where they differ in length, or in total.

    Only the tokens after the texts' common start count, so that what they share decides nothing.
    """

    texts: tuple[str, ...]
    per_token: bool = True


@dataclass(frozen=True)
class Ranking:
    """A question in steps: the texts of each follow the prompt and what was likeliest in the steps before."""

    prompt: list[int]  # tokens
    steps: tuple[Step, ...]
    room: int  # tokens of the longest answer, the longest text of every step


Scores = list[list[float]]  # the log-probability of every text of every step, per token or in total
