"""`kill -9` at random points of generate and verify: nothing lost, nothing doubled, the same bytes in the end."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from cli.commands.stages import run_stages_of
from runs.pipeline import run_stages
from runs.recipe import load_recipe

SESSIONS = 12
KILLS_PER_RUN = 5  # of generate
RUNS = 4  # × 5 = 20 kill points
VERIFY_KILLS = 1
JOURNALS = {"generate": ("sessions", "drafts"), "verify": ("judgements", "session-judgements")}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kill") / "kill.yaml"
    data = {
        "name": "kill",
        "seed": 11,
        "lms": {"teacher": {"model": "scripted/counsel", "latency": 0.002, "mistakes": {"names_emotion": 0.4}}},
        "plan": {"sessions": SESSIONS},
        "generate": {"concurrency": 3},
        "verify": {"votes": 3},
        "exam": {"emobench": None},
    }
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


# Processes are forked from one that has imported everything: a start takes no seconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["cli.commands.stages", "runs.stages.generate", "runs.stages.verify"])
# A shell that starts tests in the background ignores SIGINT, and children inherit that.
HEED_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def finish(stage: str, recipe: Path, out: Path) -> None:
    run_stages(load_recipe(recipe), out, Console(file=StringIO()), (stage,))


def size(out: Path, stage: str = "generate") -> int:
    paths = (out / "journals" / f"{name}.jsonl" for name in JOURNALS[stage])
    return sum(path.stat().st_size for path in paths if path.exists())


def kill_at(stage: str, target: float, recipe: Path, out: Path) -> None:
    """Start a stage and kill it when its journals have reached a size."""
    process = FORKS.Process(target=run_stages_of, args=((stage,), recipe, None, out))
    process.start()
    while size(out, stage) < target and process.is_alive():
        time.sleep(0.0005)
    process.kill()
    process.join()


def units(journal: Path) -> list[str]:
    return [json.loads(line)["id"] for line in journal.read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    for stage in ("generate", "verify", "curate"):
        finish(stage, recipe, out)
    return out


def test_an_interrupt_says_that_nothing_is_lost(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"{HEED_INTERRUPTS}; from cli.main import main; main()"
    command = [sys.executable, "-c", code, "generate", str(recipe), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not size(out) and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.decode() == "stopped; nothing finished is lost: the same command goes on from here\n"


@pytest.mark.parametrize("run", range(RUNS))
def test_killed_at_random_points_a_run_ends_the_same(
    run: int, recipe: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out, rng, whole = tmp_path / "out", random.Random(run), size(uninterrupted)
    finished_before: list[str] = []
    for target in sorted(rng.uniform(0, 0.97) * whole for _ in range(KILLS_PER_RUN)):
        kill_at("generate", target, recipe, out)
        lines = (out / "journals" / "sessions.jsonl").read_text().splitlines() if size(out) else []
        assert lines[: len(finished_before)] == finished_before, "a finished session was lost or rewritten"
        finished_before = lines[:-1]  # the last line may be torn
    finish("generate", recipe, out)
    for target in sorted(rng.uniform(0, 0.97) * size(uninterrupted, "verify") for _ in range(VERIFY_KILLS)):
        kill_at("verify", target, recipe, out)
    for stage in ("verify", "curate"):
        finish(stage, recipe, out)
    for name in (name for names in JOURNALS.values() for name in names):
        ids, wanted = (units(folder / "journals" / f"{name}.jsonl") for folder in (out, uninterrupted))
        assert sorted(ids) == sorted(wanted), f"{name}: a unit was lost or done twice"
        assert len(ids) > SESSIONS or "judge" in name  # what mistakes spoil is planned again in a further round
    for name in ("items", "aside", "dropped", "sessions"):
        file = f"data/{name}.jsonl"
        assert (out / file).read_bytes() == (uninterrupted / file).read_bytes()
