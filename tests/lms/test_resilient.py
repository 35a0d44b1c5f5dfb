"""The engine around an engine: what is asked again, with which seed, after which pause, and what is told at the end.

One file, because all of it rests on the few helpers at its head.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.lm15 import Config, Message, Request, Response, TextPart, ThinkingPart, Usage

from corpus.errors import RunError
from corpus.line_file import LineFile
from lms import gate as gates
from lms import ledger as ledgers
from lms import resilient
from lms.faults import CUT, FILTERED, UNFINISHED, UNREACHABLE
from lms.gate import Gate, GivenUp, Stopped
from lms.ledger import Ledger, LimitReached
from lms.limits import LimitsConfig
from lms.resilient import ResilientEngine
from lms.spec import ModelSpec

KEY = "sk-not-a-real-key-4711"
NAME = "ollama_chat/m"
LONG = 20.0

BUSY = lm15.RateLimitError("slow down", status=429)
GONE = lm15.TransportError("cannot reach it", provider_code=UNREACHABLE)
LOST = lm15.TransportError("the connection was lost")
LATE = lm15.TimeoutError("no answer in time")
OOPS = lm15.ServerError("oops", status=500)
BROKE_OFF = lm15.ServerError("the answer broke off", provider_code=UNFINISHED)
PASSING = [LOST, LATE, OOPS]
FINAL = [
    lm15.ContextLengthError("too long"),
    lm15.UnsupportedModelError("no such model"),
    lm15.AuthError("wrong key"),
    lm15.BillingError("pay first"),
    lm15.InvalidRequestError("what is this"),
    lm15.ConfigurationError("not set up"),
    lm15.UnsupportedFeatureError("cannot do that"),
]
Step = Response | BaseException


def answer(text: str = "yes", finish: Any = "stop", read: int = 10, written: int = 2, thought: str = "") -> Response:
    parts: list[Any] = [TextPart(text)]
    if thought:
        parts.insert(0, ThinkingPart(thought))
    usage = Usage(input_tokens=read, output_tokens=written)
    return Response(id=None, model="m", message=Message.assistant(parts), finish_reason=finish, usage=usage)


class Script:
    """An engine that plays its steps one after the other, the last one for ever; notes requests."""

    def __init__(self, *steps: Step):
        self.steps = itertools.chain(steps, itertools.repeat(steps[-1]))
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Response:
        self.requests.append(request)
        assert len(self.requests) < 5000, "this would go on for ever"
        step = next(self.steps)
        if isinstance(step, BaseException):
            raise copy.copy(step)
        return step

    @property
    def seeds(self) -> list[int | None]:
        return [request.config.seed for request in self.requests]


class Clock:
    """`time` for gate, ledger, and engine: goes on while somebody rests, and not else."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rests: list[float] = []

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (gates, ledgers, resilient):
        monkeypatch.setattr(module, "time", clock)
    rest = Gate.rest

    def note(gate: Gate, seconds: float) -> None:
        clock.rests.append(seconds)
        clock.now += seconds
        rest(gate, 0)

    monkeypatch.setattr(Gate, "rest", note)
    return clock


Build = Callable[..., ResilientEngine]


@pytest.fixture
def build(clock: Clock) -> Build:
    """Build an engine from steps; the other options are those of the spec, and a ledger."""

    def build(*steps: Step, ledger: Ledger | None = None, model: str = NAME, **fields: Any) -> ResilientEngine:
        spec = ModelSpec(model=model, **fields)
        gate = Gate(spec.identity, 8, spec.patience, lambda line: None)
        return ResilientEngine(Script(*steps), spec, "teacher", gate, ledger or Ledger("generate"), "m")

    return build


def ask(engine: ResilientEngine, seed: int | None = 7) -> Response:
    return engine.complete(Request(model=f"{NAME}#abc", messages=(Message.user("?"),), config=Config(seed=seed)))


def lm_of(engine: ResilientEngine, **kwargs: Any) -> dspy.LM:
    return dspy.LM(f"{engine.spec.model}#0a1b2c", engine=engine, cache=False, num_retries=0, **kwargs)


def failures(engine: ResilientEngine) -> dict[str, int]:
    return dict(engine.ledger.total.failed)


# Again, or not


