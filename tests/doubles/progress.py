"""Answers of `pull` and `create`: lines of progress, or without streaming the last line only.

While streaming, what fails after the first line comes as `{"error": …}` with status 200.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

from tests.doubles.call import Call
from tests.doubles.generation import interrupt
from tests.doubles.wire import NDJSON, Page, Refusal, Stream, dump

Event = dict[str, Any]


def report(call: Call, body: dict[str, Any], events: Generator[Event]) -> Page | Stream:
    """Send progress as it comes, or its end; raises Refusal for what fails before the first line."""
    told = interrupt(call, _in_time(call, events), lambda event: event.get("status") == "success", _error)
    if body.get("stream") is not False:
        first = next(told)
        _check(first)
        return Stream(NDJSON, _lines(chain([first], told)), events.close)
    last: Event = {}
    for last in told:
        _check(last)
    return Page(200, "application/json", dump(last))


def _in_time(call: Call, events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        call.pause(call.double.chunk_seconds)
        yield event


def _error(text: str) -> Event:
    return {"error": text}


def _check(event: Event) -> None:
    if "error" in event:
        raise Refusal(500, event["error"])


def _lines(events: Iterator[Event]) -> Iterator[bytes]:
    try:
        for event in events:
            yield dump(event) + b"\n"
    except Refusal as refusal:
        yield dump(_error(refusal.text)) + b"\n"
