"""The scripted teacher as a reflection model: it rewrites instructions so that they address the faults in the feedback.

It knows DSPy's own asks for new instructions (GEPA, MIPROv2, COPRO, SIMBA, infer-rules) by their output fields.
"""

from __future__ import annotations

import re
from typing import Any

from corpus.seeds import rng_for
from lms.scripted.mistakes import KINDS, Mistakes, heeded
from lms.scripted.names import Mistake
from lms.scripted.prompt import Prompt, read_list

INSTRUCTION_INPUTS = ("current_instruction", "basic_instruction", "instruction")
INSTRUCTION_OUTPUTS = ("new_instruction", "proposed_instruction", "improved_instruction", "shortened_instruction")
MAX_RULES = 3  # of those that no feedback asks for
_WORDS = re.compile(r"[a-z]{3,}")
_CLAUSE = re.compile(r"[.!?;:\n]|\\n|\"")
_ATTEMPT = re.compile(
    r"Instruction #\d+: (.*?)»*\s*\[\d+\] «+\s*Prefix #\d+:.*?Resulting Score #\d+: ([\d.]+)", re.DOTALL
)
_LIMIT = re.compile(r"at most (\d+) characters")


def propose(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Write a new instruction: the old one, and a rule for each fault that the feedback speaks of."""
    if "attempted_instructions" in prompt.inputs:
        old = _best_attempt(prompt.inputs["attempted_instructions"])
    else:
        old = next((prompt.inputs[name] for name in INSTRUCTION_INPUTS if name in prompt.inputs), "").strip()
    seen = " ".join(value for name, value in prompt.inputs.items() if name not in INSTRUCTION_INPUTS)
    rng = rng_for("propose", prompt.seed, prompt.repeat, *prompt.inputs.values())
    known = heeded(old)
    told = [name for name in KINDS if name not in known and _spoken_of(name, seen)]
    if not told:
        left = [name for name in KINDS if name not in known]
        told = rng.sample(left, min(len(left), rng.randint(1, MAX_RULES)))
    new = "\n".join([old, "", *(f"- {KINDS[name].rule}" for name in told)]).strip()
    values: dict[str, Any] = {}
    for name in prompt.outputs:
        if name == "shortened_instruction":
            values[name] = _shorten(old, prompt.inputs["length_limit"])
        else:
            values[name] = new if name in INSTRUCTION_OUTPUTS else "Answer:"
        if name == "reasoning":
            values[name] = "The feedback names faults; each gets a rule."
    return values


def describe(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Describe a data set, a program, or a module in a plain sentence; give advice as rules."""
    seen = " ".join(prompt.inputs.values())
    told = [name for name in KINDS if _spoken_of(name, seen)] or ["generic_explanation"]
    rules = " ".join(KINDS[name].rule for name in told)
    modules = read_list(prompt.inputs["module_names"]) if "module_names" in prompt.inputs else []
    return {
        name: dict.fromkeys(modules, rules) if name == "module_advice"
        else rules if name in ("natural_language_rules", "discussion")
        else "The program writes therapy sessions and multiple-choice questions on emotions from planned moments."
        for name in prompt.outputs
    }  # fmt: skip


def _spoken_of(mistake: Mistake, text: str) -> bool:
    """True when the text names the mistake, or uses most of the content words of its description."""
    words = set(_WORDS.findall(KINDS[mistake].about))
    clauses = _CLAUSE.split(text.lower())
    return mistake in text or any(len(words & set(_WORDS.findall(clause))) >= 0.8 * len(words) for clause in clauses)


def _best_attempt(text: str) -> str:
    """The instruction with the highest score in COPRO's list of attempts."""
    attempts = [(float(score), said) for said, score in _ATTEMPT.findall(text)]
    return re.sub(r"^ {4}", "", max(attempts, default=(0.0, ""))[1], flags=re.MULTILINE).strip()


def _shorten(instruction: str, limit: str) -> str:
    """Cut whole lines from the top, where the craft is, and keep the rules, which come last."""
    most = int(m[1]) if (m := _LIMIT.search(limit)) else len(instruction)
    lines = instruction.splitlines()
    while len(lines) > 1 and len("\n".join(lines)) > most:
        lines.pop(0)
    return "\n".join(lines).strip()[:most]
