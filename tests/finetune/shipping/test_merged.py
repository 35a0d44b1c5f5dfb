"""Folders for vLLM: the three patches, and what may not be overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpus.errors import ShippingError
from finetune.shipping.merged import write_merged
from finetune.shipping.room import check_room
from tests.finetune.checkpoints import edit_json, make_checkpoint

ROPE = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 256,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("llama", tmp_path_factory.mktemp("models") / "llama", rope_parameters=ROPE)


def read(path: Path) -> dict[str, object]:
    value: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return value


def test_older_readers_find_what_transformers_5_hides_from_them(llama: Path, tmp_path: Path) -> None:
    edit_json(llama / "generation_config.json", lambda config: config.pop("eos_token_id", None))
    assert "rope_theta" not in read(llama / "config.json")
    assert "chat_template" not in read(llama / "tokenizer_config.json")
    write_merged(llama, tmp_path / "out")
    config = read(tmp_path / "out" / "config.json")
    assert config["rope_theta"] == 500000.0
    scaling = config["rope_scaling"]
    assert isinstance(scaling, dict)
    assert (scaling["rope_type"], scaling["type"], scaling["factor"]) == ("llama3", "llama3", 8.0)
    template = (llama / "chat_template.jinja").read_text(encoding="utf-8")
    assert read(tmp_path / "out" / "tokenizer_config.json")["chat_template"] == template
    assert read(tmp_path / "out" / "generation_config.json")["eos_token_id"] == config["eos_token_id"]


def test_the_end_of_an_answer_in_the_template_ends_it_everywhere(tmp_path: Path) -> None:
    gemma = make_checkpoint("gemma", tmp_path / "gemma")
    write_merged(gemma, tmp_path / "out")
    ends = read(tmp_path / "out" / "generation_config.json")["eos_token_id"]
    assert ends == [1, 4]  # <eos>, <end_of_turn>


def test_the_patched_folder_is_the_same_model(llama: Path, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    write_merged(llama, tmp_path / "out")
    config = AutoConfig.from_pretrained(tmp_path / "out")
    before = AutoConfig.from_pretrained(llama).rope_parameters
    assert {key: config.rope_parameters[key] for key in before} == before
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template is not None
    weights = "model.safetensors"
    assert (tmp_path / "out" / weights).read_bytes() == (llama / weights).read_bytes()


def test_only_a_folder_of_ours_is_replaced(llama: Path, tmp_path: Path) -> None:
    write_merged(llama, tmp_path / "ours")
    (tmp_path / "ours" / "stale").touch()
    write_merged(llama, tmp_path / "ours")
    assert not (tmp_path / "ours" / "stale").exists()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("unsaved", encoding="utf-8")
    with pytest.raises(ShippingError, match="not empty and no merged student"):
        write_merged(llama, tmp_path / "theirs")
    with pytest.raises(ShippingError, match="is the student itself"):
        write_merged(llama, llama)
    with pytest.raises(ShippingError, match="is a file"):
        write_merged(llama, tmp_path / "theirs" / "thesis.txt")


def test_a_full_disk_is_told_before_anything_is_written(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(ShippingError, match="twice the model"):
        check_room(llama, tmp_path / "not" / "there")
