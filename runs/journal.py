"""Append-only JSONL journals: one row per unit of work, the latest row of an ID counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from corpus.errors import RunError
from corpus.line_file import LineFile


class Journal(LineFile):
    """An append-only file of JSON rows with an ``id``; use as a context manager to append."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield whole rows in file order.

        Raises:
            RunError: a line other than a torn last one is not a row; the message names it.
        """
        for number, line in enumerate(self.lines(), 1):
            try:
                row = json.loads(line)
                row["id"]
            except (ValueError, KeyError, TypeError) as error:
                raise RunError(
                    f"{self.path}, line {number}: not a journal row; remove the line and run again"
                ) from error
            yield row

    def latest(self) -> dict[str, dict[str, Any]]:
        """Return the last row of each ID."""
        return {row["id"]: row for row in self.rows()}
