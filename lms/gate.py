"""How many calls may be under way at one server: as many as it takes, and none while it is gone.

The number goes up by one while calls are answered and is halved when more than a fifth of them are turned away, and not
by chance (additive increase, multiplicative decrease: Chiu and Jain 1989).  A smaller share is let pass, because a
server that turns away at random would otherwise be asked one call at a time.  Like TCP the gate halves once per round:
outcomes of calls that began before the last change do not count.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from dspy import lm15

from lms.faults import UNREACHABLE, Kind

TOLERATED = 0.2  # share of calls turned away that does not yet mean overload
ROUND = 16  # fewest outcomes on which the limit is changed
FIRST_PROBE, LAST_PROBE = 0.25, 5.0  # seconds between looks at a server that is gone
Announce = Callable[[str], None]
Outcome = Kind | Literal["answered"]


class Stopped(lm15.ConfigurationError):
    """The run is ending: no further call is begun."""


class GivenUp(lm15.TransportError):
    """The server has been gone for longer than patience: nobody waits for it any longer."""


@dataclass
class Place:
    """A call under way: what became of it, and the seconds for which the server asked to be left alone."""

    round: int
    is_probe: bool = False
    outcome: Outcome | None = None
    pause: float = 0.0


class Gate:
    """Lets calls through to one server; thread-safe.

    Args:
        name: of the model, for what is announced.
        most: calls at once, at the most.
        patience: seconds to wait for a server that was there and is gone.
        announce: called with a line when the server is gone, and when it is back.
    """

    def __init__(self, name: str, most: int, patience: float, announce: Announce):
        self.name, self.most, self.patience, self.announce = name, most, patience, announce
        self.limit = float(most)
        self.under_way = 0
        self.was_reached = self._probing = False
        self._round = self._answered = self._rejected = 0
        self._not_before = self._next_probe = 0.0
        self._gone_since: float | None = None
        self._probe_after = FIRST_PROBE
        self._change, self._stopping = threading.Condition(), threading.Event()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Wait for a place and hold it while the call is under way.

        Raises:
            GivenUp: the server has been gone for longer than the gate's patience.
            Stopped: the gate was stopped.
        """
        with self._change:
            while (wait := self._wait()) != 0:
                self._change.wait(wait)
            self._probing = self.is_gone
            self.under_way += 1
            place = Place(self._round, self._probing)
        try:
            yield place
        finally:
            with self._change:
                self.under_way -= 1
                news = self._learn(place)
                self._change.notify()
            if news:
                self.announce(news)

    def stop(self) -> None:
        """Begin no further call; whoever waits here, or sleeps with `rest`, is woken."""
        self._stopping.set()
        with self._change:
            self._change.notify_all()

    def rest(self, seconds: float) -> None:
        """Sleep, unless the gate is stopped; raises Stopped."""
        self._stopping.wait(seconds)
        self._check_stopped()

    @property
    def is_gone(self) -> bool:
        """Whether the server was there and is gone."""
        return self._gone_since is not None

    def _wait(self) -> float | None:
        """Seconds to wait for a place: 0 for none, None until somebody leaves.

        Who comes when patience is over still looks whether the server is back, if nobody did of late.
        """
        self._check_stopped()
        now = time.monotonic()
        if self._gone_since is not None:
            until_probe = LAST_PROBE if self._probing else self._next_probe - now
            if until_probe <= 0:
                return 0
            patience_left = self._gone_since + self.patience - now
            if patience_left <= 0:
                message = f"the server has been gone for {_say(now - self._gone_since)}, longer than patience"
                raise GivenUp(message, provider_code=UNREACHABLE)
            return min(until_probe, patience_left)
        if now < self._not_before:
            return self._not_before - now
        return 0 if self.under_way < int(self.limit) else None

    def _check_stopped(self) -> None:
        if self._stopping.is_set():
            raise Stopped("the run is stopping")

    def _learn(self, place: Place) -> str:
        """Take in what became of a call; return what is to be announced."""
        now = time.monotonic()
        if place.is_probe:
            self._probing = False
        if place.outcome == "gone":
            return self._note_gone(now, place.is_probe)
        news = ""
        if place.outcome == "passing":  # a 5xx comes from a server, a lost connection from one that may be going
            if place.is_probe:
                self._next_probe = now + self._probe_after
        elif place.outcome not in (None, "final"):  # of these nothing is known of the server: we failed ourselves
            self.was_reached, self._probe_after = True, FIRST_PROBE
            if self._gone_since is not None:
                news = f"{self.name} answers again after {_say(now - self._gone_since)}"
                self._gone_since, self._probing = None, False
                self._change.notify_all()
        if 0 < place.pause <= self.patience:  # who is asked to wait for longer gives up, and does not hold up others
            self._not_before = max(self._not_before, now + place.pause)
        if place.round == self._round:
            self._count(place.outcome == "busy")
        return news

    def _note_gone(self, now: float, was_probe: bool) -> str:
        news = ""
        if self.was_reached and self._gone_since is None:
            self._gone_since = now
            news = f"{self.name} is gone; waiting for it, {_say(self.patience)} at the most"
        if news or was_probe:  # not for each of the calls that the server took with it
            self._next_probe = now + self._probe_after
            self._probe_after = min(2 * self._probe_after, LAST_PROBE)
        return news

    def _count(self, rejected: bool) -> None:
        self._rejected += rejected
        self._answered += not rejected
        total = self._answered + self._rejected
        if total < max(ROUND, int(self.limit)):
            return
        # One standard deviation more: of sixteen calls four are turned away by chance too.
        if self._rejected > TOLERATED * total + math.sqrt(TOLERATED * (1 - TOLERATED) * total):
            self.limit = max(1.0, self.limit / 2)
        elif self.limit < self.most:
            self.limit = min(float(self.most), self.limit + 1)
            self._change.notify()
        self._round += 1
        self._answered = self._rejected = 0


def _say(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))) if seconds >= 60 else f"{seconds:.0f} s"
