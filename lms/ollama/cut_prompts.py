"""Telling from a server's own count that it cut a prompt, for servers that do so whatever they are asked.

Ollama obeys `truncate: false` from 0.12.6 on; before, and behind a proxy that drops the field, a prompt that does not
fit is answered with status 200 after a part of it was thrown away.
"""

from __future__ import annotations

import threading

KEPT = 4  # tokens at the head of a prompt that llama.cpp keeps when it cuts (num_keep), one more with a BOS token
MOST_BYTES = 8.0  # bytes of text per token, at the most, before the model's own figure is known
LEAST_BYTES = 4.4  # and at the least, ever: short prompts are denser than long ones, by their markers and chat template
MARGIN = 0.8  # of the tokens that a prompt should have had; fewer were not read


class PromptMeter:
    """Learns how many tokens a model makes of a text, and sees when it read too few; thread-safe."""

    def __init__(self, num_ctx: int):
        self.num_ctx = num_ctx
        self._least: float | None = None  # tokens per byte
        self._lock = threading.Lock()

    def was_cut(self, size: int, read: int) -> bool:
        """Return True when a prompt of ``size`` bytes, counted as ``read`` tokens by the server, was cut.

        No count, no verdict: some releases leave it out for a prompt that they remember.

        A prompt of fewer bytes than the context has tokens fits for certain; such prompts teach the model's density.
        A cut prompt is known by a count at the context's edge (up to 0.24, and 0.30.0 to 0.30.8), at its half (from
        0.30.9), or by fewer tokens than the text must have had (old messages dropped).
        """
        if not read:
            return False
        if size < self.num_ctx:
            with self._lock:
                self._least = min(self._least or 1 / LEAST_BYTES, read / max(size, 1))
            return False
        if read >= self.num_ctx - 1:
            return True
        halves = {self.num_ctx - max((self.num_ctx - keep) // 2, 1) for keep in (KEPT, KEPT + 1)}
        expected = size * (self._least or 1 / MOST_BYTES)
        return read < MARGIN * expected or (read in halves and expected > MARGIN * self.num_ctx)
