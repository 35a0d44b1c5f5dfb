"""Trainings as folders, on tiny real models: they learn, merge, go on after a kill, and refuse what would go wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import TrainingError
from finetune.__main__ import main
from finetune.config import ScratchConfig, TrainConfig
from finetune.job import is_finished, read_result, run_job, write_job
from finetune.rows import Row
from finetune.scratch import make_student
from finetune.sft import TrainResult, find_checkpoint
from tests.conftest import ROOT
from tests.finetune.checkpoints import make_checkpoint

ROWS: list[Row] = [
    {
        "id": f"{name}-{thing}",
        "prompt": [{"role": "user", "content": f"Scenario: {name} lost the {thing}. What next?"}],
        "completion": [{"role": "assistant", "content": f'{{"answer": "look for the {thing}"}}'}],
    }
    for name in ("Ana", "Bo", "Chi", "Dov")
    for thing in ("key", "map", "hat", "ring")
]
KEYS = {"max_steps": 30, "batch_size": 8, "learning_rate": 5e-3, "warmup_steps": 2, "max_length": 128, "threads": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    texts = [message["content"] for row in ROWS for message in (*row["prompt"], *row["completion"])]
    make_student(texts, ScratchConfig(vocabulary=400, hidden=32, layers=1, heads=2), 128, 1, folder)
    return folder


def prepare(folder: Path, base: Path | str, rows: list[Row] = ROWS, **changes: Any) -> Path:
    config = TrainConfig.model_validate(KEYS | {"base": str(base)} | changes)
    write_job(folder, str(base), config, 1, rows, ROWS[:4])
    return folder


def train(folder: Path, base: Path | str, rows: list[Row] = ROWS, **changes: Any) -> tuple[TrainResult, list[str]]:
    said: list[str] = []
    return run_job(prepare(folder, base, rows, **changes), lambda step, steps, values: None, said.append), said


def test_full_tuning_learns_and_says_what_it_does(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result, said = train(tmp_path, base)
    assert result.train_loss[-1][1] < 0.6 * result.train_loss[0][1]
    assert (result.steps, result.rows, result.dropped) == (30, 16, [])
    assert result.trained_parameters == result.parameters
    assert result.tokens_per_second > 0
    assert result.peak_memory > 2**20
    assert AutoTokenizer.from_pretrained(tmp_path / "tuned").chat_template
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "tuned").num_parameters() == result.parameters
    assert not (tmp_path / "checkpoints").exists()
    assert read_result(tmp_path).tokens == result.tokens
    text = "\n".join(said)
    assert "16 rows" in text
    assert '→ {"answer": "look for the' in text
    assert "fp32" in text


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "gemma"])
def test_an_adapter_on_each_family_is_merged_into_plain_weights(architecture: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = make_checkpoint(architecture, tmp_path / "base")
    result, _ = train(tmp_path / "job", model, method="lora", lora={"rank": 4}, max_steps=4)
    assert 0 < result.trained_parameters < result.parameters / 2
    before = AutoModelForCausalLM.from_pretrained(model).state_dict()
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "job" / "tuned").state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("q_proj" in name for name in changed)
    assert any("down_proj" in name for name in changed)
    assert not any("norm" in name for name in changed)
    assert (tmp_path / "job" / "adapter" / "adapter_config.json").is_file()


def test_a_student_stops_where_its_template_ends_an_answer(tmp_path: Path) -> None:
    """Gemma's generation config does not name <end_of_turn>: a student would write on behind its answer."""
    from transformers import AutoTokenizer, GenerationConfig

    model = make_checkpoint("gemma", tmp_path / "base")
    train(tmp_path / "job", model, method="lora", lora={"rank": 4}, max_steps=1)
    end = AutoTokenizer.from_pretrained(model).convert_tokens_to_ids("<end_of_turn>")
    assert end in GenerationConfig.from_pretrained(tmp_path / "job" / "tuned").eos_token_id


