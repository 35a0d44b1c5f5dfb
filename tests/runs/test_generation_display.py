"""What a user sees of generation: the same facts as a live panel on a terminal and as plain lines elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from dspy.lm15 import Usage
from rich.console import Console

from corpus.config import CurateConfig
from corpus.records import Plan
from lms.build import Models
from lms.ledger import Ledger
from lms.spec import ModelSpec, Prices
from runs import generation_display
from runs.generation_display import show_generation
from runs.progress import PLAIN_EVERY
from runs.tally import Tally

MakeRow = Callable[..., dict[str, Any]]
LOST = "client: too long"
FACTS = (
    "6/40 sessions", "2.00/s", "60 calls (20.0/s)", "3,480 + 638 tokens", "18 retries", "ETA 0:00:17",
    "calls lost 2: server busy 2", "failed 3: client: too long 2; moment not told 1",
)  # fmt: skip
SPEC = ModelSpec(model="scripted/counsel")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(generation_display, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def terminal() -> Console:
    return Console(force_terminal=True, width=120, height=60, file=StringIO())


@pytest.fixture
def plain() -> Console:
    return Console(width=40, file=StringIO())


def printed(console: Console) -> str:
    """All that was printed, without control codes, on one line."""
    assert isinstance(console.file, StringIO)
    return " ".join(re.sub(r"\x1b\[[\d;?]*[A-Za-z]", " ", console.file.getvalue()).split())


@pytest.fixture
def tally(plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow) -> Tally:
    """Two sessions with their drafts, as a run that goes on finds them: 20 calls."""
    tally = Tally(CurateConfig())
    for plan in plans[:2]:
        tally.add_session(session_row(plan))
        tally.add_drafts(drafts_row(plan))
    return tally


def call(ledger: Ledger, times: int, failed: str = "") -> None:
    for _ in range(times):
        ledger.begin()
        usage = Usage(input_tokens=0 if failed else 60, output_tokens=0 if failed else 11)
        ledger.end("client", SPEC, 0.1, usage, failed)


@pytest.fixture
def models() -> Iterator[Models]:
    """The scripted teacher, which was called twenty times before."""
    with Models({"teacher": SPEC}, Ledger("generate"), concurrency=8) as models:
        call(models.ledger, 20)
        yield models


@pytest.fixture
def work(
    tally: Tally, models: Models, plans: list[Plan], session_row: MakeRow, drafts_row: MakeRow, clock: Clock
) -> Callable[[], None]:
    """Two seconds of work: four more sessions, one of which lacks an item, and two that were lost."""

    def go_on() -> None:
        for plan in plans[2:6]:
            tally.add_session(session_row(plan))
            tally.add_drafts(drafts_row(plan, failures={"m0": "moment not told"} if plan is plans[2] else {}))
        for plan in plans[6:8]:
            tally.add_session({"id": plan.id, "ok": False, "reason": LOST, "calls": 0, "retries": 0})
        call(models.ledger, 38)
        call(models.ledger, 2, "server busy")
        clock.now += 2

    return go_on


def test_a_terminal_shows_a_panel_with_all_facts(
    terminal: Console, tally: Tally, models: Models, work: Callable[[], None]
) -> None:
    with show_generation(terminal, "generate, round 2", tally, models, 2, 40) as show:
        work()
        show(6)
    shown = printed(terminal)
    assert "generate, round 2" in shown
    assert [fact for fact in FACTS if fact not in shown] == []
    panel = shown[shown.rindex("category items category items") :] + " "
    assert [cell for cell, count in tally.sound().items() if f" {cell} {count} " not in panel] == []


def test_elsewhere_plain_lines_say_the_same(
    plain: Console, tally: Tally, models: Models, work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_display, "PLAIN_EVERY", 2)
    with show_generation(plain, "generate", tally, models, 2, 40) as show:
        work()
        show(6)
    assert isinstance(plain.file, StringIO)
    text = plain.file.getvalue()
    assert "\x1b" not in text
    assert [line.partition(":")[0] for line in text.splitlines()] == ["generate", "generate"]
    assert [fact for fact in FACTS if fact not in text.splitlines()[0]] == []
    counts = text.splitlines()[1] + ","
    assert [cell for cell, count in tally.sound().items() if f" {cell} {count}," not in counts] == []


def test_plain_lines_come_now_and_then_only(plain: Console, tally: Tally, models: Models, clock: Clock) -> None:
    times: list[int] = []
    with show_generation(plain, "generate", tally, models, 0, 999) as show:
        for count in range(1, 400):
            clock.now += PLAIN_EVERY / 100
            before = len(printed(plain))
            show(count)
            if len(printed(plain)) > before:
                times.append(count)
    assert len(times) == 3
    assert all(99 <= later - earlier <= 101 for earlier, later in zip([0, *times], times, strict=False))


def test_a_short_round_is_quiet_without_a_terminal(plain: Console, tally: Tally, models: Models, clock: Clock) -> None:
    with show_generation(plain, "generate", tally, models, 0, 2) as show:
        show(1)
        show(2)
    assert printed(plain) == ""


@pytest.mark.parametrize("kind", ["terminal", "plain"])
def test_without_pace_the_eta_is_unknown_and_without_failures_none_are_told(
    kind: str,
    request: pytest.FixtureRequest,
    tally: Tally,
    models: Models,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = request.getfixturevalue(kind)
    monkeypatch.setattr(generation_display, "PLAIN_EVERY", 0)
    with show_generation(console, "generate", tally, models, 2, 40) as show:
        clock.now += 1
        show(2)
    shown = printed(console)
    assert "2/40 sessions, 0.00/s, 20 calls (0.0/s)" in shown
    assert "ETA unknown" in shown
    assert "failed" not in shown


@pytest.mark.parametrize("kind", ["terminal", "plain"])
@pytest.mark.parametrize(
    "reason", ["teacher x/y: unexpected [/INST] in the prompt", "teacher x/y: [type=missing] told"]
)
def test_a_reason_is_shown_as_the_model_server_worded_it(
    kind: str,
    reason: str,
    request: pytest.FixtureRequest,
    tally: Tally,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = request.getfixturevalue(kind)
    monkeypatch.setattr(generation_display, "PLAIN_EVERY", 0)
    tally.add_session({"id": "s9-00009", "ok": False, "reason": reason, "calls": 0, "retries": 0})
    with show_generation(console, "generate", tally, models, 2, 40) as show:
        show(3)
    assert f"failed 1: {reason} 1" in printed(console)


def test_the_commonest_reasons_come_first_and_rare_ones_are_only_counted(
    terminal: Console, tally: Tally, models: Models, clock: Clock
) -> None:
    for count, name in enumerate("edcba", 1):
        for number in range(count):
            row = {"id": f"{name}-{number}", "ok": False, "reason": f"reason {name}", "calls": 0, "retries": 0}
            tally.add_session(row)
    with show_generation(terminal, "generate", tally, models, 2, 40):
        pass
    shown = printed(terminal)
    assert "failed 15: reason a 5; reason b 4; reason c 3" in shown
    assert "reason e" not in shown


def test_an_error_passes_through_and_gives_the_terminal_back(terminal: Console, tally: Tally, models: Models) -> None:
    with pytest.raises(RuntimeError, match="stop"), show_generation(terminal, "generate", tally, models, 2, 40):
        raise RuntimeError("stop")
    assert isinstance(terminal.file, StringIO)
    hidden, shown = (terminal.file.getvalue().rindex(f"\x1b[?25{code}") for code in "lh")
    assert shown > hidden, "the cursor stays hidden"


def test_a_server_that_takes_fewer_calls_or_is_gone_is_shown(
    terminal: Console, plain: Console, tally: Tally, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_display, "PLAIN_EVERY", 0)
    (gate,) = models.distinct_gates()
    with show_generation(plain, "generate", tally, models, 2, 40) as show:
        show(3)
        gate.limit = 2.5
        show(3)
    assert printed(plain).count("scripted/counsel: 2 of 8 calls at once") == 1
    for outcome in ("answered", "gone"):
        with gate.place() as place:
            place.outcome = outcome
    with show_generation(terminal, "generate", tally, models, 2, 40):
        pass
    assert "scripted/counsel: gone" in printed(terminal)


def test_money_is_shown_where_models_have_prices(
    plain: Console, tally: Tally, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_display, "PLAIN_EVERY", 0)
    with show_generation(plain, "generate", tally, models, 2, 40) as show:
        show(3)
        models.ledger.begin()
        priced = SPEC.model_copy(update={"prices": Prices(input=2, output=10)})
        models.ledger.end("client", priced, 0.1, Usage(input_tokens=1_000_000, output_tokens=50_000))
        show(3)
    assert printed(plain).count("spent") == 1
    assert "2.50 spent" in printed(plain)
