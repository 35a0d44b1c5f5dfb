"""How a training is run on this machine: precision, attention, layout, and what saves memory, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from corpus.errors import TrainingError
from finetune.config import TrainConfig
from finetune.machine import Device, Machine
from finetune.memory import ModelSize, estimate

Precision = Literal["bf16", "fp16", "fp32"]
Attention = Literal["flash_attention_2", "sdpa", "eager"]
Layout = Literal["group", "pack", "pad"]
AMPERE = (8, 0)  # the first cards that compute in bf16, and the first that FlashAttention 2 knows
_EXTRAS = {"bitsandbytes": "qlora", "tensorboard": "tensorboard", "trackio": "trackio"}


@dataclass(frozen=True)
class Plan:
    """What was chosen, and ``reasons``, one line per choice.

    ``shards`` is the number of devices that weights, gradients and optimizer are spread over.
    """

    precision: Precision
    attention: Attention
    layout: Layout
    gradient_checkpointing: bool
    liger: bool
    reasons: tuple[str, ...] = ()
    device: Device = "cpu"
    shards: int = 1


def make_plan(config: TrainConfig, machine: Machine, size: ModelSize | None = None) -> Plan:
    """Choose what the config leaves open.

    Args:
        size: of the model, for the choice of gradient checkpointing; without it there is none unless asked for.

    Raises:
        TrainingError: the config asks for what the machine lacks.
    """
    _check_packages(config, machine)
    precision, why_precision = _choose_precision(config, machine)
    attention, why_attention = _choose_attention(config, machine, precision)
    layout, why_layout = _choose_layout(config, attention)
    liger, why_liger = _choose_liger(config, machine)
    plan = Plan(precision, attention, layout, False, liger, (), machine.device, _count_shards(config, machine))
    saves, why_saves = _choose_checkpointing(config, machine, plan, size)
    reasons = (
        f"machine: {machine}",
        f"precision {precision}: {why_precision}",
        f"attention {attention}: {why_attention}",
        f"layout {layout}: {why_layout}",
        f"gradient checkpointing {'on' if saves else 'off'}: {why_saves}",
        f"liger {'on' if liger else 'off'}: {why_liger}",
    )
    return replace(plan, gradient_checkpointing=saves, reasons=reasons)


def _check_packages(config: TrainConfig, machine: Machine) -> None:
    if config.method == "qlora":
        _need(machine, "bitsandbytes", "train.method: qlora")
        if config.launch in ("fsdp2", "zero3"):
            raise TrainingError(
                f"train.method: qlora cannot be spread over devices by train.launch: {config.launch}; "
                "set train.launch: ddp, or train.method: lora"
            )
    if config.tracker != "none":
        _need(machine, config.tracker, f"train.tracker: {config.tracker}")
    if config.launch == "zero3" and not machine.has("deepspeed"):
        raise TrainingError("train.launch: zero3 needs DeepSpeed, which is not installed: pip install deepspeed")
    if config.attention == "flash" and not machine.has("flash-attn"):
        raise TrainingError(
            "train.attention: flash needs flash-attn, which is not installed: "
            "pip install flash-attn --no-build-isolation, or set train.attention: auto"
        )
    if config.liger and not machine.has("liger-kernel"):
        raise TrainingError("train.liger: true needs liger-kernel, which is not installed: pip install liger-kernel")


def _need(machine: Machine, package: str, key: str) -> None:
    if not machine.has(package):
        raise TrainingError(f'{key} needs {package}, which is not installed: pip install -e ".[{_EXTRAS[package]}]"')


def _choose_precision(config: TrainConfig, machine: Machine) -> tuple[Precision, str]:
    capability = ".".join(map(str, machine.capability))
    if config.precision == "bf16" and machine.device == "cuda" and machine.capability < AMPERE:
        raise TrainingError(
            f"train.precision: bf16 needs compute capability 8.0, this card has {capability}; set fp16 or auto"
        )
    if config.precision == "fp16" and machine.device != "cuda":
        raise TrainingError(f"train.precision: fp16 needs a CUDA device, here is {machine.device}; set fp32 or auto")
    if config.precision != "auto":
        return config.precision, "as asked"
    if machine.device != "cuda":
        return "fp32", f"no CUDA device ({machine.device})"
    if machine.capability >= AMPERE:
        return "bf16", f"compute capability {capability}, bf16 from 8.0 on"
    return "fp16", f"compute capability {capability}, bf16 only from 8.0 on"


def _choose_attention(config: TrainConfig, machine: Machine, precision: Precision) -> tuple[Attention, str]:
    lacks = (
        f"no CUDA device ({machine.device})" if machine.device != "cuda"
        else f"compute capability below 8.0 ({'.'.join(map(str, machine.capability))})" if machine.capability < AMPERE
        else "it does not compute in fp32" if precision == "fp32"
        else "flash-attn is not installed" if not machine.has("flash-attn")
        else None
    )  # fmt: skip
    if config.attention == "flash" and lacks:
        raise TrainingError(f"train.attention: flash cannot be used here: {lacks}; set train.attention: auto")
    if config.attention in ("sdpa", "eager"):
        return ("eager" if config.attention == "eager" else "sdpa"), "as asked"
    if lacks:
        return "sdpa", f"torch's own; no flash attention: {lacks}"
    return "flash_attention_2", "as asked" if config.attention == "flash" else "flash-attn is installed"


def _choose_layout(config: TrainConfig, attention: Attention) -> tuple[Layout, str]:
    flash = attention == "flash_attention_2"
    if config.layout == "pack" and not flash:
        raise TrainingError(
            f"train.layout: pack needs flash attention, which keeps packed rows apart; here it is {attention}: "
            "set train.layout: group"
        )
    if config.layout != "auto":
        return config.layout, "as asked"
    if flash:
        return "pack", "flash attention keeps the rows of a sequence apart, so none is padded"
    return "group", f"rows of like length share a batch; packed ones would see each other under {attention}"


def _choose_liger(config: TrainConfig, machine: Machine) -> tuple[bool, str]:
    if config.liger is not None:
        if config.liger and machine.device != "cuda":
            raise TrainingError(f"train.liger: true needs a CUDA device, here is {machine.device}; leave it unset")
        return config.liger, "as asked"
    if machine.device != "cuda":
        return False, "its kernels need a CUDA device"
    return machine.has("liger-kernel"), f"{'is' if machine.has('liger-kernel') else 'not'} installed"


def _choose_checkpointing(
    config: TrainConfig, machine: Machine, plan: Plan, size: ModelSize | None
) -> tuple[bool, str]:
    if config.gradient_checkpointing is not None:
        return config.gradient_checkpointing, "as asked"
    if size is None:
        return False, "size of the model not known yet"
    needed = estimate(config, plan, size).total
    said = f"{needed / 1e9:.1f} GB expected without it, {machine.free / 1e9:.1f} GB free"
    return needed > machine.free, said


def _count_shards(config: TrainConfig, machine: Machine) -> int:
    if config.launch not in ("fsdp2", "zero3"):
        return 1
    return config.processes or max(1, len(machine.gpus))
