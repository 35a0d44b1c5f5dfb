"""What compiled prompts bring to a run: accepted items per teacher call, and whether an Ollama takes them."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from rich.console import Console

from benchmarks.compiled_quality import RECIPE, folder_of
from benchmarks.table import ROOT, Row, least
from lms.scripted.mistakes import DEFAULT_RATES
from optimizers.store import read_sidecar
from runs.folder import Run, read_run
from runs.pipeline import run_stages
from runs.recipe import Recipe, load_recipe
from tests.doubles.models import Model
from tests.doubles.ollama import OllamaDouble
from tests.doubles.scripted import scripted_reply

SESSIONS = 12  # with the double


def measure(root: Path, runs: Path) -> Iterator[Row]:
    """Yield the rows; ``root`` holds the compiled programs, ``runs`` takes the run folders."""
    session, items = folder_of("session", "gepa", root), folder_of("items", "gepa", root)
    programs = [f"programs.session={session}", f"programs.items={items}"]
    before, after = _accepted(runs / "before", []), _accepted(runs / "after", programs)
    yield Row("accepted items per 1,000 teacher calls, uncompiled", round(before), "items", "", True)
    yield Row("accepted items per 1,000 teacher calls, compiled", round(after), "items", "", True)
    yield least("accepted items per teacher call, compiled against uncompiled", after / before, "times", 1.5)
    yield least("programs at work in a run with the Ollama double", _with_ollama(runs / "ollama", programs), "of 2", 2)


def _accepted(out: Path, programs: list[str]) -> float:
    """Items that rules and judge let pass, per 1,000 calls of `generate`."""
    run = _run(out, load_recipe(RECIPE, ["exam.emobench=null", *programs]), ("generate", "verify"))
    calls = sum(role["calls"] for role in run.manifest["spending"]["generate"].values())
    return 1000 * run.require("verify")["passed"] / calls


def _with_ollama(out: Path, programs: list[str]) -> int:
    """How many of the programs a run with an Ollama used whose sessions were all written."""
    doubled = {name: 2 * rate for name, rate in DEFAULT_RATES.items()}
    with OllamaDouble(Model("qwen3:8b"), num_parallel=8, reply=scripted_reply(doubled)) as double:
        settings = [f"plan.sessions={SESSIONS}", f"lms.teacher.base_url={double.url}", *programs]
        run = _run(out, load_recipe(ROOT / "recipes" / "ollama.yaml", settings), ("generate",))
        asked = "\n".join(str(chat) for chat in double.chats())
    if run.require("generate")["sessions"] < SESSIONS:
        return 0
    notes = run.manifest["programs"]
    used = [notes[kind]["fingerprint"] == read_sidecar(run.path / "programs" / kind).fingerprint for kind in notes]
    return sum(used) if "- The explanation must" in asked else 0


def _run(out: Path, recipe: Recipe, stages: tuple[str, ...]) -> Run:
    run_stages(recipe, out, Console(file=StringIO()), stages)
    return read_run(out)
