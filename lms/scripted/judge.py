"""The scripted teacher as a judge: it reviews items and turns, and answers exam questions.

It knows its own frames, so it can tell what is true of a text that it wrote itself, and it errs at stated rates: it
overlooks a fault in 1 of 20 cases, finds one that is not there in 1 of 50, and misreads a scenario in 1 of 20.  About
texts that are not its own it guesses, and says so.
"""

from __future__ import annotations

import re
from typing import Any

from corpus.seeds import rng_for
from lms.scripted.faults import SPOTS
from lms.scripted.mistakes import Mistakes
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt, read_list
from lms.scripted.recognise import emotion_of, recognise_answer, recognise_scenario

OVERLOOKS, IMAGINES, MISREADS = 0.05, 0.02, 0.05
LETTERS = "ABCDEFGHIJ"
_RUBRIC = re.compile(r"^(\w+): (.*)$", re.MULTILINE)
_LISTS = ("wrong_emotions", "wrong_causes", "wrong")


def review(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Name the faults of the rubric that the item or message shows."""
    fields: dict[str, Any] = dict(prompt.inputs)
    fields |= {name: read_list(fields[name]) for name in _LISTS if name in fields}
    rng = rng_for("review", prompt.seed, *prompt.inputs.values())
    found, remarks = [], []
    for name, about in _RUBRIC.findall(prompt.inputs["rubric"]):
        there = name in SPOTS and SPOTS[name](prompt.inputs, fields)
        if rng.random() < (OVERLOOKS if there else IMAGINES):
            there = not there
        if there:
            found.append(name)
            remarks.append(about)
    lines = phrases().judge["found" if found else "clean"]
    return {"remarks": rng.choice(lines).format(faults="; ".join(remarks)), "faults": found}


def answer_exam(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Answer each question of an item: the emotion and cause, or the option, of the turn that the scenario tells."""
    scenario = prompt.inputs["scenario"]
    found = recognise_scenario(scenario)
    rng = rng_for("answer", prompt.seed, scenario)
    if rng.random() < MISREADS:
        found = None
    asked, picks = _choice_lists(prompt), []
    for choices in asked:
        right = [
            choice for choice in choices if found and (choice == emotion_of(found) or recognise_answer(choice) == found)
        ]
        picks.append(right[0] if right else rng.choice(choices))
    letters = [LETTERS[choices.index(pick)] for choices, pick in zip(asked, picks, strict=True)]
    known = "The scenario is one I know" if found else "I do not know this scenario and guess"
    texts, given = iter(picks), iter(letters)
    answer: dict[str, Any] = {}
    for name in prompt.outputs:
        if name == "reasoning":
            answer[name] = f"{known}; the answer: {'; '.join(picks)}."
        else:
            answer[name] = next(given) if name.startswith("answer") else next(texts)
    return answer


def _choice_lists(prompt: Prompt) -> list[list[str]]:
    names = [name for name in prompt.inputs if name.startswith("choices") or name.endswith("_choices")]
    return [read_list(prompt.inputs[name]) for name in names]
