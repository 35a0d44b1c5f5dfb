"""The four session roles as the scripted teacher plays them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any, cast

import yaml

from corpus.seeds import rng_for
from lms.scripted.events import Event
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt, read_moments

MAX_BACKGROUND_WORDS = 390
MAX_QUOTE_WORDS = 14
_DOUBT = re.compile(r"\b(but|although|and yet|and still|part of me|two voices|two things)\b", re.IGNORECASE)


@cache
def phrases() -> dict[str, dict[str, list[str]]]:
    """Read phrases.yaml once."""
    text = files("lms.scripted").joinpath("phrases.yaml").read_text(encoding="utf-8")
    return cast(dict[str, dict[str, list[str]]], yaml.safe_load(text))


def write_background(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Persona, theme, habit, and then the planned events one after the other, within the word limit."""
    name = prompt.inputs["client"].partition(" (")[0]
    lines, rng = phrases()["background"], rng_for("background", prompt.seed)
    persona = prompt.inputs["persona"].rstrip(".")
    said = [
        rng.choice(lines[part]).format(
            name=name, persona=persona[:1].lower() + persona[1:], theme=prompt.inputs["theme"]
        )
        for part in ("intro", "theme", "habit", "bridge")
    ]
    events = [Event.of(moment) for moment in read_moments(prompt.inputs["moments"])]
    setups = [event.form(event.frame.setup, "background") for event in events]
    happenings = [event.form(event.turn.happens, "background") for event in events]
    words = sum(len(text.split()) for text in [*said, *setups])
    for setup, happening in zip(setups, happenings, strict=True):
        said.append(setup)
        words += len(happening.split())
        if words <= MAX_BACKGROUND_WORDS:
            said.append(happening)
    return {"background": " ".join(said)}


def speak_as_client(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Greet or answer, then tell the moment in the client's own voice, then doubt it a little."""
    lines, rng = phrases()["client"], rng_for("client", prompt.seed)
    opening = "recent_turns" not in prompt.inputs
    heard = prompt.inputs.get("recent_turns", "")
    stock = lines["greet" if opening else "answer"]
    said = [rng.choice([line for line in stock if line not in heard] or stock)]
    moments = read_moments(prompt.inputs["moment"])
    if not moments:
        return {"message": " ".join([*said, *rng.sample(lines["close"], 2)])}
    event, client = Event.of(moments[0]), prompt.inputs["client"].partition(" (")[0]
    if event.subject[0] != client:
        said.append(rng.choice(lines["about_other"]).format(name=event.subject[0]))
    elif not opening:
        said.append(rng.choice(lines["tell"]))
    said += [event.form(event.frame.setup, "client", client), event.form(event.turn.happens, "client", client)]
    if rng.random() < 0.5 or opening:
        said.append(rng.choice(lines["doubt"]))
    return {"message": " ".join(said)}


def respond_as_therapist(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Quote a stretch of the client's last words and ask a question of the phase."""
    lines, rng = phrases()["therapist"], rng_for("therapist", prompt.seed)
    turns = re.findall(r"^(CLIENT|THERAPIST): (.*)$", prompt.inputs["recent_turns"], re.MULTILINE)
    earlier = [text for speaker, text in turns if speaker == "THERAPIST"]
    if earlier and mistakes.makes("repeats_turn", prompt):
        return {"message": earlier[-1]}
    phase = prompt.inputs["phase"].partition(":")[0]
    questions = lines[{"facts and feelings": "facts", "meaning": "meaning"}.get(phase, "perspective")]
    fresh = [q for q in questions if not any(q in text for text in earlier)]
    reflection = rng.choice(lines["reflect"]).format(quote=_quote(turns[-1][1], rng.random()))
    return {"message": f"{reflection} {rng.choice(fresh or questions)}"}


def _quote(message: str, where: float) -> str:
    stock = {line for lines in phrases()["client"].values() for line in lines}
    sentences = [
        s for s in re.split(r"(?<=[.!?])\s+", message) if '"' not in s and len(s.split()) >= 4 and s not in stock
    ]
    sentence = sentences[int(where * len(sentences))] if sentences else message
    words = sentence.split()
    return sentence if len(words) <= MAX_QUOTE_WORDS else " ".join(words[:MAX_QUOTE_WORDS]).rstrip(",;:") + " …"


def supervise(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Look for the planned people and for a voiced doubt; the events themselves show feeling and cause."""
    transcript = prompt.inputs["transcript"]
    others = re.findall(r", with (\w+)$", prompt.inputs["planned"], re.MULTILINE)  # the client says "I", not a name
    told = [bool(re.search(rf"\b{name}\b", transcript)) for name in others]
    return {
        "scenario_clear": any(told),
        "emotions_present": sum(told) >= 2,
        "causes_present": sum(told) >= 2,
        "dilemma_present": bool(_DOUBT.search(transcript)),
        "rich_enough": all(told),
    }
