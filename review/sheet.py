"""A person's sheet: the verdicts on a sample, each change saved before it is shown as saved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from corpus.errors import RunError, UsageError
from corpus.human import HumanVerdict, read_sheet
from corpus.line_file import LineFile
from review.items import ReviewItem

_NAME = re.compile(r"(?![.-])[\w.-]{1,40}")


class Sheet:
    """The items of a sample in their order, and what one person found about them; made by `open_sheet`."""

    def __init__(self, items: Sequence[ReviewItem], annotator: str, rows: Sequence[HumanVerdict], file: LineFile):
        self.items, self.annotator = items, annotator
        self._verdicts = {row.id: row for row in rows}
        self._file = file

    def verdict(self, item_id: str) -> HumanVerdict:
        """Return what the person found about an item; an empty verdict when nothing yet."""
        return self._verdicts.get(item_id) or HumanVerdict(id=item_id, annotator=self.annotator)

    def change(self, item_id: str, **changes: Any) -> HumanVerdict:
        """Save a verdict with some fields changed, and return it.

        Raises:
            RunError: it could not be written, and the old verdict stands.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        verdict = self.verdict(item_id).model_copy(update={**changes, "at": now})
        self._file.append(verdict.model_dump(mode="json"))
        self._verdicts[item_id] = verdict
        return verdict

    @property
    def done(self) -> int:
        """How many items of the sample have all answers."""
        return sum(self.verdict(item.id).is_complete for item in self.items)

    @property
    def first_open(self) -> int:
        """Index of the first item that lacks an answer; the number of items when there is none."""
        return next(
            (index for index, item in enumerate(self.items) if not self.verdict(item.id).is_complete), len(self.items)
        )


@contextmanager
def open_sheet(folder: Path, annotator: str, items: Sequence[ReviewItem]) -> Iterator[Sheet]:
    """Open a person's sheet in the ``reviews`` folder of a run, alone.

    Raises:
        UsageError: the name cannot be a file's name.
        RunError: the sheet is open elsewhere, or cannot be read or written.
        DataError: a line of the sheet is not a verdict.
    """
    if not _NAME.fullmatch(annotator):
        raise UsageError(
            f"--annotator {annotator!r}: a name is 1 to 40 letters, figures, - _ . and starts with a letter or figure"
        )
    path = folder / f"{annotator}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{annotator}.lock", timeout=0):
            rows = read_sheet(path)
            with LineFile(path) as file:
                yield Sheet(items, annotator, rows, file)
    except Timeout as error:
        raise RunError(f"{path} is open in another review; end that one, or use another --annotator") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); check the folder's permissions") from error
