from __future__ import annotations

import copy

import dspy
import pytest

from corpus.errors import EmoReasonError, LimitError, TeacherError
from optimizers.watch import FIRST, IN_A_ROW, Halted, Watch
from programs.asking import Asker, AskFailed

PASSING, FATAL, LIMIT = dspy.LMServerError("oops"), dspy.LMAuthError("wrong key"), dspy.LMConfigurationError("spent")


def explain(error: dspy.LMError, answered: bool) -> EmoReasonError | None:
    if error is LIMIT:
        return LimitError("spent")
    return TeacherError(f"refused, {'later' if answered else 'at first'}") if error is FATAL else None


@pytest.fixture
def watch() -> Watch:
    """One failure in four may be."""
    return Watch(0.25, explain, lambda failed, done, error: TeacherError(f"{failed} of {done}: {error}"))


def do(watch: Watch, error: Exception | None = None) -> None:
    with watch.unit():
        if error:
            raise error


def fail(watch: Watch, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(dspy.LMServerError):
            do(watch, PASSING)


def test_units_are_counted(watch: Watch) -> None:
    do(watch)
    fail(watch)
    assert (watch.done, watch.failed, watch.halted) == (2, 1, None)
    assert watch.answered


def test_an_answer_that_could_not_be_used_is_an_answer(watch: Watch) -> None:
    with pytest.raises(AskFailed):
        do(watch, AskFailed("converter", "too long: 99 words", Asker(1)))
    assert (watch.done, watch.failed) == (1, 0)


def test_few_units_say_nothing_yet(watch: Watch) -> None:
    fail(watch, FIRST - 1)
    with pytest.raises(Halted, match=f"{FIRST} of {FIRST}") as caught:
        do(watch, PASSING)
    assert caught.value.__cause__ is PASSING
    assert isinstance(caught.value.error, TeacherError)


def test_a_share_of_failures_above_the_limit_halts(watch: Watch) -> None:
    for _ in range(30):
        do(watch)
    fail(watch, 10)
    with pytest.raises(Halted, match="11 of 41"):
        do(watch, PASSING)


def test_a_single_failure_halts_nothing() -> None:
    watch = Watch(0.01, explain, lambda failed, done, error: TeacherError("too many"))
    for _ in range(FIRST):
        do(watch)
    fail(watch)
    with pytest.raises(Halted):
        do(watch, PASSING)


def test_once_halted_nothing_is_begun(watch: Watch) -> None:
    with pytest.raises(Halted, match="refused, at first"):
        do(watch, FATAL)
    begun = False
    with pytest.raises(Halted, match="refused, at first"), watch.unit():
        begun = True
    assert not begun
    assert not isinstance(Halted(TeacherError("x")), Exception)


def test_a_fatal_error_is_explained_by_whether_anything_was_answered(watch: Watch) -> None:
    do(watch)
    with pytest.raises(Halted, match="refused, later"):
        do(watch, FATAL)


def test_a_bug_is_no_failure_of_a_model(watch: Watch) -> None:
    with pytest.raises(KeyError):
        do(watch, KeyError("bug"))
    assert watch.failed == 0


def test_copies_of_programs_share_it(watch: Watch) -> None:
    assert copy.deepcopy(watch) is watch


# Proposals


def test_proposals_that_fail_in_a_row_halt_the_next_unit(watch: Watch) -> None:
    for _ in range(IN_A_ROW - 1):
        watch.note_proposal(PASSING)
    watch.note_proposal(None)
    for _ in range(IN_A_ROW - 1):
        watch.note_proposal(PASSING)
    do(watch)
    watch.note_proposal(PASSING)
    with pytest.raises(Halted, match=r"the reflection model proposed nothing .*oops"):
        do(watch)


def test_a_fatal_error_of_a_proposal_halts_the_next_unit(watch: Watch) -> None:
    watch.note_proposal(FATAL)
    with pytest.raises(Halted, match="refused, later"):
        do(watch)


def test_a_step_without_any_proposal_is_an_error_at_its_end(watch: Watch) -> None:
    watch.note_proposal(PASSING)
    assert isinstance(watch.end_step(), TeacherError)


def test_a_step_with_one_proposal_is_none_and_the_next_is_counted_anew(watch: Watch) -> None:
    watch.note_proposal(PASSING)
    watch.note_proposal(None)
    assert watch.end_step() is None
    assert watch.end_step() is None
    watch.note_proposal(PASSING)
    assert isinstance(watch.end_step(), TeacherError)


def test_after_a_limit_things_may_go_on_and_after_an_error_not(watch: Watch) -> None:
    with pytest.raises(Halted):
        do(watch, LIMIT)
    watch.resume()
    do(watch)
    with pytest.raises(Halted):
        do(watch, FATAL)
    watch.resume()
    with pytest.raises(Halted):
        do(watch)
