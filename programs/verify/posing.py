"""A draft as it is put to a reader who does not know the key: questions, lettered options, and what each letter means.

The options are shuffled anew for every answer, so that a liking for a letter cannot pass for agreement (Zheng et al.,
arXiv 2309.03882).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import dspy

from corpus.assemble import place
from corpus.records import ApplicationDraft, ApplicationItem, UnderstandingDraft, UnderstandingItem
from corpus.seeds import rng_for
from corpus.text import one_line
from signatures.exam import exam_inputs
from signatures.formats import LETTERS

# "B", "B)", "(b)", "**B**", "B. The text", "Option B", "The answer is B"; not a sentence that begins with "A person".
_LETTER = re.compile(
    r"^[\W_]*(?:(?:the )?(?:answer|option|choice)(?: is)?[\W_]*)?([A-Z])(?:[\W_]*$|[\s*_]*[).:\]–—-])", re.IGNORECASE
)


@dataclass(frozen=True)
class Posed:
    """Inputs of an ask, and (choices in the order of their letters, key) of each question."""

    inputs: dict[str, str]
    questions: tuple[tuple[tuple[str, ...], str], ...]

    def check(self, answer: dspy.Prediction) -> str:
        """Return a complaint about the first answer that names no option, or an empty string."""
        for name, (choices, _) in zip(_answers_of(answer), self.questions, strict=True):
            if find_choice(answer[name], choices) is None:
                return f"unreadable letter: {name} must be one letter from A to {LETTERS[len(choices) - 1]}"
        return ""

    def picks(self, answer: dspy.Prediction) -> tuple[str, ...]:
        """Return the text that was chosen for each question, of an answer that `check` accepts."""
        chosen = zip(_answers_of(answer), self.questions, strict=True)
        return tuple(str(find_choice(answer[name], choices)) for name, (choices, _) in chosen)

    def is_right(self, picks: tuple[str, ...]) -> bool:
        """Whether every pick is the key of its question."""
        return picks == tuple(key for _, key in self.questions)


def pose(draft: UnderstandingDraft | ApplicationDraft, *seed: object) -> Posed:
    """Shuffle the options of a draft by ``seed`` and letter them; the questions are the exam's."""
    item = _shuffle(draft, seed)
    inputs = {
        name: value if isinstance(value, str) else letter_choices(tuple(map(str, value)))  # type: ignore[call-overload]
        for name, value in exam_inputs(item).items()
    }
    return Posed(inputs, item.questions)


def letter_choices(choices: tuple[str, ...]) -> str:
    """Return the choices as ``A) …`` lines."""
    return "\n".join(f"{letter}) {one_line(choice)}" for letter, choice in zip(LETTERS, choices, strict=False))


def find_choice(said: str, choices: tuple[str, ...]) -> str | None:
    """Return the choice that an answer names by its letter or by its whole text, or None."""
    if match := _LETTER.match(said):
        number = LETTERS.find(match[1].upper())
        return choices[number] if 0 <= number < len(choices) else None
    plain = one_line(said).casefold()
    return next((choice for choice in choices if one_line(choice).casefold() == plain), None)


def _answers_of(answer: dspy.Prediction) -> list[str]:
    return [name for name in answer.keys() if name.startswith("answer")]  # noqa: SIM118  # a prediction is no mapping


def _shuffle(
    draft: UnderstandingDraft | ApplicationDraft, seed: tuple[object, ...]
) -> UnderstandingItem | ApplicationItem:
    rng = rng_for("pose", draft.id, *seed)

    def shuffle(name: str, key: str, wrong: tuple[str, ...]) -> tuple[str, ...]:
        return place(key, wrong, rng.randrange(1 + len(wrong)), name, draft.id, *seed)

    if isinstance(draft, UnderstandingDraft):
        return UnderstandingItem(
            qid=draft.id, scenario=draft.scenario, subject=draft.subject,
            coarse_category=draft.coarse_category, finegrained_category=draft.finegrained_category,
            emotion_choices=shuffle("emotion", draft.emotion, draft.wrong_emotions), emotion_label=draft.emotion,
            cause_choices=shuffle("cause", draft.cause, draft.wrong_causes), cause_label=draft.cause,
        )  # fmt: skip
    return ApplicationItem(
        qid=draft.id, scenario=draft.scenario, subject=draft.subject,
        category=draft.category, question_type=draft.question_type,
        choices=shuffle("option", draft.best, draft.wrong), label=draft.best,
    )  # fmt: skip
