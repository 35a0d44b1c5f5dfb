"""The roles of a session as the scripted teacher plays them: background, client, therapist, supervisor, dialogue."""

from __future__ import annotations

import random
import re
from typing import Any

from corpus.safety import voices_risk
from corpus.seeds import rng_for
from corpus.text import count_sentences
from lms.scripted.events import Event
from lms.scripted.mistakes import Mistakes
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt, read_moments

MIN_BACKGROUND_WORDS, MAX_BACKGROUND_WORDS = 200, 390
MAX_CASE_WORDS = 160
MAX_QUOTE_WORDS = 14
MAX_SENTENCES = 3  # of a client's turn after the first
ROUNDS = 5
PHASES = ("facts", "facts", "meaning", "meaning", "perspective")
_NOUN_PHRASE = re.compile(r"(?:An?|The) [^.;:]*?\b(?:who|whose)\b")  # most personas are: A baker in Nis who …
_DOUBT = re.compile(r"\b(but|although|and yet|and still|part of me|two voices|two things|both)\b", re.IGNORECASE)


def write_background(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Persona, theme, conflict, habits, and the planned events, in 200 to 390 words."""
    rng, values = rng_for("background", prompt.seed), _background_values(prompt)
    parts = (_intro(values), "theme", "conflict", "habit", "coping", "bridge")
    said = [rng.choice(phrases().background[part]).format(**values) for part in parts]
    events = [Event.of(moment) for moment in read_moments(prompt.inputs["moments"])]
    setups = [event.form(event.frame.setup, "background") for event in events]
    words = _count_words([*said, *setups])
    for event, setup in zip(events, setups, strict=True):
        if _count_words([*said, setup]) > MAX_BACKGROUND_WORDS:
            break
        said.append(setup)
        happening = event.form(event.turn.happens, "background")
        words += len(happening.split())
        if words <= MAX_BACKGROUND_WORDS:
            said.append(happening)
    more = rng.sample(phrases().background["more"], len(phrases().background["more"]))
    while more and _count_words(said) < MIN_BACKGROUND_WORDS:
        said.append(more.pop().format(**values))
    return {"background": " ".join(said)}


def write_case(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Persona, coping, and as many events as 160 words hold."""
    rng, values = rng_for("case", prompt.seed), _background_values(prompt)
    said = [rng.choice(phrases().background[part]).format(**values) for part in (_intro(values), "coping", "bridge")]
    for moment in read_moments(prompt.inputs["moments"]):
        event = Event.of(moment)
        setup = event.form(event.frame.setup, "background")
        if _count_words([*said, setup]) <= MAX_CASE_WORDS:
            said.append(setup)
    return {"case": " ".join(said)}


def speak_as_client(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Open with an event and a doubt, or answer from the stage reached and tell the next event."""
    rng = rng_for("client", prompt.seed)
    heard = prompt.inputs.get("recent_turns", "")
    moments = read_moments(prompt.inputs["moment"])
    message = _client_says(
        moments[0] if moments else None, prompt.inputs["stage"], _name(prompt.inputs["client"]), heard, rng
    )
    if moments and mistakes.makes("names_feeling", prompt):
        message = _label_feeling(moments[0], message)
    if mistakes.makes("speaks_for_both", prompt):
        message += f" THERAPIST: {rng.choice(phrases().therapist['facts'])}"
    return {"message": message}


def respond_as_therapist(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Quote a stretch of the client's last words and ask a question of the phase; at risk, put safety first."""
    turns = re.findall(r"^(CLIENT|THERAPIST): (.*)$", prompt.inputs["recent_turns"], re.MULTILINE)
    earlier = [text for speaker, text in turns if speaker == "THERAPIST"]
    rng, last = rng_for("therapist", prompt.seed), turns[-1][1]
    if voices_risk(last) or prompt.inputs["phase"].startswith("safety"):
        lines = phrases().therapist["safety" if voices_risk(last) else "settled"]
        return {"message": rng.choice([line for line in lines if line not in earlier])}
    if earlier and mistakes.makes("repeats_turn", prompt):
        return {"message": earlier[-1]}
    phase = {"facts and feelings": "facts", "meaning": "meaning"}.get(
        prompt.inputs["phase"].partition(":")[0], "perspective"
    )
    return {"message": _therapist_says(phase, last, " ".join(earlier), rng, prompt, mistakes)}


def write_dialogue(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Five rounds, one planned moment per round, with the stages of the arc."""
    rng, name = rng_for("dialogue", prompt.seed), _name(prompt.inputs["client"])
    moments, stages = read_moments(prompt.inputs["moments"]), prompt.inputs["arc"].splitlines()
    labels, repeats = mistakes.makes("names_feeling", prompt), mistakes.makes("repeats_turn", prompt)
    messages: list[str] = []
    for number in range(ROUNDS):
        moment = moments[number] if number < len(moments) else None
        said = _client_says(moment, stages[min(number, len(stages) - 1)], name, " ".join(messages), rng)
        messages.append(_label_feeling(moments[0], said) if labels and not number else said)
        if repeats and number == ROUNDS - 1:
            messages.append(messages[-2])
            continue
        messages.append(_therapist_says(PHASES[number], said, " ".join(messages[1::2]), rng, prompt, mistakes))
    if mistakes.makes("speaks_for_both", prompt):
        messages[0] += f" THERAPIST: {messages[1]}"
    return {"messages": messages}


def supervise(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Look for the planned people and for a voiced doubt; the events themselves show feeling and cause."""
    transcript = prompt.inputs["transcript"]
    others = re.findall(r", with (\w+)$", prompt.inputs["planned"], re.MULTILINE)  # the client says "I", not a name
    told = [bool(re.search(rf"\b{name}\b", transcript)) for name in others]
    return {
        "scenario_clear": any(told),
        "emotions_present": sum(told) >= min(2, len(told)),
        "causes_present": sum(told) >= min(2, len(told)),
        "dilemma_present": bool(_DOUBT.search(transcript)),
        "rich_enough": all(told),
    }


def _client_says(moment: dict[str, str] | None, stage: str, client: str, heard: str, rng: random.Random) -> str:
    lines = phrases()
    kind = stage.partition(":")[0]
    if kind in ("at risk", "held"):
        return rng.choice(lines.client["risk" if kind == "at risk" else "held"])
    reactions = lines.stages[kind]
    fresh = [line for line in reactions if line not in heard] or list(reactions)
    if moment is None:
        return " ".join(rng.sample(fresh, min(MAX_SENTENCES, len(fresh))))
    said = [rng.choice(fresh)]
    event = Event.of(moment)
    told = _short_telling(event, client, rng, MAX_SENTENCES - 1)
    if heard:
        return " ".join([*said, *told])
    return " ".join([rng.choice(lines.client["greet"]), *told, rng.choice(lines.client["doubt"])])


def _short_telling(event: Event, client: str, rng: random.Random, most: int) -> list[str]:
    """Opening and happening in the client's voice, in wordings that together have at most ``most`` sentences."""
    pairs = [
        (opening, happening)
        for opening in event.frame.setup
        for happening in event.turn.happens
        if count_sentences(opening) + count_sentences(happening) <= most
    ]
    return [event.tell(text, "I" if event.subject[0] == client else "") for text in rng.choice(pairs)]


def _label_feeling(moment: dict[str, str], message: str) -> str:
    label = moment.get("emotion", "anger").lower().replace(" & ", " and ")
    return f"I felt nothing but {label}. {message}"


def _therapist_says(phase: str, last: str, earlier: str, rng: random.Random, prompt: Prompt, mistakes: Mistakes) -> str:
    lines = phrases().therapist
    reflection = rng.choice(lines["reflect"]).format(quote=_quote(last, rng.random()))
    fresh = [question for question in lines[phase] if question not in earlier]
    question = rng.choice(fresh or list(lines[phase]))
    if mistakes.makes("closed_question", prompt):
        question = rng.choice(lines["closed"])
    if mistakes.makes("early_advice", prompt):
        question = rng.choice(lines["advice"])
    return f"{reflection} {question}"


def _quote(message: str, where: float) -> str:
    lines = phrases()
    stock = {line for kind in (lines.client, lines.stages) for group in kind.values() for line in group}
    sentences = [
        s for s in re.split(r"(?<=[.!?])\s+", message) if '"' not in s and len(s.split()) >= 4 and s not in stock
    ]
    sentence = sentences[int(where * len(sentences))] if sentences else message
    words = sentence.split()
    if len(words) <= MAX_QUOTE_WORDS:
        return sentence
    cut = " ".join(words[:MAX_QUOTE_WORDS]).rstrip(",;:") + " …"
    return cut.replace('"', "") if cut.count('"') % 2 else cut


def _name(introduced: str) -> str:
    return introduced.partition(" (")[0]


def _count_words(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _intro(values: dict[str, str]) -> str:
    return "intro" if values["persona"][:1].islower() else "intro_sentence"


def _background_values(prompt: Prompt) -> dict[str, str]:
    persona = prompt.inputs["persona"]
    if _NOUN_PHRASE.match(persona):
        persona = persona[:1].lower() + persona[1:].rstrip(".")
    given = dict(line.split(": ", 1) for line in prompt.inputs["attributes"].splitlines() if ": " in line)
    return {
        "name": _name(prompt.inputs["client"]),
        "persona": persona,
        "theme": prompt.inputs["theme"],
        "conflict_domain": given["conflict domain"],
        "stakes": given["stakes"],
        "mix": given["emotion mix"].replace("+", " and "),
        "coping": given["coping"],
        "coping_start": given["coping"].capitalize(),
        "communication": given["communication"],
    }
