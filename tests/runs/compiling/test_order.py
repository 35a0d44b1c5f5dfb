"""Names of compilations: what a program is made from is in its name, and how it is worked at is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from corpus.errors import RunError
from corpus.jsonl import write_jsonl
from optimizers.config import Kind
from optimizers.quality.items import ItemQuality
from runs.compiling.order import Order
from runs.folder import Run, read_run
from runs.items import read_items
from tests.optimizers.handmade import write_program
from tests.review.conftest import make_ea, write_run
from tests.runs.compiling.conftest import Load


def name(load: Load, *overrides: str, kind: Kind = "items", start: Path | None = None, run: Run | None = None) -> str:
    return Order(load(*overrides), kind, Path("nowhere"), start, run).name


def test_a_name_says_what_was_compiled_and_with_what(load: Load) -> None:
    assert re.fullmatch(r"items-bootstrap-[0-9a-f]{8}", name(load))
    chained = name(load, "compile.optimizer=[bootstrap, gepa]", kind="session")
    assert re.fullmatch(r"session-bootstrap\+gepa-[0-9a-f]{8}", chained)


@pytest.mark.parametrize(
    "setting",
    [
        "seed=4", "compile.optimizer=labeled", "compile.train=9", "compile.dev=9", "compile.final=20",
        "compile.metric_calls=50", "compile.demos=2", "compile.threshold=0.8", "compile.judge=false",
        "compile.votes=1", "compile.weights.items={leak: 0.2}", "compile.budget.calls=9999", "plan.moments=[2, 3]",
        "plan.method=mads", "curate.key_length=1.1", "lms.teacher.mistakes={}", "lms.teacher.temperature=0.1",
        "lms.teacher.seed=5", "lms.teacher.max_tokens=900", "lms.judge={model: scripted/counsel, mistakes: {}}",
        "lms.reflection.temperature=1.0",
    ],
)  # fmt: skip
def test_what_decides_the_program_is_in_the_name(setting: str, load: Load) -> None:
    assert name(load, setting) != name(load)


@pytest.mark.parametrize(
    "setting",
    ["compile.threads=8", "compile.failures=0.3", "plan.sessions=7", "lms.teacher.latency=0.1", "name=other",
     "lms.teacher.timeout=5", "generate.concurrency=2"],
)  # fmt: skip
def test_what_decides_nothing_is_not(setting: str, load: Load) -> None:
    assert name(load, setting) == name(load)


def test_the_program_from_which_it_goes_on_counts_and_so_does_that_which_writes_the_sessions(
    load: Load, tmp_path: Path
) -> None:
    start = write_program(tmp_path, "items-a")
    assert name(load, start=start) != name(load)
    assert name(load, "lms.examinee={model: scripted/counsel, mistakes: {}}") == name(load), "it is not asked"


def test_an_exam_prompt_is_known_by_the_items_that_it_learns_from(load: Load, curated: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    same = write_run(folder, [])
    same.items_path.write_bytes(curated.items_path.read_bytes())
    assert name(load, kind="exam", run=same) == name(load, kind="exam", run=curated)
    assert name(load, "train.formats={letter: 1}", kind="exam", run=same) != name(load, kind="exam", run=same)
    write_jsonl(same.items_path, [{"split": "train", **make_ea(7).model_dump(mode="json", by_alias=True)}])
    assert name(load, kind="exam", run=read_run(folder)) != name(load, kind="exam", run=curated)


def test_a_run_that_is_not_curated_has_no_name_to_give(load: Load, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [], curated=False)
    with pytest.raises(RunError, match="stage `curate` is not done"):
        name(load, kind="exam", run=run)


def test_what_exists_is_in_the_name_by_its_content_and_may_not_be_repeated(
    load: Load, curated: Run, tmp_path: Path
) -> None:
    setting = f"compile.existing=[{curated.items_path}]"
    assert name(load, setting) != name(load)
    copied = tmp_path / "items.jsonl"
    copied.write_bytes(curated.items_path.read_bytes())
    assert name(load, f"compile.existing=[{copied}]") == name(load, setting)
    scenario = next(iter(read_items(curated))).scenario
    for existing, twin in ((setting, True), ("compile.existing=[]", False)):
        assessor = Order(load(existing), "items").assessor()
        assert isinstance(assessor, ItemQuality)
        assert bool(assessor.known.find_twin(scenario)) is twin
