"""The benchmark for one GPU runs end to end on a tiny model where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu_sft import LONGEST, SHORTEST, draw_rows, main, make_configs


def test_both_recipes_are_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUT", str(tmp_path))
    assert main(["--tiny", "--steps", "2"]) == 0
    written = json.loads((tmp_path / "gpu_sft.json").read_text())
    paper, ours = written["sides"]
    assert [side["steps"] for side in (paper, ours)] == [2, 2]
    assert paper["layout"].startswith("pad")
    assert paper["tokens_per_second"] > 0
    assert written["speed_ratio"] == pytest.approx(ours["tokens_per_second"] / paper["tokens_per_second"], abs=0.01)


def test_the_papers_side_is_the_papers_recipe() -> None:
    paper = make_configs(20, tiny=False)["paper's recipe"]
    assert (paper.layout, paper.max_length, paper.batch_size, paper.accumulate) == ("pad", 1024, 1, 32)
    assert paper.loss_on == "all"


def test_rows_are_as_long_as_items() -> None:
    lengths = [len(row.ids) for row in draw_rows(200, 400)]
    assert SHORTEST <= min(lengths) < max(lengths) <= LONGEST