def test_packed_rows_do_not_see_each_other(base: Path, tmp_path: Path) -> None:
    """The loss of rows in one sequence is that of the same rows apart."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    parts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Ana lost the key.", "Bo lost it.")]
    ids = torch.tensor([parts[0] + parts[1]])
    places = torch.tensor([[*range(len(parts[0])), *range(len(parts[1]))]])
    with torch.inference_mode():
        together = model(input_ids=ids, position_ids=places, use_cache=False).logits[0]
        apart = torch.cat([model(input_ids=torch.tensor([part])).logits[0] for part in parts])
    assert torch.allclose(together, apart, atol=1e-5)


def test_the_papers_recipe_pads_every_row_and_learns_every_token(base: Path, tmp_path: Path) -> None:
    result, said = train(
        tmp_path, base, preset="paper", method="lora", max_steps=2, accumulate=2, patience=None, keep="last"
    )
    assert result.steps == 2
    assert "→ <|user|>" in "\n".join(said)


def test_a_killed_training_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    calm, _ = train(tmp_path / "calm", base, checkpoint_steps=10)

    class Killed(Exception):
        pass

    def die(step: int, steps: int, values: dict[str, float]) -> None:
        if step >= 20 and "loss" in values:
            raise Killed

    folder = prepare(tmp_path / "killed", base, checkpoint_steps=10)
    with pytest.raises(Killed):
        run_job(folder, die)
    assert find_checkpoint(folder / "checkpoints")
    again = run_job(folder, lambda step, steps, values: None)
    assert again.train_loss == calm.train_loss
    weights = [(tmp_path / name / "tuned" / "model.safetensors").read_bytes() for name in ("calm", "killed")]
    assert weights[0] == weights[1]


def test_the_best_checkpoint_is_kept_and_patience_ends_a_training(base: Path, tmp_path: Path) -> None:
    wrong: list[Row] = [{**row, "completion": [{"role": "assistant", "content": "Ring Bo."}]} for row in ROWS]
    result, _ = train(
        tmp_path, base, wrong, max_steps=100, learning_rate=0.01, checkpoint_steps=5, patience=2, keep="best",
        schedule="constant",
    )  # fmt: skip
    assert result.steps < 100
    losses = dict(result.validation_loss)
    assert result.best_step == min(losses, key=lambda step: losses[step])


def test_rows_that_are_too_long_stop_the_stage_or_are_left_out_by_name(base: Path, tmp_path: Path) -> None:
    long_row: Row = {**ROWS[0], "id": "long", "prompt": [{"role": "user", "content": "word " * 300}]}
    with pytest.raises(TrainingError, match=r"1 of 17 rows are longer than train.max_length=128 \(long;"):
        train(tmp_path / "stop", base, [*ROWS, long_row])
    result, said = train(tmp_path / "drop", base, [*ROWS, long_row], too_long="drop", max_steps=1)
    assert (result.dropped, result.rows) == (["long"], 16)
    assert any("long" in line and "left out" in line for line in said)


def test_a_template_that_never_stops_is_refused(base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    shutil.copytree(base, tmp_path / "endless")
    tokenizer.save_pretrained(tmp_path / "endless")
    with pytest.raises(TrainingError, match="would never stop"):
        train(tmp_path / "job", tmp_path / "endless")


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be loaded") as caught:
        train(tmp_path / "job", tmp_path / "nowhere")
    assert "\n" not in str(caught.value)


def test_a_folder_is_trained_in_a_process_of_its_own(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepare(tmp_path / "job", base, max_steps=3)
    done = subprocess.run([sys.executable, "-m", "finetune", str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "step 3/3" in done.stdout
    assert is_finished(folder)
    (folder / "job.json").write_text(json.dumps({"base": str(base)}))
    assert main([str(folder)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert main([]) == 2


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((10, "{}"), (20, '{"global_step": 2'), (30, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert find_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert find_checkpoint(tmp_path / "empty") is None
