"""What every exam is made of: questions, how they are asked, how answers are read, and what answers are worth.

An exam is one `Benchmark`: a name, a loader, a signature, a reader, and a metric.  To add one, write a file beside this
one that makes it, and name it in `eval.benchmarks`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from corpus.errors import DataError, UsageError
from corpus.seeds import draw
from eval.emobench import Language

if TYPE_CHECKING:
    import dspy

ReadingName = Literal["strict", "lenient"]
# What was read, one value per part of a question (the index of an option) or per emotion that was rated (0 to 10).
Picks = tuple[int | float | None, ...]


@dataclass(frozen=True)
class Part:
    """One multiple-choice question.

    ``field`` is the field of an answer that holds the letter, ``text_field`` the one that holds the option's text in
    formats that ask for it; ``shown_as`` is the input field that shows the ``choices``; ``key`` is the index of the
    right one.  ``order[n]`` is where choice ``n`` stood in the published order; empty for that order itself.
    """

    field: str
    text_field: str
    shown_as: str
    choices: tuple[str, ...]
    key: int
    order: tuple[int, ...] = ()

    def published(self, pick: int) -> int:
        """Return the index that a choice has in the published order, so that picks under several orders compare."""
        return self.order[pick] if self.order else pick


@dataclass(frozen=True)
class Question:
    """One item of an exam, in one language.

    ``id`` is the same in every language and order; questions of one ``cluster`` rest on the same text, and are no
    independent evidence; ``texts`` are the input fields of the signature, but for the choices; ``reference`` are the
    ratings that an item without choices is scored against, 0 to 10 by emotion; ``about`` is what the data say beyond
    that, for prompts that are not ours.
    """

    id: str
    lang: Language
    cluster: str
    category: str
    texts: Mapping[str, str]
    parts: tuple[Part, ...] = ()
    reference: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, object]:
        """Every input field that a signature may ask for."""
        return {**self.texts, **{part.shown_as: part.choices for part in self.parts}}

    @property
    def scenario(self) -> str:
        """The text that it rests on, as the records of EmoBench call it."""
        return self.cluster

    @property
    def keys(self) -> tuple[int, ...]:
        """The right option of every part, by its place in the order shown."""
        return tuple(part.key for part in self.parts)

    @property
    def questions(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Choices and right choice of each part, as the records of EmoBench give them."""
        return tuple((part.choices, part.choices[part.key]) for part in self.parts)

    def inputs_for(self, signature: type[dspy.Signature]) -> dict[str, object]:
        """Return the input fields of a signature, and no others, of which DSPy would warn."""
        return {name: self.inputs[name] for name in signature.input_fields}


@dataclass(frozen=True)
class Answer:
    """What a text says, read two ways that are always reported side by side; None where nothing can be read.

    ``rules`` names the rule behind each lenient reading.
    """

    strict: Picks
    lenient: Picks
    rules: tuple[str, ...]

    @property
    def answered(self) -> bool:
        """Whether the lenient reading found everything that was asked for."""
        return None not in self.lenient


@dataclass(frozen=True)
class Total:
    """The score of an exam, 0 to 100, over the items that count; None when none does.

    ``parsed`` is the share in 0..1 of the ``n`` items that count; ``valid`` tells whether that is enough of them.
    """

    n: int
    parsed: float
    score: float | None
    valid: bool


@dataclass(frozen=True)
class Benchmark:
    """An exam.

    Args:
        source: what `load` takes, for help and error messages.
        loader: (source, language) → questions, as published; raises DataError naming file and line.
        signature: (question, thinking) → what is asked: the answer at once, or after thinking in writing.
        adapter: makes the adapter that renders the signature.
        read: (text, question) → what the text answers.
        metric: (picks, question) → points, at most ``points``; None takes the item out of the score.
        least_parsed: the share of items that must count for the score to be valid.
    """

    name: str
    title: str
    languages: tuple[Language, ...]
    source: str
    loader: Callable[[str, Language], list[Question]]
    signature: Callable[[Question, bool], type[dspy.Signature]]
    adapter: Callable[[], dspy.Adapter]
    read: Callable[[str, Question], Answer]
    metric: Callable[[Picks, Question], float | None]
    points: float = 1.0
    least_parsed: float = 0.0

    def load(self, source: str, lang: Language = "en", limit: int | None = None) -> list[Question]:
        """Return the questions of one language as published, or ``limit`` of them.

        Those are drawn, and stand in the published order: benchmarks are sorted by category, so that the first 50
        of EmoBench's would be of one.  A higher limit keeps what a lower one drew, and both languages get the same.

        Raises:
            UsageError: the exam does not exist in this language.
            DataError: the source cannot be read, is malformed, has a question twice, or none in this language.
        """
        if lang not in self.languages:
            raise UsageError(f"{self.name} is not there in {lang}; choose {' or '.join(self.languages)}")
        questions = self.loader(source, lang)
        if not questions:
            raise DataError(f"{source}: has no question of {self.title} in {lang}; name {self.source}")
        twice = next((one for one, count in Counter(question.id for question in questions).items() if count > 1), None)
        if twice is not None:
            raise DataError(f"{source}: question {twice} comes twice; keep one of them")
        return draw(questions, limit, self.name, lambda question: question.id)

    def score(self, answer: Answer, question: Question, reading: ReadingName = "lenient") -> float | None:
        """Return the points of one answer, at most ``self.points``; None when it does not count."""
        return self.metric(answer.strict if reading == "strict" else answer.lenient, question)

    def total(self, scores: Sequence[float | None]) -> Total:
        """Return the score of the exam from the points of its items; at least one item."""
        counted = [points for points in scores if points is not None]
        parsed = len(counted) / len(scores)
        return Total(
            n=len(scores),
            parsed=parsed,
            score=100 * sum(counted) / len(counted) / self.points if counted else None,
            valid=bool(counted) and parsed >= self.least_parsed,
        )


def reordered(question: Question, order: int) -> Question:
    """Return a question with its choices in another order; order 0 is the published one.

    Over as many orders as there are choices, starting anywhere, the key stands once at each place: whoever always
    picks one letter scores at chance.  The other choices are shuffled by a seed made from ID, part, and order, so an
    order is the same on every machine.

    Args:
        question: as published; order: from 0.
    """
    if order == 0:
        return question
    parts = (_shuffle(part, order, f"{question.id}/{part.field}/{order}") for part in question.parts)
    return replace(question, parts=tuple(parts))


def _shuffle(part: Part, order: int, seed: str) -> Part:
    places = [index for index in range(len(part.choices)) if index != part.key]
    random.Random(seed).shuffle(places)
    key = (part.key + order) % len(part.choices)
    places.insert(key, part.key)
    return replace(part, choices=tuple(part.choices[n] for n in places), key=key, order=tuple(places))
