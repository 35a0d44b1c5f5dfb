"""Working in a folder alone: made if need be, locked while it is worked in, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from corpus.errors import RunError

IN_USE = "in use by another emoreason process; wait for it, or choose another --out"


@contextmanager
def hold_folder(path: Path, busy: str = IN_USE, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Make a folder and hold it while the context lasts; the lock goes with the process, also when it is killed.

    Args:
        path: the folder.
        busy: what it is while another process holds it, and what to do then.
        check: raises when the folder must be left alone; called before anything is made.

    Raises:
        RunError: another process holds it, or something in it cannot be read or written.
    """
    try:
        check()
        path.mkdir(parents=True, exist_ok=True)
        with FileLock(path / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise RunError(f"{path} is {busy}") from error
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}; check space and permissions, then run again") from error
