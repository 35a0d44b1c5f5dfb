"""The converter as the scripted teacher plays it: the event's own turn is right, the frame's other turns are wrong."""

from __future__ import annotations

from typing import Any, cast

from corpus.seeds import rng_for
from corpus.taxonomy import load_taxonomy, split_label
from lms.scripted.events import Event
from lms.scripted.frames import ApplicationTurn, UnderstandingTurn
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt, read_moments

EXTRA_EMOTIONS = 2
PAIR_SHARE = 0.3  # of the extra wrong emotions; a pair must not stand out as the key


def write_understanding(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Compose an EU item from the moment's event."""
    event = Event.of(read_moments(prompt.inputs["moment"])[0])
    turn = cast(UnderstandingTurn, event.turn)
    others = cast(list[UnderstandingTurn], event.others)
    shows = event.form(turn.shows, "item")
    told = [event.form(event.frame.setup, "item"), event.form(turn.happens, "item"), shows]
    if mistakes.makes("names_emotion", prompt):
        told[-1] = f"{event.asked} felt nothing but {turn.emotion.lower().replace(' & ', ' and ')}."
    cause = event.form(turn.cause, "item")
    wrong_causes = [event.form(other.cause, "item") for other in others]
    if mistakes.makes("twin_distractor", prompt):
        wrong_causes[0] = next(twin for form in turn.cause if (twin := event.tell(form)) != cause)
    explanation = (
        f"The scenario says: “{shows}” {event.tell(turn.means)} That is {turn.emotion}: "
        f"{_appraisal(turn.emotion)}. The reason is this: {cause}. "
        f"A reader who picks “{wrong_causes[-1]}” {event.tell(others[-1].misread)}."
    )
    if mistakes.makes("generic_explanation", prompt):
        explanation = "The person is feeling this way because of what happened in the situation."
    return {
        "scenario": " ".join(told),
        "subject": event.asked,
        "emotion": turn.emotion,
        "wrong_emotions": [other.emotion for other in others] + _extra_emotions(event, turn.emotion),
        "cause": cause,
        "wrong_causes": wrong_causes,
        "misreadings": [event.tell(other.misread) for other in others],
        "explanation": explanation,
    }


def write_application(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Compose an EA item from the moment's event."""
    event = Event.of(read_moments(prompt.inputs["moment"])[0])
    turn = cast(ApplicationTurn, event.turn)
    others = cast(list[ApplicationTurn], event.others)
    detail, best = event.form(turn.happens, "item"), event.form(turn.option, "item")
    wrong = [event.form(other.option, "item") for other in others]
    if mistakes.makes("twin_distractor", prompt):
        wrong[0] = next(twin for form in turn.option if (twin := event.tell(form)) != best)
    explanation = (
        f"The detail that decides is this: “{detail}” {event.tell(turn.why)} "
        f"So the most effective choice is “{best}”. "
        f"A person who picks “{wrong[-1]}” {event.tell(others[-1].misread)}."
    )
    if mistakes.makes("generic_explanation", prompt):
        explanation = "This is the best option because it is the most helpful in the situation."
    return {
        "scenario": f"{event.form(event.frame.setup, 'item')} {detail}",
        "subject": event.asked,
        "best": best,
        "wrong": wrong,
        "misreadings": [event.tell(other.misread) for other in others],
        "explanation": explanation,
    }


def _appraisal(label: str) -> str:
    emotions = load_taxonomy().emotions
    return ", and at once ".join(emotions[name].appraisal for name in split_label(label))


def _extra_emotions(event: Event, label: str) -> list[str]:
    """Two more wrong emotions that share nothing with the key and are no neighbours of it."""
    emotions, rng = load_taxonomy().emotions, rng_for(event.key, "extra emotions")
    key = split_label(label)
    taken = {name for turn in event.frame.turns for name in split_label(cast(UnderstandingTurn, turn).emotion)}
    banned = taken | {near for name in key for near in emotions[name].near}
    free = [name for name in emotions if name not in banned and not set(emotions[name].near) & set(key)]
    rng.shuffle(free)
    return [f"{free.pop()} & {free.pop()}" if rng.random() < PAIR_SHARE else free.pop() for _ in range(EXTRA_EMOTIONS)]
