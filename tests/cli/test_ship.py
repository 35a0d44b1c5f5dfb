"""`emoreason ship` in the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import app
from cli.ship import Handover, ship_and_print
from corpus.errors import RunError, UsageError
from tests.doubles.ollama import OllamaDouble
from tests.finetune.checkpoints import make_checkpoint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("qwen2", tmp_path_factory.mktemp("models") / "qwen2")


def test_a_folder_for_vllm(model: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["ship", str(model), "--to", f"merged:{tmp_path / 'merged'}"])
    assert done.exit_code == 0, done.output
    assert f"vllm serve {tmp_path / 'merged'}" in done.output.replace("\n", " ")
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_the_entry_for_the_recipe_is_printed(model: Path) -> None:
    from finetune.shipping.parity import ask_engine
    from lms.in_process.engine import InProcessEngine

    with InProcessEngine(str(model)) as engine:
        ask = ask_engine(engine.complete)
        with OllamaDouble(
            reply=lambda body: ask(body["messages"], body["options"]["num_predict"])[1],
            count=lambda text: 1,
            count_prompt=lambda messages: len(engine.chat.encode(engine.chat.render(messages))),
        ) as double:
            done = CliRunner().invoke(app, ["ship", str(model), "--to", "ollama:student", "--base-url", double.url])
    assert done.exit_code == 0, done.output
    assert "5 of 5 greedy answers equal" in done.output
    assert f"lms:\n  student:\n    model: ollama_chat/student\n    base_url: {double.url}\n" in done.output


def test_orders_without_a_place_or_a_run(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.export.push.get_token", lambda: "hf_none")
    nowhere = Handover(None, None, None, False, None, None, False)
    with pytest.raises(UsageError, match="say where to"):
        ship_and_print(model, nowhere, Console())
    with pytest.raises(RunError, match="is not a run, and the card tells of one"):
        ship_and_print(model, replace(nowhere, push="acme/student"), Console())
