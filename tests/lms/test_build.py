"""From declared models to LMs (lms/build.py): who shares what, what is looked at first, and what is closed after."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.clients.engines import LM15Engine

from corpus.errors import ModelError, RecipeError, TeacherError
from lms.build import Models, build_lm, fingerprint
from lms.cache import ANSWERS, use_cache
from lms.gate import Stopped
from lms.ledger import Ledger
from lms.ollama.engine import OllamaEngine
from lms.routes import RoutedEngine
from lms.scripted.engine import ScriptedEngine
from lms.scripted.mistakes import DEFAULT_RATES
from lms.scripted.names import Mistake
from lms.spec import ModelSpec
from tests.doubles.ollama import Fault, Model, OllamaDouble

KEY = "sk-not-a-real-key-4711"
SECONDS = 20.0  # after which a test that waits has failed
SCRIPTED = ModelSpec(model="scripted/counsel")


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble("student", num_parallel=8) as double:
        yield double


def declare(url: str, name: str = "student", **fields: Any) -> ModelSpec:
    return ModelSpec(**{"model": f"ollama_chat/{name}", "base_url": url, "retries": 0, "patience": 0} | fields)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


# Keys


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_key_that_is_not_set_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.setenv("OTHER_KEY", KEY)
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(RecipeError, match="openai/gpt-x: set the environment variable MY_KEY"):
        build_lm(ModelSpec(model="openai/gpt-x", api_key_env="MY_KEY"))


def test_a_missing_key_is_named_before_anything_is_asked(double: OllamaDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    specs = {"teacher": declare(double.url), "converter": ModelSpec(model="openai/gpt-x", api_key_env="MY_KEY")}
    with pytest.raises(RecipeError, match="set the environment variable MY_KEY"):
        Models(specs)
    assert double.requests == []


@pytest.mark.parametrize("written", [f"{KEY}\n", f" {KEY}", f"{KEY}\r\n"])
@pytest.mark.parametrize("model", ["openai/student", "ollama_chat/student"])
def test_space_around_a_key_is_not_part_of_it(
    model: str, written: str, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a variable that was filled from a file."""
    monkeypatch.setenv("MY_KEY", written)
    double.key = KEY
    url = double.url if model.startswith("ollama") else f"{double.url}/v1"
    with Models({"teacher": declare(url, model=model, api_key_env="MY_KEY")}) as models:
        assert models.lms["teacher"]("Capital of France?") == ["Paris"]
        said = f"the key {KEY} has expired"
        body = {"error": said if model.startswith("ollama") else {"message": said}}
        double.faults.append(Fault("status", status=401, body=body))
        with pytest.raises(dspy.LMAuthError, match=r"the key \*\*\* has expired"):
            models.lms["teacher"]("Capital of Spain?")


