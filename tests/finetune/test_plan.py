"""What is chosen for a machine, why, and what a machine lacks is said in one line."""

from __future__ import annotations

from typing import Any

import pytest

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Gpu, Machine
from finetune.memory import ModelSize
from finetune.plan import make_plan

GIB = 1 << 30
FLASH = {"flash-attn": "2.8", "liger-kernel": "0.6"}
LAPTOP = Machine("cpu", (), 8 * GIB, 4)
SMALL = ModelSize(125_000_000, 768, 12, 768, 768, 32000, 3072, 25_000_000, {"q_proj": (768, 768)})


def card(capability: tuple[int, int] = (8, 0), free: int = 80, **versions: str) -> Machine:
    return Machine("cuda", (Gpu("card", 80 * GIB, free * GIB, capability),), 64 * GIB, 16, versions)


def with_flash(**changes: Any) -> Machine:
    return Machine("cuda", card(**changes).gpus, 64 * GIB, 16, FLASH)


def config(**keys: Any) -> TrainConfig:
    return TrainConfig.model_validate({"base": "some/model"} | keys)


@pytest.mark.parametrize(
    ("machine", "chosen"),
    [
        (LAPTOP, ("fp32", "sdpa", "group", False)),
        (Machine("mps", (), 8 * GIB), ("fp32", "sdpa", "group", False)),
        (card(), ("bf16", "sdpa", "group", False)),
        (with_flash(), ("bf16", "flash_attention_2", "pack", True)),
        (with_flash(capability=(7, 5)), ("fp16", "sdpa", "group", True)),
    ],
)
def test_a_plan_follows_the_machine(machine: Machine, chosen: tuple[str, str, str, bool]) -> None:
    plan = make_plan(config(), machine)
    assert (plan.precision, plan.attention, plan.layout, plan.liger) == chosen


def test_every_choice_has_a_line_with_its_reason() -> None:
    lines = make_plan(config(), LAPTOP).reasons
    assert [line.partition(":")[0] for line in lines] == [
        "machine", "precision fp32", "attention sdpa", "layout group", "gradient checkpointing off", "liger off",
    ]  # fmt: skip
    assert all(line.partition(": ")[2] for line in lines)


def test_what_is_asked_for_is_done() -> None:
    asked = config(precision="fp32", attention="eager", layout="pad", gradient_checkpointing=True, liger=False)
    plan = make_plan(asked, with_flash())
    assert (plan.precision, plan.attention, plan.layout) == ("fp32", "eager", "pad")
    assert (plan.gradient_checkpointing, plan.liger) == (True, False)


def test_checkpointing_is_on_only_where_memory_asks_for_it() -> None:
    assert not make_plan(config(), card(free=80), SMALL).gradient_checkpointing
    assert make_plan(config(batch_size=64), card(free=8), SMALL).gradient_checkpointing


def test_weights_are_spread_over_as_many_devices_as_there_are() -> None:
    two = Machine("cuda", card().gpus * 2, 64 * GIB, 16, {"deepspeed": "0.18"})
    assert [make_plan(config(launch=way), two).shards for way in ("ddp", "fsdp2", "zero3")] == [1, 2, 2]


@pytest.mark.parametrize(
    ("machine", "keys", "message"),
    [
        (LAPTOP, {"method": "qlora"}, r'method: qlora needs bitsandbytes.*pip install -e "\.\[qlora\]"'),
        (LAPTOP, {"tracker": "tensorboard"}, r'pip install -e "\.\[tensorboard\]"'),
        (LAPTOP, {"tracker": "trackio"}, r'pip install -e "\.\[trackio\]"'),
        (LAPTOP, {"precision": "fp16"}, "fp16 needs a CUDA device"),
        (LAPTOP, {"launch": "zero3"}, "pip install deepspeed"),
        (card(), {"attention": "flash"}, "pip install flash-attn"),
        (card(), {"liger": True}, "pip install liger-kernel"),
        (card(), {"layout": "pack"}, "pack needs flash attention"),
        (card((7, 5)), {"precision": "bf16"}, "this card has 7.5"),
        (with_flash(capability=(7, 5)), {"attention": "flash"}, "compute capability below 8.0"),
        (with_flash(), {"attention": "flash", "precision": "fp32"}, "does not compute in fp32"),
        (Machine("cpu", (), GIB, 4, FLASH), {"liger": True}, "needs a CUDA device"),
        (card(bitsandbytes="0.48"), {"method": "qlora", "launch": "fsdp2"}, "set train.launch: ddp"),
    ],
)
def test_what_the_machine_lacks_is_said_in_one_line(machine: Machine, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        make_plan(config(**keys), machine)
    assert "\n" not in str(caught.value)
