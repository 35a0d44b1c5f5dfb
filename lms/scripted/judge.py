"""The scripted teacher as a judge: it reviews items, explanations, turns, and sessions, and answers items blindly.

It knows its own frames and phrases, so it can tell what is true of a text that it wrote itself, and it errs at stated
rates: it overlooks a fault in 1 of 20 cases, finds one that is not there in 1 of 50, and misreads a scenario in 1 of
20.  About texts that are not its own it guesses, and says so; it guesses no fault into an explanation or a session.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from corpus.seeds import rng_for
from lms.scripted.faults import SPOTS
from lms.scripted.mistakes import Mistakes
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt, read_list
from lms.scripted.recognise import Found, emotion_of, recognise_answer, recognise_scenario

OVERLOOKS, IMAGINES, MISREADS = 0.05, 0.02, 0.05
LETTERS = "ABCDEFGHIJ"
NO, PARTLY, YES = "no", "partly", "yes"
SAME_STORY, SAME_THEME, DIFFERENT = "same story", "same theme", "different"
SHARED_WORDS = 0.6  # of the words of two texts, from which they tell the same story whoever wrote them
_RUBRIC = re.compile(r"^(\w+): (.*)$", re.MULTILINE)
_LETTERED = re.compile(r"^[A-J]\) (.*)$", re.MULTILINE)
_LISTED = re.compile(r"^- (.*)$", re.MULTILINE)
_QUOTED = re.compile(r"“([^”]*)”")
_TURN = re.compile(r"^(CLIENT|THERAPIST): (.*)$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]{3,}")
_LISTS = ("wrong_emotions", "wrong_causes", "wrong")
_PHASES = ("facts", "meaning", "perspective")
# What it objects to when it scores "no".
_OBJECTIONS = {
    "cites": "the explanation cites no cue of this scenario",
    "stays_within": "the explanation brings in what the scenario does not hold",
    "reaches_key": "the explanation ends at another answer",
    "rules_out": "no wrong answer is met",
    "grounded": "the reasoning rests on nothing that this scenario tells",
    "consistent": "the reasoning does not lead to the answer that was given",
    "opens_with_event": "the client opens without an event",
    "shows_feeling": "the client labels a feeling where a scene should show it",
    "has_conflict": "the client is of one mind throughout",
    "follows_phases": "the therapist advises where the client is still telling",
    "feeling_moves": "the client ends where the client began",
}

Scores = dict[str, str]


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
    return {"remarks": _remark(rng, remarks), "faults": found}


def review_explanation(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Score the explanation of an item."""
    return _score("explanation", prompt, recognise_scenario(prompt.inputs["scenario"]) is not None, _read_explanation)


