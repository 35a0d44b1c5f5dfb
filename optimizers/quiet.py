"""DSPy's optimizers without their surroundings: what they print goes into a file, and no call is sent twice.

DSPy's pool sends the last calls of an evaluation again after 120 seconds, which a local model often needs, and offers
optimizers no way to forbid it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import dspy.evaluate.evaluate
import dspy.predict.parallel
from dspy.utils.parallelizer import ParallelExecutor

from corpus.errors import RunError


class _Patient(ParallelExecutor):
    def __init__(self, **options: object):
        super().__init__(**{**options, "timeout": 0, "disable_progress_bar": True})


@contextmanager
def dspy_at_work(log: Path) -> Iterator[None]:
    """Append to ``log`` all that is printed while the context lasts, and let DSPy's pools wait for their last calls.

    Raises:
        RunError: the file cannot be written.
    """
    try:
        file = log.open("a", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{log}: cannot be written ({error.strerror}); check the folder's permissions") from error
    with file, redirect_stdout(file), redirect_stderr(file), _patient_pools():
        yield


@contextmanager
def _patient_pools() -> Iterator[None]:
    modules = (dspy.evaluate.evaluate, dspy.predict.parallel)
    for module in modules:
        module.ParallelExecutor = _Patient
    try:
        yield
    finally:
        for module in modules:
            module.ParallelExecutor = ParallelExecutor
