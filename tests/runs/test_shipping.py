"""The whole road of a student: to an Ollama server, to a GGUF file, to a folder; and what may go wrong on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus.errors import RunError, ShippingError, TeacherError, UsageError
from finetune.shipping.parity import MAX_TOKENS, ask_engine
from lms.in_process.engine import InProcessEngine
from lms.spec import ModelSpec
from runs.folder import write_recipe
from runs.recipe import load_recipe
from runs.shipping import Shipped, find_student, read_target, ship_to_gguf, ship_to_merged, ship_to_ollama
from tests.doubles.ollama import Fault, OllamaDouble
from tests.finetune.checkpoints import make_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("llama", tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[InProcessEngine]:
    with InProcessEngine(str(model)) as engine:
        yield engine


@contextmanager
def serving(
    engine: InProcessEngine, say: Callable[[str], str] = str, surplus: int = 0, **settings: Any
) -> Iterator[OllamaDouble]:
    """A server that runs the student itself; ``say`` and ``surplus`` falsify its answers and its counts."""
    ask = ask_engine(engine.complete)

    def count_prompt(messages: list[dict[str, Any]]) -> int:
        return len(engine.chat.encode(engine.chat.render(messages))) + surplus

    with OllamaDouble(
        reply=lambda body: say(ask(body["messages"], min(body["options"]["num_predict"], MAX_TOKENS))[1]),
        count=lambda text: 1,
        count_prompt=count_prompt,
        **settings,
    ) as double:
        yield double


def ship(model: Path, double: OllamaDouble, name: str = "student", **settings: Any) -> tuple[Shipped, list[str]]:
    said: list[str] = []
    order: dict[str, Any] = {"quantize": None, "base_url": double.url, "replace": False, "converter": None}
    shipped = ship_to_ollama(model, name, say=said.append, update=lambda *seen: None, **(order | settings))
    return shipped, said


def test_a_student_arrives_with_template_stops_and_the_same_answers(model: Path, engine: InProcessEngine) -> None:
    with serving(engine) as double:
        shipped, _ = ship(model, double)
        made = double.models["student"]
        again, said = ship(model, double, "student:again", quantize="q8_0")
        assert double.models["student:again"].quantization == "Q8_0"
        posts = [r for r in double.requests if r.path.startswith("/api/blobs/") and r.method == "POST"]
    assert shipped.parity is not None
    assert (shipped.parity.equal, shipped.parity.shared) == (5, 1.0)
    assert made.params == {"num_ctx": 512, "temperature": 0.0, "repeat_penalty": 1.0, "stop": ["<|eot_id|>"]}
    assert made.template.startswith("{{ if .System }}<|start_header_id|>system")
    assert made.quantization == "F16"
    assert len(posts) == 1
    assert any("already" in line for line in said)
    assert again.parity is not None
    spec = ModelSpec(**yaml.safe_load(shipped.lines)["student"])
    assert (spec.model, spec.num_ctx, spec.temperature) == ("ollama_chat/student", 512, 0.0)


def test_a_model_is_replaced_only_when_asked(model: Path, engine: InProcessEngine) -> None:
    with serving(engine) as double:
        ship(model, double)
        with pytest.raises(ShippingError, match="has a model student already; choose another name, or add --replace"):
            ship(model, double)
        ship(model, double, replace=True)


def test_other_tokens_are_an_error_and_the_model_stays(model: Path, engine: InProcessEngine) -> None:
    with serving(engine, surplus=1) as double:
        with pytest.raises(ShippingError, match=r"reads a prompt of (\d+) tokens as \d+"):
            ship(model, double)
        assert "student" in double.models


def test_other_answers_are_an_error_unless_the_weights_were_quantised(model: Path, engine: InProcessEngine) -> None:
    with serving(engine, say=lambda text: text[:3] + "!") as double:
        with pytest.raises(ShippingError, match="only 0 of 5 greedy answers"):
            ship(model, double)
        shipped, _ = ship(model, double, replace=True, quantize="q8_0")
    assert shipped.parity is not None
    assert shipped.parity.equal == 0
    assert 0 <= shipped.parity.shared < 1


def test_one_answer_may_differ(model: Path, engine: InProcessEngine) -> None:
    calls = iter(range(100))
    with serving(engine, say=lambda text: text + "!" if next(calls) == 2 else text) as double:
        shipped, _ = ship(model, double)
    assert shipped.parity is not None
    assert shipped.parity.equal == 4


def test_what_the_server_does_on_the_way(model: Path, engine: InProcessEngine) -> None:
    with serving(engine) as double:
        double.faults.append(Fault("error_mid", path="/api/create", text="no space left on device"))
        with pytest.raises(ShippingError, match=r"could not be created: .*no space left on device"):
            ship(model, double)
        double.faults.append(Fault("status", path="/api/chat", status=500, body={"error": "runner died"}))
        with pytest.raises(ShippingError, match=r"is there, but could not be compared: .*runner died"):
            ship(model, double)


def test_orders_that_cannot_be_carried_out(model: Path, engine: InProcessEngine) -> None:
    with serving(engine) as double:
        for settings, error, line in (
            ({"name": "a b"}, ShippingError, "is no name for a model"),
            ({"quantize": "q8"}, ShippingError, "did you mean q8_0"),
            ({"base_url": "localhost"}, UsageError, "--base-url localhost: not an address"),
            ({"base_url": "http://127.0.0.1:9"}, TeacherError, "is `ollama serve` running"),
            ({"converter": Path("nowhere.py")}, ShippingError, "--converter nowhere.py: no such file"),
        ):
            with pytest.raises(error, match=re.escape(line)):
                ship(model, double, **settings)
        assert not double.blobs


def test_a_template_that_ollama_must_run_itself_needs_one_that_can(tmp_path: Path, model: Path) -> None:
    odd = shutil.copytree(model, tmp_path / "odd")
    numbered = "{% for m in messages %}{{ loop.index ~ m['role'] + m['content'] }}{% endfor %}"
    (odd / "chat_template.jinja").write_text(numbered, encoding="utf-8")
    with InProcessEngine(str(odd)) as engine:
        with (
            serving(engine, version="0.24.0") as double,
            pytest.raises(ShippingError, match=r"update Ollama to 0\.30"),
        ):
            ship(odd, double)
        with serving(engine) as double:
            _, said = ship(odd, double)
            assert double.models["student"].template == numbered
    assert said[0].startswith("warning: the chat template cannot be put into Ollama's language")


def test_a_gguf_file_is_compared_by_llama_cpp(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    for kind in ("f32", "q8_0"):
        shipped = ship_to_gguf(model, tmp_path / f"{kind}.gguf", kind, None, lambda line: None)
        assert shipped.parity is not None
        if kind == "f32":
            assert shipped.parity.equal >= 4
    with pytest.raises(ShippingError, match="Possible here: f32, f16, q8_0"):
        ship_to_gguf(model, tmp_path / "x.gguf", "q4_K_M", None, lambda line: None)


def test_the_converter_of_llama_cpp_is_run(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.shipping.is_installed", lambda: False)
    converter = tmp_path / "convert_hf_to_gguf.py"
    converter.write_text("import sys, pathlib\npathlib.Path(sys.argv[3]).write_text(' '.join(sys.argv[1:]))\n")
    said: list[str] = []
    ship_to_gguf(model, tmp_path / "s.gguf", "q8_0", converter, said.append)
    assert (tmp_path / "s.gguf").read_text().startswith(f"{model} --outfile ")
    assert (tmp_path / "s.gguf").read_text().endswith("--outtype q8_0")
    assert "llama-cpp-python is not installed" in said[-1]
    converter.write_text("import sys\nsys.exit('Model X is not supported')\n")
    with pytest.raises(ShippingError, match="ended with status 1: Model X is not supported"):
        ship_to_gguf(model, tmp_path / "t.gguf", None, converter, said.append)


def test_students_are_found(model: Path, tmp_path: Path) -> None:
    assert find_student(model) == model
    job = tmp_path / "job"
    shutil.copytree(model, job / "tuned")
    assert find_student(job) == job / "tuned"
    (job / "job.json").write_text("{}")
    with pytest.raises(RunError, match="is not done"):
        find_student(job)
    (job / "result.json").write_text("{}")
    (job / "tuned" / "config.json").unlink()
    with pytest.raises(RunError, match="holds no model"):
        find_student(job)
    with pytest.raises(RunError, match="not a run folder, and no model folder either"):
        find_student(tmp_path / "nothing")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(RunError, match="adapter alone"):
        find_student(tmp_path)


def test_the_student_of_a_run_needs_its_training_done(model: Path, tiny_recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_recipe(run / "recipe.yaml", load_recipe(tiny_recipe, []))
    with pytest.raises(RunError, match="stage `train` is not done; run `emoreason train`"):
        find_student(run)
    shutil.copytree(model, run / "student" / "tuned")
    (run / "stages").mkdir()
    (run / "stages" / "train.json").write_text("{}", encoding="utf-8")
    assert find_student(run) == run / "student" / "tuned"


def test_targets() -> None:
    assert read_target("ollama:student:v2") == ("ollama", "student:v2")
    with pytest.raises(UsageError, match=r"did you mean ollama:x\?"):
        read_target("olama:x")
    for text in ("student", "gguf:", "zip:x"):
        with pytest.raises(UsageError, match="write ollama:NAME, gguf:FILE, or merged:DIR"):
            read_target(text)
    with pytest.raises(UsageError, match="no meaning"):
        ship_to_merged(Path("model"), Path("out"), "q8_0")