@pytest.mark.parametrize("value", [f"{KEY}…", f"{KEY}\n{KEY}", f"{KEY}\x00", f"{KEY}é", f"a\tb{KEY}"])
def test_a_key_that_no_header_may_hold_is_refused_without_being_told(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.build.os.environ", {"MY_KEY": value})  # a real environment takes no null byte
    with pytest.raises(RecipeError, match="the key in MY_KEY holds a character that is no part of a key") as caught:
        Models({"teacher": ModelSpec(model="ollama_chat/m", api_key_env="MY_KEY")})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("model", ["openai/student", "ollama_chat/student"])
def test_the_key_reaches_the_server_and_nothing_that_is_written(
    model: str, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    double.key = KEY
    url = double.url if model.startswith("ollama") else f"{double.url}/v1"
    spec = ModelSpec(model=model, api_key_env="MY_KEY", base_url=url)
    program = dspy.Predict("question -> answer")
    with Models({"teacher": spec}, cached=True) as models, use_cache(tmp_path):
        lm = models.lms["teacher"]
        assert lm("Capital of France?") == ["Paris"]
        program.lm = lm
        for bound in (lm, program):
            with pytest.raises(TypeError, match="save the program without this LM"):
                bound.dump_state()
        written = [json.dumps(spec.model_dump()), repr(spec), repr(lm), repr(lm.kwargs), lm.model, repr(lm.history)]
    written.append((tmp_path / ANSWERS).read_text())
    assert "Paris" in written[-1]
    assert all(KEY not in text for text in written)


# Engines


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [("scripted", ScriptedEngine), ("ollama_chat", OllamaEngine), ("hosted_vllm", RoutedEngine),
     ("openai", RoutedEngine), ("together_ai", RoutedEngine)],
)  # fmt: skip
def test_the_prefix_chooses_the_engine(prefix: str, kind: type, double: OllamaDouble) -> None:
    model = f"{prefix}/student"
    with Models({"teacher": declare(double.url, model=model, temperature=0.3, max_tokens=99)}) as models:
        lm = models.lms["teacher"]
        assert isinstance(lm.engine.engine, kind)
        assert (lm.model.partition("#")[0], lm.num_retries, lm.cache) == (model, 0, False)
        assert (lm.kwargs["temperature"], lm.kwargs["max_tokens"]) == (0.3, 99)


def test_a_timeout_and_a_number_of_connections_reach_dspys_own_routes() -> None:
    spec = ModelSpec(model="hosted_vllm/some/model", base_url="http://127.0.0.1:1/v1", timeout=3, concurrency=5)
    with Models({"teacher": spec}) as models:
        routed = models.lms["teacher"].engine.engine
    assert isinstance(routed.engine, LM15Engine)
    assert (routed.engine.config.timeouts.read, routed.engine.config.max_connections) == (3, 5)


def test_what_is_not_declared_is_not_sent(double: OllamaDouble) -> None:
    for fields in ({}, {"top_k": 5, "top_p": 0.5, "seed": 3}):
        with Models({"teacher": declare(double.url, **fields)}) as models:
            kwargs = models.lms["teacher"].kwargs
        assert {key: kwargs.get(key) for key in ("top_k", "top_p", "seed") if key in kwargs} == fields


@pytest.mark.parametrize(("think", "effort"), [(None, None), (True, None), (False, "none"), ("low", "low")])
def test_thinking_is_effort_for_hosted_models_and_ollamas_own_business(
    think: Any, effort: str | None, double: OllamaDouble
) -> None:
    double.models.add(Model("student", capabilities=("completion", "thinking")))
    specs = {"teacher": ModelSpec(model="openai/gpt-x", think=think), "client": declare(double.url, think=think)}
    with Models(specs) as models:
        assert models.lms["teacher"].kwargs.get("reasoning_effort") == effort
        assert "reasoning_effort" not in models.lms["client"].kwargs


def test_the_declared_context_reaches_ollama(double: OllamaDouble) -> None:
    with Models({"teacher": declare(f"{double.url}/", num_ctx=2048)}) as models:
        models.lms["teacher"]("Capital of France?")
    assert double.chats()[0]["options"]["num_ctx"] == 2048


@pytest.mark.parametrize(
    ("mistakes", "rates"), [({"long_key": 0.5}, {"long_key": 0.5}), ({}, {}), (None, DEFAULT_RATES)]
)
def test_declared_mistakes_and_latency_reach_the_scripted_teacher(
    mistakes: dict[Mistake, float] | None, rates: dict[Mistake, float]
) -> None:
    lm = build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes, latency=0.5))
    assert lm.engine.engine.dump_state() == {"mistakes": rates, "latency": 0.5}


def test_an_lm_for_the_life_of_the_process_answers(double: OllamaDouble) -> None:
    ledger = Ledger("test")
    lm = build_lm(declare(double.url), role="judge", ledger=ledger)
    assert [lm(f"Capital of country {number}?") for number in range(3)] == [["Paris"]] * 3
    assert ledger.as_json()["test"]["judge"]["calls"] == 3


# Sharing


def test_roles_with_equal_specs_share_engine_and_gate_and_have_lms_of_their_own(double: OllamaDouble) -> None:
    same, other = declare(double.url), declare(double.url, temperature=0.1)
    ledger = Ledger("test")
    with Models({"teacher": same, "client": same.model_copy(), "supervisor": other}, ledger) as models:
        teacher, client, supervisor = (models.lms[role] for role in ("teacher", "client", "supervisor"))
        assert teacher is not client
        assert teacher.engine.engine is client.engine.engine is not supervisor.engine.engine
        assert models.gates["teacher"] is models.gates["client"] is models.gates["supervisor"], "one server, one gate"
        assert len(list(models.distinct_gates())) == 1
        for lm in (teacher, client, client, supervisor):
            lm("Capital of France?")
    spent = ledger.as_json()["test"]
    assert {role: spent[role]["calls"] for role in spent} == {"teacher": 1, "client": 2, "supervisor": 1}
    assert [body["options"]["temperature"] for body in double.chats()] == [0.8, 0.8, 0.8, 0.1]


