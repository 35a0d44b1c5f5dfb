from __future__ import annotations

import pytest

from corpus.errors import (
    DataError,
    EmoReasonError,
    ModelError,
    RecipeError,
    RunError,
    TeacherError,
    TrainingError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, 2),
        (RecipeError, 2),
        (DataError, 1),
        (RunError, 1),
        (TeacherError, 1),
        (ModelError, 1),
        (TrainingError, 1),
    ],
)
def test_every_error_is_ours_and_has_its_exit_code(error: type[EmoReasonError], code: int) -> None:
    assert issubclass(error, EmoReasonError)
    assert error.exit_code == code
