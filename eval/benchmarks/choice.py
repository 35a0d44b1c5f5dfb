"""The one shape of all multiple-choice exams: a loader and a signature make one, the rest is shared.

An item is right when all its questions are; what is not answered is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eval.benchmarks.base import Answer, Benchmark, Picks, Question
from eval.emobench import Language
from eval.reading import read_answer

if TYPE_CHECKING:
    import dspy


def choice_benchmark(
    name: str,
    title: str,
    languages: tuple[Language, ...],
    source: str,
    loader: Callable[[str, Language], list[Question]],
    signature: Callable[[Question, bool], type[dspy.Signature]],
) -> Benchmark:
    """Return an exam whose items are multiple-choice questions; see `Benchmark` for the arguments."""
    return Benchmark(name, title, languages, source, loader, signature, _adapter, read_choices, score_choices)


def read_choices(raw: str, question: Question) -> Answer:
    """Read strictly, the JSON field equals the letter, and by the frozen lenient rule of `eval.reading`."""
    alone = len(question.parts) == 1
    readings = [read_answer(raw, part.field, part.text_field, part.choices, alone) for part in question.parts]
    return Answer(
        strict=tuple(reading.strict for reading in readings),
        lenient=tuple(reading.lenient for reading in readings),
        rules=tuple(reading.rule for reading in readings),
    )


def score_choices(picks: Picks, question: Question) -> float:
    """Return 1.0 when every pick is the key, else 0.0."""
    return float(picks == question.keys)


def _adapter() -> dspy.Adapter:
    from signatures.exam_adapter import ExamAdapter

    return ExamAdapter()