def judge_reasoning(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Score what a student wrote before an answer."""
    return _score("reasoning", prompt, recognise_scenario(prompt.inputs["scenario"]) is not None, _read_reasoning)


def judge_session(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Score a session as a whole."""
    client = _said_by("CLIENT", prompt.inputs)
    return _score("session", prompt, any(recognise_scenario(text) for text in client), _read_session)


def compare_scenarios(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Tell a paraphrase by the turn that both scenarios tell, and of texts not its own by the words that they share."""
    texts = (prompt.inputs["scenario"], prompt.inputs["exam_scenario"])
    one, other = map(recognise_scenario, texts)
    rng = rng_for("paraphrase", prompt.seed, *texts)
    if one is None or other is None:
        relation = SAME_STORY if _share_words(*texts) >= SHARED_WORDS else DIFFERENT
        return {"remarks": rng.choice(phrases().judge["foreign"]), "relation": relation}
    relation = SAME_STORY if one == other else SAME_THEME if one.frame == other.frame else DIFFERENT
    if rng.random() < (OVERLOOKS if relation == SAME_STORY else IMAGINES):
        relation = SAME_THEME if relation == SAME_STORY else SAME_STORY
    return {"remarks": rng.choice(phrases().judge[relation.replace(" ", "_")]), "relation": relation}


def answer_exam(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Answer each question of an item: the emotion and cause, or the option, of the turn that the scenario tells.

    Where the scenario is withheld, one choice is as likely as another: each was written as the right one of its turn.
    """
    scenario = prompt.inputs.get("scenario")
    asked = _choice_lists(prompt)
    if scenario is None:
        found, rng = None, rng_for("guess", prompt.seed, *prompt.inputs.values())
        known = "Without the scenario I can only guess"
    else:
        found, rng = recognise_scenario(scenario), rng_for("answer", prompt.seed, scenario)
        if rng.random() < MISREADS:
            found = None
        known = "The scenario is one I know" if found else "I do not know this scenario and guess"
    picks = [_pick(choices, found, rng) for choices in asked]
    letters = [LETTERS[choices.index(pick)] for choices, pick in zip(asked, picks, strict=True)]
    texts, given = iter(picks), iter(letters)
    answer: dict[str, Any] = {}
    for name in prompt.outputs:
        if name == "reasoning":
            answer[name] = f"{known}; the answer: {'; '.join(picks)}."
        else:
            answer[name] = next(given) if name.startswith("answer") else next(texts)
    return answer


def _pick(choices: list[str], found: Found | None, rng: random.Random) -> str:
    right = [
        choice for choice in choices if found and (choice == emotion_of(found) or recognise_answer(choice) == found)
    ]
    return right[0] if right else rng.choice(choices)


def _choice_lists(prompt: Prompt) -> list[list[str]]:
    names = [name for name in prompt.inputs if name.startswith("choices") or name.endswith("_choices")]
    return [_LETTERED.findall(prompt.inputs[name]) or read_list(prompt.inputs[name]) for name in names]


def _score(kind: str, prompt: Prompt, is_own: bool, read: Callable[[Mapping[str, str]], Scores]) -> dict[str, Any]:
    """Score what it can read, with its share of errors, and guess mildly about the rest."""
    rng = rng_for(kind, prompt.seed, *prompt.inputs.values())
    if not is_own:
        guessed = {name: rng.choice((PARTLY, YES)) for name in prompt.outputs if name != "remarks"}
        return {"remarks": rng.choice(phrases().judge["foreign"]), **guessed}
    scores = read(prompt.inputs)
    for name, score in scores.items():
        if rng.random() < (OVERLOOKS if score == NO else IMAGINES):
            scores[name] = PARTLY if score == NO else NO
    return {"remarks": _remark(rng, [_OBJECTIONS[name] for name, score in scores.items() if score == NO]), **scores}


def _remark(rng: random.Random, objections: list[str]) -> str:
    lines = phrases().judge["found" if objections else "clean"]
    return rng.choice(lines).format(faults="; ".join(objections))


def _read_explanation(given: Mapping[str, str]) -> Scores:
    explanation, wrong = given["explanation"], _LISTED.findall(given["wrong_answers"])
    fields = {"explanation": explanation, "best": given["right_answer"], "wrong": wrong}
    quotes = _QUOTED.findall(explanation)
    if SPOTS["contradicts_key"](given, fields):
        reaches = NO
    else:
        reaches = YES if given["right_answer"].rstrip('.!?"”') in explanation else PARTLY
    return {
        "cites": NO if not quotes else YES if any(quote in given["scenario"] for quote in quotes) else PARTLY,
        "stays_within": NO if SPOTS["foreign_fact"](given, fields) else YES,
        "reaches_key": reaches,
        # The name of an emotion may stand in an explanation by chance, a whole clause does not.
        "rules_out": YES if any(text in explanation for text in wrong if len(text.split()) > 3) else NO,
    }


def _read_reasoning(given: Mapping[str, str]) -> Scores:
    """Quotes show what it rests on; it leads to the answer that it names last, after “answer:” where it says so."""
    reasoning, answers = given["reasoning"], given["answer"].splitlines()
    quotes = _QUOTED.findall(reasoning)
    foreign = SPOTS["foreign_fact"](given, {"explanation": reasoning})
    named = sum(answer.rstrip('.!?"”') in reasoning.rpartition("nswer: ")[2] for answer in answers)
    return {
        "grounded": NO if foreign or not quotes else YES if any(q in given["scenario"] for q in quotes) else PARTLY,
        "consistent": YES if named == len(answers) else PARTLY if named else NO,
    }


def _said_by(speaker: str, given: Mapping[str, str]) -> list[str]:
    return [text for who, text in _TURN.findall(given["transcript"]) if who == speaker]


def _read_session(given: Mapping[str, str]) -> Scores:
    client, therapist = _said_by("CLIENT", given), _said_by("THERAPIST", given)
    lines = phrases()
    told = [recognise_scenario(text) is not None for text in client]
    labels = [SPOTS["names_feeling"](given, {"message": text}) for text in client]
    doubts = [any(line in text for line in (*lines.client["doubt"], *lines.stages["torn"])) for text in client]
    advice = sum(SPOTS["early_advice"](given, {"message": text}) for text in therapist)
    asked = [
        n for text in therapist for n, phase in enumerate(_PHASES) if any(q in text for q in lines.therapist[phase])
    ]
    slips = advice + sum(after < before for before, after in pairwise(asked))
    stages = {stage for stage, said in lines.stages.items() for text in client if any(line in text for line in said)}
    return {
        "opens_with_event": YES if told[0] else PARTLY if told[1:2] == [True] else NO,
        "shows_feeling": NO if labels[0] else PARTLY if any(labels) else YES,
        "has_conflict": YES if doubts[0] else PARTLY if any(doubts) else NO,
        "follows_phases": (YES, PARTLY, NO)[min(slips, 2)],
        "feeling_moves": (NO, NO, PARTLY, YES)[min(len(stages), 3)],
    }


def _share_words(one: str, other: str) -> float:
    words, others = (set(_WORD.findall(text.lower())) for text in (one, other))
    return len(words & others) / max(1, len(words | others))