def test_other_models_and_other_servers_have_gates_of_their_own(double: OllamaDouble) -> None:
    double.models.add(Model("other"))
    with OllamaDouble("student") as second:
        specs = {"teacher": declare(double.url), "client": declare(double.url, "other"), "judge": declare(second.url)}
        with Models(specs) as models:
            assert len(list(models.distinct_gates())) == 3
            assert len({id(lm.engine.engine) for lm in models.lms.values()}) == 3


@pytest.mark.parametrize(("declared", "most"), [(None, 2), (3, 3)])
def test_no_more_calls_than_declared_are_under_way(declared: int | None, most: int, double: OllamaDouble) -> None:
    double.latency = 0.01
    specs = dict.fromkeys(("teacher", "client"), declare(double.url, concurrency=declared))
    with Models(specs, concurrency=2) as models, ThreadPoolExecutor(8) as pool:
        lms = [models.lms[role] for role in ("teacher", "client")]
        list(pool.map(lambda number: lms[number % 2](f"number {number}"), range(24)))
    assert double.peak_active == most


# Fingerprints and kept answers

SPEC = ModelSpec(model="ollama_chat/student", base_url="http://127.0.0.1:11434")


@pytest.mark.parametrize(
    "fields",
    [{"base_url": "http://10.0.0.1:11434"}, {"base_url": None}, {"think": False}, {"think": "low"}, {"top_k": 5},
     {"top_p": 0.5}, {"extra": {"min_p": 0.1}}, {"structured": "schema"}, {"model": "ollama_chat/student:8b"}],
)  # fmt: skip
def test_what_decides_answers_is_in_the_fingerprint(fields: dict[str, Any]) -> None:
    assert fingerprint(SPEC.model_copy(update=fields)) != fingerprint(SPEC)


@pytest.mark.parametrize(
    "fields",
    [{"num_ctx": 4096}, {"timeout": 5}, {"retries": 0}, {"patience": 1}, {"concurrency": 3}, {"keep_alive": "1h"},
     {"api_key_env": "MY_KEY"}, {"prices": {"input": 1, "output": 2}},
     {"temperature": 0.1}, {"max_tokens": 99}, {"seed": 3}],
)  # fmt: skip
def test_what_does_not_or_stands_in_the_request_anyway_is_not(fields: dict[str, Any]) -> None:
    assert fingerprint(ModelSpec(**SPEC.model_dump() | fields)) == fingerprint(SPEC)


def test_other_weights_are_another_model() -> None:
    assert fingerprint(SPEC, "a") != fingerprint(SPEC, "b") != fingerprint(SPEC)
    assert fingerprint(SPEC, "a") == fingerprint(SPEC.model_copy(), "a")


def test_the_lms_name_holds_a_fingerprint_of_the_servers_weights(double: OllamaDouble) -> None:
    def name() -> str:
        with Models({"teacher": declare(double.url)}) as models:
            assert models.weights == {"teacher": double.models["student"].digest}
            return str(models.lms["teacher"].model)

    first = name()
    assert first == name() == f"ollama_chat/student#{fingerprint(declare(double.url), double.models['student'].digest)}"
    double.models.add(Model("student", digest="f" * 64))
    assert name() != first
    with Models({"teacher": SCRIPTED}) as models:
        assert models.weights == {"teacher": ""}