def test_an_answer_is_handed_on_and_the_engine_knows_the_model_by_its_own_name(build: Build) -> None:
    engine = build(answer("yes"))
    assert ask(engine).message.text == "yes"
    (request,) = engine.engine.requests
    assert request.model == "m"
    total = engine.ledger.total
    assert (total.calls, total.input_tokens, total.output_tokens, dict(total.failed)) == (1, 10, 2, {})


@pytest.mark.parametrize("error", PASSING)
def test_what_passes_is_asked_again_with_the_same_seed(build: Build, clock: Clock, error: lm15.LM15Error) -> None:
    engine = build(error, error, answer(), timeout=60)
    ask(engine)
    assert engine.engine.seeds == [7, 7, 7]
    assert len(clock.rests) == 2
    assert engine.ledger.total.calls == 3


def test_an_answer_that_broke_off_is_asked_for_with_other_seeds_the_same_ones_in_each_run(build: Build) -> None:
    seeds = []
    for _ in range(2):
        engine = build(BROKE_OFF, BROKE_OFF, OOPS, answer())
        ask(engine)
        seeds.append(engine.engine.seeds)
    first, second, third, fourth = seeds[0]
    assert first == 7
    assert len({first, second, third}) == 3
    assert fourth == third  # the fault in between was no fault of the seed
    assert all(0 <= seed < 2**31 for seed in seeds[0] if seed is not None)
    assert seeds[0] == seeds[1]


def test_the_highest_seed_has_a_next_one(build: Build) -> None:
    engine = build(BROKE_OFF, answer())
    ask(engine, seed=2**31 - 1)
    assert 0 <= engine.engine.seeds[1] < 2**31


def test_a_call_without_a_seed_stays_without(build: Build) -> None:
    engine = build(BROKE_OFF, BROKE_OFF, answer())
    ask(engine, seed=None)
    assert engine.engine.seeds == [None] * 3


@pytest.mark.parametrize("error", FINAL)
def test_what_nobody_can_mend_by_asking_again_is_raised_at_once(
    build: Build, clock: Clock, error: lm15.LM15Error
) -> None:
    engine = build(error)
    with pytest.raises(type(error), match=re.escape(error.message)):
        ask(engine)
    assert len(engine.engine.requests) == 1
    assert clock.rests == []
    assert engine.gate.under_way == 0


@pytest.mark.parametrize("retries", [0, 1, 4])
@pytest.mark.parametrize("error", [*PASSING, BROKE_OFF])
def test_no_more_repeats_than_allowed(build: Build, error: lm15.LM15Error, retries: int) -> None:
    engine = build(error, retries=retries, timeout=60)
    with pytest.raises(type(error), match=error.message):
        ask(engine)
    assert len(engine.engine.requests) == 1 + retries
    assert sum(failures(engine).values()) == 1 + retries


@pytest.mark.parametrize(("timeout", "patience", "calls"), [(600, 900, 2), (600, 0, 1), (60, 900, 11), (300, 900, 4)])
def test_answers_that_come_too_late_are_not_waited_for_for_hours(
    build: Build, timeout: float, patience: float, calls: int
) -> None:
    engine = build(LATE, timeout=timeout, patience=patience)
    with pytest.raises(lm15.TimeoutError):
        ask(engine)
    assert len(engine.engine.requests) == calls


def test_a_gateways_quick_time_out_takes_no_patience(build: Build) -> None:
    engine = build(*[lm15.TimeoutError("gateway time-out", status=504)] * 5, answer())
    assert ask(engine).message.text == "yes"


def test_being_busy_takes_no_repeats(build: Build) -> None:
    engine = build(*[BUSY] * 6, answer(), retries=0)
    assert ask(engine).message.text == "yes"
    assert failures(engine) == {"server busy": 6}


@pytest.mark.parametrize("patience", [0, 30, 300])
def test_a_server_that_stays_busy_is_asked_for_as_long_as_patience_lasts(
    build: Build, clock: Clock, patience: float
) -> None:
    engine = build(BUSY, patience=patience)
    with pytest.raises(lm15.RateLimitError, match="slow down"):
        ask(engine)
    assert patience - 1 <= clock.now - 1000 <= patience + resilient.LAST_PAUSE
    assert len(clock.rests) < 60


def test_pauses_grow_to_a_limit_and_differ(build: Build, clock: Clock) -> None:
    engine = build(*[BUSY] * 12, answer(), patience=10_000)
    ask(engine)
    assert 0.05 <= clock.rests[0] <= 0.1
    assert all(10 <= pause <= 20 for pause in clock.rests[-3:])
    assert len(set(clock.rests)) == 12  # so that those who were turned away together do not come back together


