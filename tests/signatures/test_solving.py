from __future__ import annotations

import dspy
import pytest

from corpus.records import Task
from signatures import solving
from signatures.exam import exam_signature

ASKS: list[tuple[type[dspy.Signature], type[dspy.Signature], Task]] = [
    (solving.SolveUnderstanding, solving.GuessUnderstanding, "EU"),
    (solving.SolveApplication, solving.GuessApplication, "EA"),
]


@pytest.mark.parametrize(("solve", "guess", "task"), ASKS)
def test_a_blind_reader_is_asked_what_the_exam_asks_with_reasoning_first(
    solve: type[dspy.Signature], guess: type[dspy.Signature], task: Task
) -> None:
    exam = exam_signature(task, "reasoned")
    assert list(solve.input_fields) == list(exam.input_fields)
    assert list(solve.output_fields) == list(guess.output_fields) == list(exam.output_fields)
    assert next(iter(solve.output_fields)) == "reasoning"
    assert all(field.annotation is str for field in solve.fields.values())


@pytest.mark.parametrize(("solve", "guess", "task"), ASKS)
def test_the_choices_only_reader_is_given_all_but_the_scenario(
    solve: type[dspy.Signature], guess: type[dspy.Signature], task: Task
) -> None:
    assert list(guess.input_fields) == [name for name in solve.input_fields if name != "scenario"]


@pytest.mark.parametrize("ask", [ask for solve, guess, _ in ASKS for ask in (solve, guess)])
def test_every_ask_says_at_length_how_to_answer_and_leaves_the_complaint_free(ask: type[dspy.Signature]) -> None:
    assert len(ask.instructions.split()) >= 60
    assert not any(field.json_schema_extra["desc"].startswith("${") for field in ask.fields.values())
    assert "complaint" not in ask.fields
    assert "key" not in ask.instructions.lower().split()
