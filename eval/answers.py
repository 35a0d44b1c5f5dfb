"""One answer of one model to one question of an exam, as a row that is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from eval.benchmarks import Answer, Benchmark, Question

Value = int | float | None


class AnswerRow(BaseModel):
    """A question asked once: in one order of its options, as one sample.

    ``id`` is question, order, and sample; ``strict`` and ``lenient`` hold what was read, per part of the question (the
    index of an option in the order shown, or a rating), ``rules`` which rule read it; ``points`` are what the lenient
    reading is worth, ``strict_points`` the strict one, None where the item does not count; ``keys`` are the right
    options in the order shown.  ``finish`` is why the answer ended (stop, length), ``prompt`` a fingerprint of the
    messages, ``model`` who answered.  ``error`` is the reason why there is no answer; such a row is asked again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    question: str
    order: int
    sample: int
    raw: str = ""
    answered: bool = False
    strict: tuple[Value, ...] = ()
    lenient: tuple[Value, ...] = ()
    keys: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    points: float | None = None
    strict_points: float | None = None
    finish: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    model: str = ""
    prompt: str = ""
    error: str = ""


def row_id(question: Question, order: int, sample: int) -> str:
    """Return the ID of a row."""
    return f"{question.id}/{order}/{sample}"


def mark_answer(benchmark: Benchmark, question: Question, answer: Answer) -> dict[str, object]:
    """Return the fields of a row that say how an answer was read and what it is worth."""
    return {
        "answered": answer.answered,
        "strict": answer.strict,
        "lenient": answer.lenient,
        "rules": answer.rules,
        "points": benchmark.score(answer, question),
        "strict_points": benchmark.score(answer, question, "strict"),
    }