def test_a_server_may_be_busy_for_days(build: Build, clock: Clock) -> None:
    engine = build(*[BUSY] * 1200, answer(), patience=1e9)
    assert ask(engine).message.text == "yes"
    assert max(clock.rests) <= resilient.LAST_PAUSE


# Retry-After


@pytest.mark.parametrize("kind", [lm15.RateLimitError, lm15.ServerError])
def test_the_seconds_that_a_server_asks_for_are_waited(build: Build, clock: Clock, kind: type[lm15.LM15Error]) -> None:
    engine = build(kind("later", retry_after=42.0), answer())
    ask(engine)
    assert clock.rests == [42.0]


@pytest.mark.parametrize("error", [*PASSING, BUSY, BROKE_OFF])
def test_who_asks_for_more_than_patience_is_not_waited_for(build: Build, clock: Clock, error: lm15.LM15Error) -> None:
    error = copy.copy(error)
    error.retry_after = 101.0
    engine = build(error, patience=100)
    with pytest.raises(type(error)):
        ask(engine)
    assert clock.rests == []
    assert len(engine.engine.requests) == 1


def test_one_who_gives_up_does_not_make_the_others_wait(build: Build) -> None:
    engine = build(lm15.RateLimitError("tomorrow", retry_after=86_400.0), answer(), patience=100)
    with pytest.raises(lm15.RateLimitError, match="tomorrow"):
        ask(engine)
    assert in_thread(lambda: ask(engine)).message.text == "yes"


# A server that is gone