def test_answers_are_kept_when_asked_for_but_never_those_of_the_scripted_teacher(
    double: OllamaDouble, tmp_path: Path
) -> None:
    specs = {"teacher": declare(double.url), "client": SCRIPTED}
    with Models(specs) as models:
        assert not models.keep_answers
    with Models({"client": SCRIPTED}, cached=True) as models:
        assert not models.keep_answers
    with Models(specs, cached=True) as models, use_cache(tmp_path):
        assert models.keep_answers
        assert (models.lms["teacher"].cache, models.lms["client"].cache) == (True, False)
        for _ in range(3):
            assert models.lms["teacher"]("Capital of France?") == ["Paris"]
            with pytest.raises(dspy.LMInvalidRequestError):
                models.lms["client"]("Capital of France?")
    assert len(double.chats()) == 1
    assert len((tmp_path / ANSWERS).read_text().splitlines()) == 1


# Looked at first, closed after


def test_a_model_that_is_not_there_is_told_on_entering_and_what_was_opened_is_closed(double: OllamaDouble) -> None:
    specs = {"teacher": declare(double.url), "client": declare(double.url, "studnet")}
    models = Models(specs)
    expected = r"ollama_chat/studnet: the server does not have studnet \(the nearest that it has is student:latest\)"
    with pytest.raises(TeacherError, match=expected), models:
        pytest.fail("entered")
    assert double.chats() == []
    wait_until(lambda: not double._server.connections)


def test_a_server_that_is_not_there_is_told_on_entering() -> None:
    expected = r"^ollama_chat/student: cannot reach Ollama at http://127.0.0.1:9; is `ollama serve` running\?$"
    with pytest.raises(TeacherError, match=expected):
        build_lm(declare("http://127.0.0.1:9"))


def test_what_is_not_grave_is_announced_and_the_run_goes_on(double: OllamaDouble) -> None:
    double.version = "0.12.0"
    lines: list[str] = []
    with Models({"teacher": declare(double.url)}, announce=lines.append) as models:
        assert models.lms["teacher"]("Capital of France?") == ["Paris"]
    assert len(lines) == 1
    assert lines[0].startswith("ollama_chat/student: Ollama 0.12.0 cuts prompts that do not fit")


def test_leaving_after_an_error_closes_connections_too(double: OllamaDouble) -> None:
    with pytest.raises(dspy.LMUnsupportedFeatureError), Models({"teacher": declare(double.url)}) as models:
        models.lms["teacher"]("Capital of France?", what="is this")
    wait_until(lambda: not double._server.connections)


def test_stopping_ends_waiting_and_lets_calls_under_way_end(double: OllamaDouble) -> None:
    asked = threading.Event()

    def reply(body: dict[str, Any]) -> str:
        asked.set()
        return "Paris"

    double.reply, double.latency = reply, 0.2
    spec = declare(double.url, concurrency=1)
    with Models({"teacher": spec}) as models, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(models.lms["teacher"], f"number {number}") for number in range(3)]
        wait_until(lambda: len(double.chats()) == 1)
        models.stop()
        outcomes = [call.exception() or call.result() for call in calls]
        answered = [outcome for outcome in outcomes if outcome == ["Paris"]]
        stopped = [outcome for outcome in outcomes if isinstance(outcome, dspy.LMConfigurationError)]
        assert (len(answered), len(stopped)) == (1, 2)
        assert all(isinstance(error.__cause__, Stopped) for error in stopped)
    assert len(double.chats()) == 1


def test_stopping_wakes_a_call_that_rests_before_its_next_attempt(double: OllamaDouble) -> None:
    headers = {"Retry-After": "600"}
    double.faults.append(Fault("status", path="/api/chat", status=429, body={"error": "later"}, headers=headers))
    started = time.monotonic()
    with Models({"teacher": declare(double.url, patience=9999)}) as models, ThreadPoolExecutor(1) as pool:
        call = pool.submit(models.lms["teacher"], "Capital of France?")
        wait_until(lambda: len(double.chats()) == 1)
        models.stop()
        assert isinstance(call.exception(timeout=SECONDS), dspy.LMConfigurationError)
    assert time.monotonic() - started < SECONDS


# A local checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny student, made as the train stage makes one."""
    from finetune.config import ScratchConfig
    from finetune.scratch import make_student

    folder = tmp_path_factory.mktemp("checkpoint")
    texts = ["The kettle was still warm when Ada came back from the yard.", "Who moved the ladder?"] * 20
    config = ScratchConfig(vocabulary=320, hidden=32, layers=1, heads=2, init_std=0.5)
    make_student(texts, config, max_length=256, seed=1, folder=folder)
    return folder


