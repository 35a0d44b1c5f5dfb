"""The TRL stage on tiny real models: it learns, merges its adapter, and refuses what would train wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import TrainingError
from finetune.config import ScratchConfig, TrainConfig
from finetune.rows import Row
from finetune.scratch import make_student
from finetune.sft import TrainResult, find_checkpoint, train_student

ROWS: list[Row] = [
    {
        "prompt": [{"role": "user", "content": f"Scenario: {name} lost the {thing}. What next?"}],
        "completion": [{"role": "assistant", "content": f'{{"answer": "look for the {thing}"}}'}],
    }
    for name in ("Ana", "Bo", "Chi", "Dov")
    for thing in ("key", "map", "hat", "ring")
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    texts = [message["content"] for row in ROWS for message in (*row["prompt"], *row["completion"])]
    make_student(texts, ScratchConfig(vocabulary=400, hidden=32, layers=1, heads=2), 128, 1, folder)
    return folder


def tune(model: Path | str, tmp_path: Path, rows: list[Row] = ROWS, **changes: object) -> TrainResult:
    config = {
        "max_steps": 40,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "warmup_steps": 2,
        "max_length": 128,
        "threads": 1,
    }
    return train_student(
        str(model), rows, ROWS[:4], TrainConfig.model_validate(config | changes), 1,
        tmp_path / "work", tmp_path / "tuned", on_step=lambda step, steps, logs: None,
    )  # fmt: skip


def test_full_tuning_learns_and_saves_a_loadable_student(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result = tune(base, tmp_path)
    assert result.train_loss[-1][1] < 0.6 * result.train_loss[0][1]
    assert result.steps == 40
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tuned")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "tuned")
    assert tokenizer.chat_template
    assert model.num_parameters() == result.parameters


def test_lora_is_merged_into_plain_weights(base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    tune(base, tmp_path, base=str(base), method="lora", lora_rank=4)
    before = AutoModelForCausalLM.from_pretrained(base).state_dict()
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "tuned").state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in changed)
    assert not any("norm" in name for name in changed)


def test_a_row_that_would_be_cut_stops_the_stage(base: Path, tmp_path: Path) -> None:
    long_row: Row = {"prompt": [{"role": "user", "content": "word " * 300}], "completion": ROWS[0]["completion"]}
    with pytest.raises(TrainingError, match=r"1 of 21 rows are longer than train.max_length=128"):
        tune(base, tmp_path, [*ROWS, long_row])


def test_a_template_that_never_stops_is_refused(base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    import shutil

    shutil.copytree(base, tmp_path / "endless")
    tokenizer.save_pretrained(tmp_path / "endless")
    with pytest.raises(TrainingError, match="would never stop"):
        tune(tmp_path / "endless", tmp_path)


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="cannot be loaded") as caught:
        tune(tmp_path / "nowhere", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((10, "{}"), (20, '{"global_step": 2'), (30, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert find_checkpoint(tmp_path / "empty") is None
