"""The converter as the scripted teacher plays it: the event's own turn is right, the frame's other turns are wrong."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, cast

from corpus.seeds import rng_for
from corpus.taxonomy import load_taxonomy, split_label
from lms.scripted.events import Event
from lms.scripted.faults import ABSURD, FOREIGN, GENERIC, LONG_TAIL, SYNONYMS
from lms.scripted.frames import ApplicationTurn, UnderstandingTurn
from lms.scripted.mistakes import Mistakes
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt, read_moments

EXTRA_EMOTIONS = 2
_DOUBLE_STOP = re.compile(r"([.!?][\"”]?)\.(?=\s|$)")  # an answer that ends in a quotation brings its own full stop


def write_understanding(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Compose an EU item from the moment's event."""
    moment = read_moments(prompt.inputs["moment"])[0]
    event = Event.of(moment)
    turn, others = cast(UnderstandingTurn, event.turn), cast(list[UnderstandingTurn], event.others)
    told = event.scene()
    cue = told[-1]
    if mistakes.makes("names_emotion", prompt):
        told[-1] = f"{event.asked} felt nothing but {turn.emotion.lower().replace(' & ', ' and ')}."
    wrong_emotions = [other.emotion for other in others] + _extra_emotions(event, moment["sub-category"], turn.emotion)
    if mistakes.makes("near_synonym", prompt) and (near := _near_synonym(turn.emotion, wrong_emotions)):
        wrong_emotions[-1] = near
    cause, wrong_causes = _answers(event, turn.cause, [other.cause for other in others], prompt, mistakes)
    nearest = _nearest(turn, others)
    return {
        "scenario": " ".join(told),
        "subject": event.asked,
        "emotion": turn.emotion,
        "wrong_emotions": wrong_emotions,
        "cause": cause,
        "wrong_causes": wrong_causes,
        "misreadings": [event.tell(other.misread, event.voice) for other in others],
        "explanation": _explain(
            event, prompt, mistakes,
            cue=cue, means=turn.means, therefore=f"{turn.emotion}, since {_appraisal(turn.emotion)}",
            wrong=wrong_causes[nearest], misread=others[nearest].misread, answer=f"{turn.emotion}, because: {cause}",
            other_answer=f"{others[nearest].emotion}, because: {wrong_causes[nearest]}",
        ),
    }  # fmt: skip


def write_application(prompt: Prompt, mistakes: Mistakes) -> dict[str, Any]:
    """Compose an EA item from the moment's event."""
    event = Event.of(read_moments(prompt.inputs["moment"])[0])
    turn, others = cast(ApplicationTurn, event.turn), cast(list[ApplicationTurn], event.others)
    told = event.scene()
    best, wrong = _answers(event, turn.option, [other.option for other in others], prompt, mistakes)
    nearest = rng_for(event.key, "nearest").randrange(len(others))
    return {
        "scenario": " ".join(told),
        "subject": event.asked,
        "best": best,
        "wrong": wrong,
        "misreadings": [event.tell(other.misread, event.voice) for other in others],
        "explanation": _explain(
            event, prompt, mistakes,
            cue=told[-1], means=turn.why, therefore=load_taxonomy().ea.needs[turn.need].calls,
            wrong=wrong[nearest], misread=others[nearest].misread, answer=best, other_answer=wrong[nearest],
        ),
    }  # fmt: skip


def _answers(
    event: Event, right: tuple[str, ...], others: list[tuple[str, ...]], prompt: Prompt, mistakes: Mistakes
) -> tuple[str, list[str]]:
    """The right answer and the three wrong ones, with the mistakes that are made in them."""
    key = event.form(right, "item", event.voice)
    wrong = [event.form(forms, "item", event.voice) for forms in others]
    rng = rng_for(event.key, "answers")
    if mistakes.makes("twin_distractor", prompt):
        twins = [twin for form in right if (twin := event.tell(form, event.voice)) != key]
        wrong[rng.randrange(len(wrong))] = rng.choice(twins)
    if mistakes.makes("absurd_distractor", prompt):
        wrong[rng.randrange(len(wrong))] = rng.choice(ABSURD)
    if mistakes.makes("long_key", prompt):
        key += LONG_TAIL
    return key, wrong


def _explain(
    event: Event, prompt: Prompt, mistakes: Mistakes, *,
    cue: str, means: str, therefore: str, wrong: str, misread: str, answer: str, other_answer: str,
) -> str:  # fmt: skip
    """Cue, what it means, therefore, why the nearest wrong answer fails, answer: each step in one of six wordings."""
    lines, rng = phrases().explanation, rng_for(event.key, "explanation")
    if mistakes.makes("generic_explanation", prompt):
        return rng.choice(GENERIC)
    if mistakes.makes("contradicts_key", prompt):
        answer = other_answer
    values = {
        "cue": cue, "means": event.tell(means, event.voice), "therefore": therefore, "wrong": wrong,
        "misread": event.tell(misread, event.voice), "answer": answer, "asked": _as_object(event.asked),
    }  # fmt: skip
    steps = [rng.choice(lines[step]).format(**values) for step in ("cue", "means", "therefore", "nearest", "answer")]
    if mistakes.makes("foreign_fact", prompt):
        steps.insert(2, rng.choice(FOREIGN))
    return _DOUBLE_STOP.sub(r"\1", " ".join(steps))


def _as_object(asked: str) -> str:
    return {"I": "me", "You": "you"}.get(asked, asked)


def _nearest(turn: UnderstandingTurn, others: list[UnderstandingTurn]) -> int:
    """The wrong turn whose emotion is a neighbour of the right one, else the first."""
    emotions = load_taxonomy().emotions
    near = {name for key in split_label(turn.emotion) for name in emotions[key].near}
    return next((n for n, other in enumerate(others) if near & set(split_label(other.emotion))), 0)


def _appraisal(label: str) -> str:
    emotions = load_taxonomy().emotions
    return ", and at once ".join(emotions[name].appraisal for name in split_label(label))


def _near_synonym(label: str, taken: list[str]) -> str:
    """An emotion that means nearly the same as a single one, or an empty string."""
    near = (other for pair in SYNONYMS if label in pair for other in pair - {label})
    return next((name for name in sorted(near) if name not in taken), "")


def _extra_emotions(event: Event, sub_category: str, label: str) -> list[str]:
    """Two more wrong labels, not taken, that share nothing with the key and are no neighbours of it.

    They are labels that the sub-category also asks for, so that a label alone tells little about being right.
    """
    taxonomy, rng = load_taxonomy(), rng_for(event.key, "extra emotions")
    key = set(split_label(label))
    near = {name for emotion in key for name in taxonomy.emotions[emotion].near}
    taken = {cast(UnderstandingTurn, turn).emotion for turn in event.frame.turns}
    own = list(taxonomy.sub_categories[sub_category].aims)
    others = sorted({aim for sub in taxonomy.sub_categories.values() for aim in sub.aims} - set(own))
    rng.shuffle(own)
    rng.shuffle(others)
    free = (
        aim
        for aim in own + others
        if aim not in taken
        and not (key | near) & set(split_label(aim))
        and not any(key & set(taxonomy.emotions[name].near) for name in split_label(aim))
    )
    return list(islice(free, EXTRA_EMOTIONS))
