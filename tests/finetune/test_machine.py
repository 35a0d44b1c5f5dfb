"""What a machine is, looked at and built by hand."""

from __future__ import annotations

import psutil
import torch

from finetune.machine import Gpu, Machine, look


def test_this_machine_is_seen_as_it_is() -> None:
    machine = look()
    assert (machine.device == "cuda") == torch.cuda.is_available() == bool(machine.gpus)
    assert 0 < machine.ram_free <= psutil.virtual_memory().total
    assert 1 <= machine.cores <= (psutil.cpu_count() or 1)
    assert machine.versions["torch"] == torch.__version__
    assert machine.has("trl")
    assert not machine.has("no-such-package")


def test_several_cards_offer_what_the_least_of_them_offers() -> None:
    machine = Machine("cuda", (Gpu("new", 80, 70, (9, 0)), Gpu("old", 16, 12, (7, 5))), ram_free=500)
    assert (machine.free, machine.capability) == (12, (7, 5))


def test_without_a_card_the_main_memory_counts() -> None:
    machine = Machine("cpu", (), ram_free=500)
    assert (machine.free, machine.capability) == (500, (0, 0))


def test_a_machine_says_what_it_is() -> None:
    assert str(Machine("cpu", (), 8_000_000_000, 4)) == "cpu, 4 cores, 8.0 GB free"
    card = Gpu("A100", 80_000_000_000, 79_000_000_000, (8, 0))
    assert str(Machine("cuda", (card,))) == "A100 (79.0 of 80.0 GB free)"
