"""`emoreason doctor` as a command: its table, what it advises, its exit code, and no traceback."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.doubles.doctor import nothing_read_twice, say_anything
from tests.doubles.ollama import Fault, Model, OllamaDouble

KEY = "sk-not-a-real-key-4711"
NAME = "qwen3:8b"
FINE, NOT_FINE = "every model can be used", "not every model can be used"
Doctor = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    with nothing_read_twice():
        yield


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble(Model(NAME), num_parallel=8, latency=0.02, reply=say_anything) as double:
        yield double


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run the command as its entry point does; returns exit code, and what was printed with single spaces."""
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: x\nplan: {sessions: 1, method: concise}\nlms:\n  teacher: {model: scripted/counsel}\n")

    def doctor(url: str, *arguments: str, **fields: Any) -> tuple[int, str]:
        spec = {"model": f"ollama_chat/{NAME}", "base_url": url} | fields
        settings = ["--set", f"lms.teacher={json.dumps(spec)}"] if url else []
        monkeypatch.setattr("sys.argv", ["emoreason", "doctor", str(recipe), *settings, *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        printed = capsys.readouterr()
        assert isinstance(code, int)
        assert "Traceback" not in printed.out + printed.err
        return code, " ".join((printed.out + printed.err).split())

    return doctor


def test_a_model_that_can_be_used_is_0(double: OllamaDouble, doctor: Doctor) -> None:
    code, printed = doctor(double.url)
    assert code == 0
    assert printed.endswith(FINE)
    assert printed.startswith("model looked at state found")
    table = printed.partition("change:")[0]  # on a busy machine it advises to send fewer calls at once
    assert table.count(f"teacher: ollama_chat/{NAME}") == 1, "named once, above all that was found of it"
    for line in ("server ok Ollama 0.33.0", "model ok completion, trained for", "longest prompt ok", "at once"):
        assert line in printed


def test_a_server_that_is_not_there_is_1(doctor: Doctor) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    code, printed = doctor(url)
    assert code == 1
    assert f"usable fails cannot reach Ollama at {url}; is `ollama serve` running?" in printed
    assert printed.endswith(NOT_FINE)


def test_a_missing_model_is_1_and_with_pull_it_is_fetched(double: OllamaDouble, doctor: Doctor) -> None:
    double.pullable.add("qwen3:4b")
    code, printed = doctor(double.url, model="ollama_chat/qwen3:4b")
    assert (code, double.pulled) == (1, [])
    assert "run `ollama pull qwen3:4b`, or doctor --pull" in printed
    code, printed = doctor(double.url, "--pull", model="ollama_chat/qwen3:4b")
    assert (code, double.pulled) == (0, ["qwen3:4b"])
    assert printed.endswith(FINE)
    code, printed = doctor(double.url, "--pull", model="ollama_chat/qwen33:4b")
    assert code == 1
    assert "pull model manifest: file does not exist" in printed


def test_what_to_change_stands_below_the_table(double: OllamaDouble, doctor: Doctor) -> None:
    code, printed = doctor(double.url, num_ctx=1024, max_tokens=512)
    assert code == 1
    _, _, advice = printed.partition(f"change: teacher: ollama_chat/{NAME}: set num_ctx to ")
    number, _, rest = advice.partition(" ")
    assert rest.startswith("or more")
    assert doctor(double.url, num_ctx=int(number), max_tokens=512)[0] == 0


@pytest.mark.parametrize("structured", ["schema", "none"])
def test_a_schema_that_is_not_obeyed_is_1_only_where_one_is_wanted(
    structured: str, double: OllamaDouble, doctor: Doctor
) -> None:
    double.faults.append(Fault("format_ignored", times=20))
    code, printed = doctor(double.url, structured=structured)
    assert code == (1 if structured == "schema" else 0)
    assert (f"change: teacher: ollama_chat/{NAME}: set structured: none" in printed) == (structured == "schema")


def test_a_note_is_not_a_failure(double: OllamaDouble, doctor: Doctor) -> None:
    double.version = "0.12.0"
    code, printed = doctor(double.url, latency=0.5)
    assert code == 0
    assert "recipe note latency: set, and without meaning for this engine" in printed
    assert "fit note Ollama 0.12.0 cuts prompts" in printed


@pytest.mark.parametrize("prefix", ["ollama_chat", "openai"])
@pytest.mark.parametrize("said", ["unauthorized", f"Incorrect API key provided: {KEY}"])
def test_a_refused_key_is_1_and_not_printed(
    said: str, prefix: str, double: OllamaDouble, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    body = {"error": said if prefix == "ollama_chat" else {"message": said}}
    double.faults.append(Fault("status", status=401, body=body, skip=2, times=20))
    url = double.url if prefix == "ollama_chat" else f"{double.url}/v1"
    code, printed = doctor(url, model=f"{prefix}/{NAME}", api_key_env="MY_KEY")
    assert code == 1
    assert "key ok MY_KEY is set" in printed
    assert KEY not in printed


def test_a_key_that_is_not_set_is_1(double: OllamaDouble, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    code, printed = doctor(double.url, api_key_env="MY_KEY")
    assert code == 1
    assert "usable fails set the environment variable MY_KEY to the key" in printed


def test_text_of_a_server_is_printed_as_it_is_and_not_read_as_markup(double: OllamaDouble, doctor: Doctor) -> None:
    double.faults.append(Fault("load_fail", text="[/red] error [bold]loading[/] model", times=20))
    code, printed = doctor(double.url)
    assert code == 1
    assert "short answer fails [/red] error [bold]loading[/] model" in printed


def test_a_recipe_of_the_scripted_teacher_needs_no_network(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    code, printed = doctor("")
    assert code == 0
    assert printed.endswith(f"teacher: scripted/counsel engine ok embedded; no language model {FINE}")


def test_a_recipe_that_cannot_be_read_is_2(doctor: Doctor) -> None:
    code, printed = doctor("", "--set", "lms.teacher.model=")
    assert code == 2
    assert printed.startswith("error: ")
