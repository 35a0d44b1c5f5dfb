from __future__ import annotations

import dspy
import pytest
from dspy import lm15

from corpus.errors import TeacherError
from optimizers.attempt import TOO_LONG, UNREACHED, Attempt
from optimizers.cases import ItemCase, example_of
from optimizers.watch import Halted
from programs.converter import ItemConverter
from signatures.items import WriteApplicationItem, WriteUnderstandingItem
from tests.optimizers.handmade import compiled_items, demo
from tests.optimizers.searching import Babbling, Bench, refuse


def attempt_with(searching: Bench, program: dspy.Module | None = None) -> Attempt:
    return Attempt(program or ItemConverter(), searching.watch)


def case_of(cases: list[ItemCase], task: str) -> ItemCase:
    return next(case for case in cases if case.moment.task == task)


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_an_attempt_holds_what_came_of_a_case_and_its_cost(
    searching: Bench, item_cases: list[ItemCase], task: str
) -> None:
    case = case_of(item_cases, task)
    made = attempt_with(searching)(case=case)
    assert (made.outcome.id, made.outcome.task, made.failure) == (case.moment.id, task, "")
    assert (made.calls, made.retries, made.complaints, made.shown) == (1, 0, {}, ())
    assert (searching.watch.done, searching.watch.failed) == (1, 0)


def test_the_same_case_is_told_the_same_way_again(searching: Bench, item_cases: list[ItemCase]) -> None:
    attempt = attempt_with(searching)
    assert attempt(case=item_cases[0]).outcome == attempt(case=item_cases[0]).outcome


def test_a_program_that_finds_no_answer_has_failed_for_a_reason(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter").engine = Babbling()
    made = attempt_with(searching)(case=item_cases[0])
    assert made.outcome is None
    assert made.failure.startswith("converter: unreadable answer")
    assert (made.calls, made.retries) == (4, 4)
    assert made.complaints == {"converter: unreadable answer": 4}
    assert (searching.watch.done, searching.watch.failed) == (1, 0)


def test_a_model_that_is_out_of_reach_is_told_apart(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter", lambda number: True)
    made = attempt_with(searching)(case=item_cases[0])
    assert (made.outcome, made.failure, made.calls, made.complaints) == (None, UNREACHED, 0, {})
    assert (searching.watch.done, searching.watch.failed) == (1, 1)


def test_what_cannot_be_mended_ends_everything(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter", lambda number: True, refuse)
    with pytest.raises(Halted) as caught:
        attempt_with(searching)(case=item_cases[0])
    assert isinstance(caught.value.error, TeacherError)


def test_a_prompt_that_is_too_long_is_a_failure_of_the_program_once_others_were_answered(
    searching: Bench, item_cases: list[ItemCase]
) -> None:
    searching.spoil("converter", lambda number: number != 2, lambda: lm15.ContextLengthError("too long"))
    attempt = attempt_with(searching)
    assert [attempt(case=item_cases[0]).failure for _ in range(3)] == [UNREACHED, "", TOO_LONG]
    assert (searching.watch.done, searching.watch.failed) == (3, 1)


def test_signatures_are_the_attempts_own(searching: Bench) -> None:
    program = ItemConverter()
    attempt_with(searching, program)
    assert program.write_understanding.signature is not WriteUnderstandingItem
    assert program.write_application.signature is not WriteApplicationItem
    assert program.write_application.signature.instructions == WriteApplicationItem.instructions
    assert list(program.write_application.signature.fields) == list(WriteApplicationItem.fields)


def test_optimizers_see_the_predictors_of_the_program(searching: Bench) -> None:
    assert [name for name, _ in attempt_with(searching).named_predictors()] == [
        "program.write_understanding", "program.write_application",
    ]  # fmt: skip


def test_texts_of_demonstrations_are_told_but_for_the_cases_own(searching: Bench, item_cases: list[ItemCase]) -> None:
    case = case_of(item_cases, "EA")
    program = compiled_items("Write.", demo("Rain fell."), demo("Snow fell.", moment=case.moment.brief()))
    assert attempt_with(searching, program)(case=case).shown == ("Rain fell.",)
    other = [case for case in item_cases if case.moment.task == "EA"][-1]
    assert attempt_with(searching, program)(case=other).shown == ("Rain fell.", "Snow fell.")
    reloaded = ItemConverter()
    reloaded.load_state(program.dump_state())  # demonstrations are plain dictionaries then
    assert attempt_with(searching, reloaded)(case=other).shown == ("Rain fell.", "Snow fell.")


def test_rejected_answers_become_no_demonstrations(searching: Bench, item_cases: list[ItemCase]) -> None:
    """Of an ask that was answered twice only the answer that was accepted is in the trace."""
    case = case_of(item_cases, "EA")
    complaints = iter(["wrong count: too few", ""])
    with pytest.MonkeyPatch.context() as patch, dspy.context(trace=[]):
        patch.setattr("programs.converter._check_application", lambda answer: next(complaints))
        made = attempt_with(searching)(case=case)
        (step,) = dspy.settings.trace
    assert made.retries == 1
    assert (step[2]["best"], step[1]["complaint"]) == (made.outcome.best, "wrong count: too few")


@pytest.mark.parametrize("rounds", [1, 3])
def test_further_rounds_of_bootstrapping_ask_the_roles_own_model_with_other_seeds(
    searching: Bench, item_cases: list[ItemCase], rounds: int
) -> None:
    engine = searching.spoil("converter")
    dspy.BootstrapFewShot(
        metric=lambda example, made, trace=None: False, max_rounds=rounds, max_labeled_demos=0, max_errors=1
    ).compile(attempt_with(searching), trainset=[example_of(item_cases[0])])
    assert len(engine.requests) == len({request.config.seed for request in engine.requests}) == rounds
    assert [request.config.temperature for request in engine.requests] == [0.8, 1.0, 1.0][:rounds]
    assert set(searching.calls) == {"converter"}