def test_a_local_checkpoint_answers_batched_over_threads(checkpoint: Path) -> None:
    from lms.in_process.checkpoint import Checkpoint
    from lms.in_process.engine import InProcessEngine
    from lms.in_process.job import Job

    sizes: list[int] = []
    generate = Checkpoint.generate

    def note(self: Checkpoint, jobs: list[Job]) -> Any:
        sizes.append(len(jobs))
        return generate(self, jobs)

    spec = ModelSpec(model=f"transformers/{checkpoint}", num_ctx=512, max_tokens=16, temperature=None, concurrency=4)
    questions = [f"Who moved ladder {number}?" for number in range(8)]
    ledger = Ledger("test")
    with pytest.MonkeyPatch.context() as patch, Models({"teacher": spec, "client": spec}, ledger) as models:
        lm = models.lms["teacher"]
        engine = lm.engine.engine
        assert isinstance(engine, InProcessEngine)
        assert models.lms["client"].engine.engine is engine
        assert models.weights["teacher"], "of a folder its files' sizes and times are known"
        patch.setattr("lms.resilient._refuse_what_is_not_whole", lambda response, spec: None)  # it babbles to the end
        alone = [lm(question) for question in questions]
        patch.setattr(Checkpoint, "generate", note)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lm, questions)) == alone
    assert max(sizes) > 1
    assert max(sizes) <= 4
    assert sum(sizes) == 8
    assert ledger.total.calls == 16
    assert not engine._worker.is_alive()


def test_prompts_that_do_not_fit_a_local_checkpoint_name_num_ctx(checkpoint: Path) -> None:
    spec = ModelSpec(model=f"transformers/{checkpoint}", num_ctx=512, max_tokens=64)
    with Models({"teacher": spec}) as models, pytest.raises(dspy.ContextWindowExceededError, match="num_ctx"):
        models.lms["teacher"]("Who moved the ladder? " * 100)


def test_a_checkpoint_that_changed_is_another_model(checkpoint: Path, tmp_path: Path) -> None:
    spec = ModelSpec(model=f"transformers/{checkpoint}", num_ctx=512, max_tokens=64)
    with Models({"teacher": spec}) as models:
        name = models.lms["teacher"].model
    (checkpoint / "README.md").write_text("trained for longer")
    with Models({"teacher": spec}) as models:
        assert models.lms["teacher"].model != name


def test_a_checkpoint_that_cannot_be_loaded_is_told_on_entering_and_the_rest_is_closed(
    double: OllamaDouble, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    specs = {"teacher": declare(double.url), "client": ModelSpec(model=f"transformers/{tmp_path}")}
    with pytest.raises(ModelError), Models(specs):
        pytest.fail("entered")
    wait_until(lambda: not double._server.connections)


def test_a_provider_reaches_the_lms_and_a_copy_of_a_local_one_answers_under_its_own_name(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from dspy.clients.provider import Provider
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tuned = tmp_path / "tuned"
    torch.manual_seed(9)
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    AutoModelForCausalLM.from_config(model.config).save_pretrained(tuned)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(tuned)
    monkeypatch.setattr("lms.resilient._refuse_what_is_not_whole", lambda response, spec: None)  # they babble
    spec, provider = ModelSpec(model=f"transformers/{checkpoint}", num_ctx=512, max_tokens=16), Provider()
    with Models({"teacher": spec, "client": SCRIPTED}, provider=provider) as models:
        lm, scripted = models.lms["teacher"], models.lms["client"]
        assert lm.provider is scripted.provider is provider
        other = lm.copy(model=f"transformers/{tuned}")
        assert lm("Who?", temperature=0.0) != other("Who?", temperature=0.0)
        shelf = lm.engine.engine.shelf
        assert shelf.loaded == [str(checkpoint), str(tuned)]
        lm.engine.unload(other.model)
        assert shelf.loaded == [str(checkpoint)]
        lm.engine.load(other.model)
        assert str(tuned) in shelf.loaded
        for name in ("load", "unload"):
            getattr(scripted.engine, name)(scripted.model)  # not a checkpoint of this process
