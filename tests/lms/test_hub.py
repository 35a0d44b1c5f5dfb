"""A model that is not there is refused at once, and one that may be there is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from corpus.errors import ModelError, TrainingError
from finetune.loading import load_tokenizer
from finetune.memory import size_of
from lms.hub import check_model
from lms.in_process.checkpoint import Checkpoint


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a hub on the loopback, which has no model, was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield paths
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "name", ["/nowhere", "./nowhere", "../nowhere/student", "~/nowhere", "out/quickstart/student/tuned", "out/"]
)
def test_what_is_no_id_is_a_folder_that_is_missing(name: str, asked: list[str]) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        check_model(name)
    assert not asked


def test_a_folder_is_not_looked_for_on_the_hub(tmp_path: Path, asked: list[str]) -> None:
    check_model(str(tmp_path))
    assert not asked


@pytest.mark.parametrize("config", ["config.json", "adapter_config.json"])
def test_a_model_in_the_cache_is_not_looked_for_on_the_hub(config: str, tmp_path: Path, asked: list[str]) -> None:
    kept = tmp_path / "cache" / "models--org--name"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    (kept / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (kept / "snapshots" / ("0" * 40) / config).write_text("{}", encoding="utf-8")
    check_model("org/name")
    assert not asked


@pytest.mark.parametrize("name", ["org/name", "name"])
def test_a_hub_that_answers_is_asked_once_and_what_it_says_is_left_to_the_library(name: str, asked: list[str]) -> None:
    check_model(name)
    assert [path for path in asked if "models" in path] == [f"/api/models/{name}"]


def test_a_hub_that_must_not_be_asked_is_not_asked(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match=r"no such folder.*cache does not hold it, and HF_HUB_OFFLINE is set"):
        check_model("org/name")
    assert not asked


def test_a_hub_out_of_reach_is_one_line_wherever_a_model_is_loaded(caplog: pytest.LogCaptureFixture) -> None:
    missing = r"'org/name' cannot be loaded: there is no such folder.*http://127.0.0.1:9 cannot be reached \(Connect"
    with pytest.raises(ModelError, match=missing):
        Checkpoint("org/name")
    with pytest.raises(TrainingError, match=missing):
        load_tokenizer("org/name")
    with pytest.raises(TrainingError, match=missing):
        size_of("org/name")
    assert not caplog.messages, "each retry of the hub's library is a warning"


def test_the_base_of_an_adapter_is_looked_for_too(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "org/name"}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"no such folder.*cannot be reached"):
        Checkpoint(str(tmp_path))
