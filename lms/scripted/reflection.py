"""The scripted teacher as a reflection model: it rewrites instructions so that they address the faults in the feedback.

It knows DSPy's own asks for new instructions (GEPA, MIPROv2, COPRO, SIMBA, infer-rules) by their output fields.
"""

from __future__ import annotations

import re
from typing import Any

from corpus.seeds import rng_for
from lms.scripted.mistakes import KINDS, Mistake, Mistakes, heeded
from lms.scripted.prompt import Prompt

INSTRUCTION_INPUTS = ("current_instruction", "basic_instruction", "instruction", "attempted_instructions")
INSTRUCTION_OUTPUTS = ("new_instruction", "proposed_instruction", "improved_instruction", "shortened_instruction")
MAX_RULES = 3  # of those that no feedback asks for
_WORDS = re.compile(r"[a-z]{4,}")


def propose(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Write a new instruction: the old one, and a rule for each fault that the feedback speaks of."""
    old = next((prompt.inputs[name] for name in INSTRUCTION_INPUTS if name in prompt.inputs), "").strip()
    seen = " ".join(value for name, value in prompt.inputs.items() if name not in INSTRUCTION_INPUTS)
    rng = rng_for("propose", prompt.seed, old)
    known = heeded(old)
    told = [name for name in KINDS if name not in known and _spoken_of(name, seen)]
    if not told:
        left = [name for name in KINDS if name not in known]
        told = rng.sample(left, min(len(left), rng.randint(1, MAX_RULES)))
    new = "\n".join([old, "", *(f"- {KINDS[name].rule}" for name in told)]).strip()
    values: dict[str, Any] = {}
    for name in prompt.outputs:
        values[name] = old if name == "shortened_instruction" else new if name in INSTRUCTION_OUTPUTS else "Answer:"
        if name == "reasoning":
            values[name] = "The feedback names faults; each gets a rule."
    return values


def describe(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Describe a data set, a program, or a module in a plain sentence; give advice as rules."""
    seen = " ".join(prompt.inputs.values())
    told = [name for name in KINDS if _spoken_of(name, seen)] or ["generic_explanation"]
    rules = " ".join(KINDS[name].rule for name in told)
    modules = re.findall(r"[\w.\[\]']+", prompt.inputs.get("module_names", ""))
    return {
        name: dict.fromkeys(modules, rules) if name == "module_advice"
        else rules if name in ("natural_language_rules", "discussion")
        else "The program writes therapy sessions and multiple-choice questions on emotions from planned moments."
        for name in prompt.outputs
    }  # fmt: skip


def _spoken_of(mistake: Mistake, text: str) -> bool:
    """True when the text names the mistake, or uses most of the content words of its description."""
    words = set(_WORDS.findall(KINDS[mistake].about))
    return mistake in text or len(words & set(_WORDS.findall(text.lower()))) >= 0.8 * len(words) > 0
