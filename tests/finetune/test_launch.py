"""Configs that accelerate accepts, and the command that starts a job folder with one of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from finetune.config import ScratchConfig, TrainConfig
from finetune.job import is_finished, read_result, write_job
from finetune.launch import launch_command
from finetune.machine import Gpu, Machine
from finetune.rows import Row
from finetune.scratch import make_student
from tests.conftest import ROOT

GPU = Gpu("H200", 141 << 30, 140 << 30, (9, 0))


@pytest.mark.parametrize(("launch", "kind"), [("ddp", "MULTI_GPU"), ("fsdp2", "FSDP"), ("zero3", "DEEPSPEED")])
def test_accelerate_reads_the_config_of_each_way(launch: str, kind: str) -> None:
    command = launch_command(Path("job"), TrainConfig.model_validate({"launch": launch}), Machine("cuda", (GPU, GPU)))
    config = load_config_from_file(command[command.index("--config_file") + 1])
    assert str(config.distributed_type).rpartition(".")[2] == kind
    assert command[command.index("--num_processes") + 1] == "2"
    assert command[-3:] == ["-m", "finetune", "job"]


def test_processes_are_as_asked() -> None:
    command = launch_command(Path("job"), TrainConfig(launch="ddp", processes=8), Machine("cuda", (GPU,)))
    assert command[command.index("--num_processes") + 1] == "8"
    assert "--cpu" not in command


def test_two_processes_train_one_student_together(tmp_path: Path) -> None:
    rows: list[Row] = [
        {
            "id": str(number),
            "prompt": [{"role": "user", "content": f"Who lost {thing}?"}],
            "completion": [{"role": "assistant", "content": f"Ana lost {thing}."}],
        }
        for number, thing in enumerate(("keys", "maps", "hats", "rings", "bags", "pens", "cups", "nets"))
    ]
    texts = [message["content"] for row in rows for message in (*row["prompt"], *row["completion"])]
    make_student(texts, ScratchConfig(vocabulary=320, hidden=16, layers=1, heads=1), 64, 1, tmp_path / "base")
    config = TrainConfig(
        base=str(tmp_path / "base"), launch="ddp", processes=2, batch_size=2, max_steps=2, max_length=64, threads=1
    )
    write_job(tmp_path / "job", str(tmp_path / "base"), config, 1, rows, rows[:2])
    command = launch_command(tmp_path / "job", config, Machine("cpu"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert is_finished(tmp_path / "job")
    assert read_result(tmp_path / "job").steps == 2
    assert (tmp_path / "job" / "tuned" / "model.safetensors").is_file()