def in_thread(work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns or raise what it raises; fail when it does not end."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LONG)
    assert ended, "this does not end"
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time, with short waits."""
    monkeypatch.undo()
    monkeypatch.setattr(gates, "FIRST_PROBE", 0.005)
    monkeypatch.setattr(gates, "LAST_PROBE", 0.01)
    monkeypatch.setattr(resilient, "FIRST_PAUSE", 0.001)


def test_a_server_that_was_never_reached_is_told_at_once(build: Build, clock: Clock) -> None:
    engine = build(GONE)
    with pytest.raises(lm15.TransportError, match="cannot reach it"):
        ask(engine)
    assert len(engine.engine.requests) == 1
    assert clock.rests == []
    assert failures(engine) == {"server gone": 1}


def test_a_server_that_was_there_is_waited_for_and_no_repeat_is_used_up(build: Build, quick_probes: None) -> None:
    engine = build(answer(), *[GONE] * 5, answer("again"), retries=0)
    ask(engine)
    assert in_thread(lambda: ask(engine)).message.text == "again"
    assert failures(engine) == {"server gone": 5}
    assert set(engine.engine.seeds) == {7}


def test_a_server_that_stays_away_is_given_up_when_patience_ends(build: Build, quick_probes: None) -> None:
    engine = build(answer(), GONE, patience=0.05)
    ask(engine)
    with pytest.raises(GivenUp, match="longer than patience") as caught:
        in_thread(lambda: ask(engine))
    assert caught.value.provider_code == UNREACHABLE


def test_a_call_that_failed_while_others_were_answered_is_asked_again(build: Build, quick_probes: None) -> None:
    """A server that refuses a connection now and then is not one that was never there."""
    engine = build(answer(), GONE, answer("again"))
    ask(engine)
    complete = engine.engine.complete

    def refuse_one_while_another_is_answered(request: Request) -> Response:
        try:
            return complete(request)
        except lm15.TransportError:
            other.__enter__().outcome = "answered"
            raise

    other = engine.gate.place()
    engine.engine.complete = refuse_one_while_another_is_answered
    place_ended = threading.Event()
    learn = engine.gate.announce

    def announce(line: str) -> None:
        learn(line)
        if "gone" in line and not place_ended.is_set():
            place_ended.set()
            other.__exit__(None, None, None)

    engine.gate.announce = announce
    assert in_thread(lambda: ask(engine)).message.text == "again"
    assert place_ended.is_set()


def test_a_call_that_is_always_refused_while_others_are_answered_uses_up_repeats(build: Build, clock: Clock) -> None:
    """Else it would be asked for ever."""
    engine = build(GONE, retries=3)
    engine.gate.was_reached = True

    def answer_another(line: str) -> None:
        if "is gone" in line:
            clock.now += 1
            with engine.gate.place() as place:
                place.outcome = "answered"

    engine.gate.announce = answer_another
    with pytest.raises(lm15.TransportError, match="cannot reach it"):
        ask(engine)
    assert len(engine.engine.requests) == 4


# Answers that are not whole


def test_an_answer_that_was_cut_says_what_to_raise_and_is_paid(build: Build) -> None:
    engine = build(answer("half", "length", read=100, written=64))
    with pytest.raises(lm15.ProviderError, match=f"after 64 tokens; raise max_tokens of {NAME}") as caught:
        ask(engine)
    assert caught.value.provider_code == CUT
    total = engine.ledger.total
    assert (total.calls, total.input_tokens, total.output_tokens) == (1, 100, 64)
    assert total.failed == {"answer cut": 1}


def test_a_thought_that_took_the_whole_answer_may_be_switched_off(build: Build) -> None:
    engine = build(answer("", "length", thought="hm"))
    with pytest.raises(lm15.ProviderError, match=r"raise max_tokens of .* or set think: false"):
        ask(engine)


def test_a_server_that_does_not_count_still_has_a_limit(build: Build) -> None:
    uncounted = Response(
        id=None, model="m", message=Message.assistant([TextPart("half")]), finish_reason="length", usage=Usage()
    )
    with pytest.raises(lm15.ProviderError, match="cut after 99 tokens"):
        ask(build(uncounted, max_tokens=99))


@pytest.mark.parametrize("finish", ["content_filter", "error"])
def test_an_answer_that_was_withheld_is_told_so(build: Build, finish: str) -> None:
    engine = build(answer("", finish, read=100))
    with pytest.raises(lm15.ProviderError, match="withheld") as caught:
        ask(engine)
    assert caught.value.provider_code == FILTERED
    assert engine.ledger.total.failed == {"answer filtered": 1}
    assert engine.ledger.total.input_tokens == 100


@pytest.mark.parametrize("finish", ["stop", "tool_call"])
def test_every_other_end_is_an_answer(build: Build, finish: str) -> None:
    assert ask(build(answer("yes", finish))).message.text == "yes"


@pytest.mark.parametrize("error", [*FINAL[:5], BUSY, BROKE_OFF, "length"])
def test_a_server_that_refuses_is_there_all_the_same(build: Build, error: lm15.LM15Error | str) -> None:
    engine = build(answer("", "length") if isinstance(error, str) else error, retries=0, patience=0)
    with pytest.raises(lm15.LM15Error):
        ask(engine)
    assert engine.gate.was_reached


@pytest.mark.parametrize("error", [*FINAL[5:], LOST, ValueError("a bug")])
def test_an_error_before_anything_was_sent_says_nothing_of_the_server(build: Build, error: Exception) -> None:
    engine = build(error, retries=0)
    with pytest.raises(type(error)):
        ask(engine)
    assert not engine.gate.was_reached


# What is told, through dspy.LM


@pytest.mark.parametrize("error", [*FINAL, *PASSING, BUSY, GONE, BROKE_OFF])
def test_errors_name_the_model_as_the_recipe_does(build: Build, error: lm15.LM15Error) -> None:
    engine = build(error, retries=0, patience=0)
    with pytest.raises(dspy.LMError) as caught:
        lm_of(engine)("?")
    assert str(caught.value).startswith(f"[{NAME}] ")
    assert "#" not in str(caught.value)


def test_the_gates_own_errors_name_it_so_too(build: Build, quick_probes: None) -> None:
    engine = build(answer(), GONE, patience=0)
    lm = lm_of(engine)
    lm("?")
    with pytest.raises(dspy.LMTransportError, match=r"^\[ollama_chat/m\] the server has been gone for"):
        in_thread(lambda: lm("?"))


@pytest.mark.parametrize("kind", [lm15.AuthError, lm15.ServerError, lm15.InvalidRequestError])
def test_a_key_that_the_server_echoes_is_hidden(
    build: Build, monkeypatch: pytest.MonkeyPatch, kind: type[lm15.LM15Error]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    engine = build(kind(f"Incorrect API key provided: {KEY}."), retries=1, model="openai/gpt-x", api_key_env="MY_KEY")
    with pytest.raises(dspy.LMError, match=r"provided: \*\*\*\.") as caught:
        lm_of(engine)("?")
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in str(error)
        assert KEY not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_limit_comes_through_with_its_cause(build: Build) -> None:
    engine = build(answer(), ledger=Ledger("generate", limits=LimitsConfig(calls=1)))
    lm = lm_of(engine)
    assert lm("?") == ["yes"]
    with pytest.raises(dspy.LMConfigurationError, match=r"^\[ollama_chat/m\] limits\.calls = 1 is reached") as caught:
        lm("?")
    assert isinstance(caught.value.__cause__, LimitReached)
    assert len(engine.engine.requests) == engine.ledger.total.calls == 1
    assert engine.gate.under_way == 0


def test_a_limit_stops_repeats_too(build: Build) -> None:
    engine = build(OOPS, ledger=Ledger("generate", limits=LimitsConfig(calls=3)))
    with pytest.raises(LimitReached):
        ask(engine)
    assert len(engine.engine.requests) == 3


@pytest.mark.parametrize("when", ["before", "while it rests"])
def test_a_stop_comes_through_with_its_cause(build: Build, when: str) -> None:
    engine = build(BUSY)
    if when == "before":
        engine.gate.stop()
    else:
        complete = engine.engine.complete

        def stop(request: Request) -> Response:
            engine.gate.stop()
            return complete(request)

        engine.engine.complete = stop
    with pytest.raises(dspy.LMConfigurationError, match="stopping") as caught:
        lm_of(engine)("?")
    assert isinstance(caught.value.__cause__, Stopped)
    assert len(engine.engine.requests) == (when != "before")


def test_a_bug_in_an_engine_is_entered_and_told(build: Build) -> None:
    engine = build(ValueError("a bug"))
    with pytest.raises(dspy.LMUnexpectedError, match="a bug"):
        lm_of(engine)("?")
    assert failures(engine) == {"call failed": 1}
    assert engine.gate.under_way == 0


@pytest.mark.parametrize("step", [answer(), OOPS, FINAL[0]])
def test_a_ledger_whose_disk_is_full_is_the_cause(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: Step
) -> None:
    def refuse(file: LineFile, row: dict[str, Any]) -> tuple[int, int]:
        raise RunError(f"{file.path}: the disk is full")

    with Ledger("generate", tmp_path / "calls.jsonl") as ledger:
        engine = build(step, ledger=ledger)
        monkeypatch.setattr(LineFile, "append", refuse)
        with pytest.raises(dspy.LMError) as caught:
            lm_of(engine)("?")
    assert isinstance(caught.value.__cause__, RunError)
    assert len(engine.engine.requests) == 1
    assert engine.gate.under_way == 0


# As a part of DSPy


def test_a_copy_is_the_engine_itself(build: Build) -> None:
    engine = build(answer())
    assert copy.deepcopy(engine) is engine
    program = dspy.Predict("question -> answer")
    program.lm = lm_of(engine)
    assert program.deepcopy().lm.engine is engine


def test_a_program_with_such_a_model_bound_is_not_saved(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    program = dspy.Predict("question -> answer")
    program.lm = lm_of(build(answer(), model="openai/gpt-x", api_key_env="MY_KEY"))
    with pytest.raises(TypeError, match="ResilientEngine cannot be saved"):
        program.save(tmp_path / "program.json")
    assert not any(KEY in path.read_text() for path in tmp_path.iterdir())


@pytest.mark.parametrize("structured", ["none", "json", "schema"])
def test_the_form_of_answers_is_declared_as_the_spec_says(build: Build, structured: str) -> None:
    lm = lm_of(build(answer(), structured=structured))
    assert lm.supports_response_schema == (structured == "schema")
    assert ("response_format" in lm.supported_params) == (structured != "none")


@pytest.mark.parametrize(
    ("structured", "sent"), [("none", None), ("json", {"type": "json_object"}), ("schema", "json_schema")]
)
def test_a_json_adapter_sends_what_is_declared(build: Build, structured: str, sent: Any) -> None:
    engine = build(answer(json.dumps({"answer": "yes"})), structured=structured)
    with dspy.context(lm=lm_of(engine), adapter=dspy.JSONAdapter()):
        assert dspy.Predict("question -> answer")(question="?").answer == "yes"
    (request,) = engine.engine.requests
    form = request.config.response_format
    assert form == sent or form["type"] == sent
