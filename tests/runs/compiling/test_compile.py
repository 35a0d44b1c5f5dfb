"""A compilation as a user meets it: what it leaves, what it never sees, and what ends it."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from filelock import FileLock
from rich.console import Console

from cli.commands import programs
from corpus.errors import LimitError, RecipeError, RunError, TeacherError
from lms.cache import AnswerCache
from optimizers.case_files import read_cases
from optimizers.config import Kind
from optimizers.store import PROGRAM, SIDECAR, load_into, read_sidecar
from programs.fingerprint import predictors_of
from runs.compiling import compile as compiling
from runs.compiling.order import Order, estimate_order
from runs.folder import Run, read_run
from runs.pipeline import run_stages
from runs.programs import load_named, make_program
from runs.recipe import load_recipe
from tests.doubles.ollama import Fault, Model, OllamaDouble
from tests.doubles.scripted import scripted_reply
from tests.runs.compiling.conftest import SMALL, Load, compile_quietly, count_lines

FILES = {PROGRAM, SIDECAR, "recipe.yaml", "cases.jsonl", "scores.jsonl", "calls.jsonl", "optimizer.log", ".lock"}
CONCISE = ["concise.write_case", "concise.write_dialogue"]
MADS = [f"mads.{name}" for name in (
    "write_background", "open_as_client", "continue_as_client", "respond_as_therapist", "supervise",
)]  # fmt: skip
MIXED = "plan.method={mads: 0.5, concise: 0.5}"
Made = Callable[..., Path]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("kind", "overrides", "roles"),
    [
        ("items", (), {"converter", "judge"}),
        ("session", (), {"background", "dialogue", "judge"}),
        ("session", (MIXED, "plan.moments=[2, 3]"), {"background", "client", "therapist", "supervisor", "dialogue"}),
        ("exam", ("lms.examinee={model: scripted/counsel}",), {"examinee"}),
    ],
)
def test_a_compilation_leaves_a_folder_that_tells_all(
    kind: Kind, overrides: tuple[str, ...], roles: set[str], made: Made, load: Load
) -> None:
    folder, recipe = made(kind, *overrides), load(*overrides)
    assert {path.name for path in folder.iterdir()} == FILES
    sidecar = read_sidecar(folder)
    assert (sidecar.kind, sidecar.name, sidecar.parent, sidecar.stopped) == (kind, folder.name, "", "")
    assert [step.name for step in sidecar.optimizers] == ["bootstrap"]
    assert roles <= sidecar.models.keys() | {"judge"}
    assert set(sidecar.models.values()) == {"scripted/counsel"}
    assert [text.partition(" ")[0] for text in (sidecar.data.train, sidecar.data.dev, sidecar.data.final)] == [
        "8", "6", "10"
    ]  # fmt: skip
    calls, scores = rows(folder / "calls.jsonl"), rows(folder / "scores.jsonl")
    assert sidecar.cost["calls"]["calls"] == len(calls)
    assert sidecar.cost["before"]["calls"] >= 1
    assert roles <= {row["role"] for row in calls}
    assert [row["id"] for row in scores] == [case.id for case in read_cases(folder / "cases.jsonl", kind)]
    for moment in ("before", "after"):
        mean = sum(row[moment]["quality"] for row in scores) / len(scores)
        assert mean == pytest.approx(getattr(sidecar.scores, moment).quality, abs=1e-5)
    assert sidecar.scores.delta == pytest.approx(sidecar.scores.after.quality - sidecar.scores.before.quality)
    assert set(sidecar.scores.criteria) <= set(sidecar.weights)

    states = json.loads((folder / PROGRAM).read_text(encoding="utf-8"))
    program = make_program(kind, recipe)
    assert states.keys() - {"metadata"} == predictors_of(program).keys()
    assert all(state["lm"] is None for name, state in states.items() if name != "metadata")
    assert load_into(program, folder) == []
    assert "base_url" not in yaml.safe_load((folder / "recipe.yaml").read_text())["lms"]["teacher"]


def test_only_the_methods_of_the_plan_are_compiled(made: Made) -> None:
    def names(*overrides: str) -> set[str]:
        return json.loads((made("session", *overrides) / PROGRAM).read_text()).keys() - {"metadata"}

    assert names() == set(CONCISE)
    assert names(MIXED, "plan.moments=[2, 3]") == {*CONCISE, *MADS}


def test_compiling_pays_and_the_gain_is_measured_on_the_final_cases(made: Made) -> None:
    sidecar = read_sidecar(made("session"))
    assert sidecar.changed
    assert sidecar.scores.after.quality > sidecar.scores.before.quality
    assert sidecar.improved == (sidecar.scores.interval[0] > 0)


def test_the_same_order_again_is_answered_from_the_folder(
    made: Made, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made("items")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(compiling, "serve", None)
    again, printed = compile_quietly(Order(load("compile.threads=2", "compile.failures=0.2"), "items", folder.parent))
    assert again == folder
    assert printed == f"compile: {folder.name} was compiled before\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_chain_goes_on_from_a_compiled_program(made: Made, load: Load, tmp_path: Path) -> None:
    start = made("session")
    order = Order(load("compile.optimizer=[labeled, bootstrap]"), "session", tmp_path, start)
    folder, _ = compile_quietly(order)
    sidecar = read_sidecar(folder)
    assert sidecar.parent == start.name
    assert [step.name for step in sidecar.optimizers] == ["labeled", "bootstrap"]
    assert sidecar.optimizers[0].dev is not None
    assert sidecar.optimizers[1].dev is not None
    assert sidecar.optimizers[0].dev[1] == sidecar.optimizers[1].dev[0]
    assert sidecar.scores.before.quality == pytest.approx(read_sidecar(start).scores.after.quality)


def test_no_optimizer_sees_a_final_case(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    searching = threading.Event()
    look_up, search = AnswerCache.get, compiling.search

    def listen(cache: AnswerCache, request: dict[str, Any], *more: Any) -> Any:
        if searching.is_set():
            asked.append(json.dumps(request["messages"], default=str, ensure_ascii=False))
        return look_up(cache, request, *more)

    def flagged(*arguments: Any) -> Any:
        searching.set()
        try:
            return search(*arguments)
        finally:
            searching.clear()

    monkeypatch.setattr(AnswerCache, "get", listen)
    monkeypatch.setattr(compiling, "search", flagged)
    folder, _ = compile_quietly(Order(load("compile.optimizer=gepa"), "items", tmp_path))
    prompts = "".join(asked)
    learnt, final = (read_cases(folder / "cases.jsonl", "items", part) for part in ("train", "final"))
    assert len(asked) > 40

    def told(cases: list[Any]) -> set[str]:
        return {json.dumps(case.session.turns[0].text, ensure_ascii=False)[1:-1] for case in cases}

    assert all(text in prompts for text in told(learnt)), "the search is listened to"
    assert not [text for text in told(final) if text in prompts]


class TestKills:
    """`kill -9` at random points: the same program, and nothing is paid twice but what was under way."""

    OVERRIDES = ("compile.optimizer=gepa", "lms.teacher.latency=0.002")
    FORKS = multiprocessing.get_context("forkserver")
    FORKS.set_forkserver_preload(["cli.commands.programs", "cli.compile"])

    @pytest.mark.parametrize("kind", ["items"])
    def test_killed_at_random_points_it_ends_the_same(self, kind: Kind, small: Path, tmp_path: Path) -> None:
        rng, whole, torn = random.Random(5), tmp_path / "whole", tmp_path / "torn"
        complete, _ = compile_quietly(Order(load_recipe(small, list(self.OVERRIDES)), kind, whole))
        calls = count_lines(complete / "calls.jsonl")
        kills = sorted(rng.uniform(0.02, 0.95) * calls for _ in range(2))
        for target in kills:
            self.kill_at(target, kind, small, torn)
            assert not list(torn.glob("*/sidecar.json"))
        for path in (torn / "answers.jsonl", torn / complete.name / "calls.jsonl"):
            with path.open("ab") as file:
                file.write(b'{"key": "torn')
        folder, _ = compile_quietly(Order(load_recipe(small, list(self.OVERRIDES)), kind, torn))
        assert (folder / PROGRAM).read_bytes() == (complete / PROGRAM).read_bytes()
        assert (folder / "scores.jsonl").read_bytes() == (complete / "scores.jsonl").read_bytes()
        assert read_sidecar(folder).scores == read_sidecar(complete).scores
        entered = count_lines(folder / "calls.jsonl")
        assert calls - len(kills) <= entered <= calls + len(kills), "one call was under way at each kill"

    def kill_at(self, calls: float, kind: Kind, recipe: Path, root: Path) -> None:
        options = (recipe, programs.Program(kind), None, list(self.OVERRIDES), root)
        process = self.FORKS.Process(target=programs.compile_, args=options)
        process.start()
        while process.is_alive() and sum(map(count_lines, root.glob("*/calls.jsonl"))) < calls:
            time.sleep(0.002)
        process.kill()
        process.join()


class TestBudget:
    def test_too_small_a_budget_of_calls_is_refused_before_any_call(self, load: Load, tmp_path: Path) -> None:
        with pytest.raises(
            RecipeError,
            match=r"compile.budget.calls: 60 is too little for a search: all else takes about 172; raise it",
        ):
            compile_quietly(Order(load("compile.budget.calls=60"), "items", tmp_path / "new"))
        assert not (tmp_path / "new").exists()

    def test_calls_are_kept(self, load: Load, tmp_path: Path) -> None:
        calls = 420
        overrides = ("compile.optimizer=gepa", "compile.metric_calls=600", f"compile.budget.calls={calls}")
        order = Order(load(*overrides), "items", tmp_path)
        assert estimate_order(order).calls <= calls
        folder, _ = compile_quietly(order)
        assert count_lines(folder / "calls.jsonl") <= calls

    @pytest.mark.parametrize("budget", ["calls=190", "tokens=600_000", "minutes=2.5"])
    def test_a_budget_that_ends_in_the_middle_gives_the_best_so_far(
        self, budget: str, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticks = itertools.count(step=0.5)  # seconds, one after every call
        for module in ("lms.ledger", "runs.compiling.compile"):
            monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: next(ticks)))
        monkeypatch.setattr("runs.compiling.estimate.REPEATS", 0.2)
        monkeypatch.setattr("runs.compiling.estimate.SESSION_REVIEWS", 0.2)
        overrides = ("compile.optimizer=[bootstrap, mipro]", "compile.metric_calls=600")
        folder, _ = compile_quietly(Order(load(*overrides, f"compile.budget.{budget}"), "session", tmp_path))
        sidecar = read_sidecar(folder)
        assert sidecar.stopped.startswith("the search ended early, its part of compile.budget being spent")
        assert sidecar.scores.n == 10
        assert sidecar.changed, "what bootstrap had found is not thrown away"
        spent = sidecar.cost["calls"]
        assert spent["calls"] <= 190 or "calls" not in budget
        assert spent["input_tokens"] + spent["output_tokens"] <= 600_000 or "tokens" not in budget

    def test_a_budget_that_ends_too_soon_is_one_line_and_goes_on_when_raised(self, load: Load, tmp_path: Path) -> None:
        with pytest.raises(LimitError, match=r"^compile.budget is spent without a result; all answers are kept"):
            compile_quietly(Order(load("compile.budget.tokens=20_000"), "items", tmp_path))
        assert not list(tmp_path.glob("*/sidecar.json"))
        kept = count_lines(tmp_path / "answers.jsonl")
        folder, _ = compile_quietly(Order(load(), "items", tmp_path))
        assert count_lines(tmp_path / "answers.jsonl") == kept + count_lines(folder / "calls.jsonl") - failed(folder)


def failed(folder: Path) -> int:
    return sum("failed" in row for row in rows(folder / "calls.jsonl"))


class TestDeadBackend:
    OVERRIDES = ("compile.optimizer=gepa",)

    @pytest.fixture(autouse=True)
    def no_long_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lms.resilient.FIRST_PAUSE", 0.001)
        monkeypatch.setattr("lms.gate.FIRST_PROBE", 0.01)

    @pytest.fixture
    def double(self) -> Iterator[OllamaDouble]:
        reply = scripted_reply(SMALL["lms"]["teacher"]["mistakes"])
        with OllamaDouble(Model("qwen3:8b"), num_parallel=8, reply=reply) as double:
            yield double

    def order(self, load: Load, url: str, root: Path) -> Order:
        served = f"{{model: 'ollama_chat/qwen3:8b', base_url: '{url}', patience: 0, retries: 0}}"
        return Order(load(*self.OVERRIDES, f"lms.teacher={served}"), "items", root)

    def refused(self, order: Order, message: str) -> None:
        with pytest.raises(TeacherError, match=message) as caught:
            compile_quietly(order)
        assert "\n" not in str(caught.value)
        assert not (order.root / order.name / SIDECAR).exists()
        assert not (order.root / order.name / PROGRAM).exists()

    def test_a_server_that_is_not_there(self, load: Load, tmp_path: Path) -> None:
        self.refused(self.order(load, "http://127.0.0.1:9", tmp_path), "127.0.0.1:9")

    @pytest.mark.parametrize("skip", [0, 60, 150])
    def test_a_server_that_dies_in_the_middle(
        self, skip: int, double: OllamaDouble, load: Load, tmp_path: Path
    ) -> None:
        order = self.order(load, double.url, tmp_path)
        double.faults.append(Fault("status", "/api/chat", times=10_000, skip=skip, status=500, body="broken"))
        self.refused(
            order, r"^compile: (.* gave no answer to .* cases|.* refl.*) .*status 500.* run the (same )?command again$"
        )
        kept = count_lines(tmp_path / "answers.jsonl")
        assert kept >= skip
        if skip != 60:
            return
        double.faults.clear()
        folder, _ = compile_quietly(order)
        assert read_sidecar(folder).scores.n == 10
        assert read_sidecar(folder).models["teacher"] == "ollama_chat/qwen3:8b"
        assert count_lines(tmp_path / "answers.jsonl") > kept

    def test_a_server_that_fails_three_times_in_ten(self, double: OllamaDouble, load: Load, tmp_path: Path) -> None:
        double.spread_faults(0.3, [Fault("status", status=500, body="broken")], seed=1)
        self.refused(self.order(load, double.url, tmp_path), "gave no answer to")


class TestUse:
    def test_a_compiled_program_is_the_best_and_runs_with_another_model(
        self, made: Made, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = made("session")
        assert read_sidecar(folder).improved
        monkeypatch.chdir(tmp_path)
        shutil.copytree(folder, tmp_path / "out" / "programs" / folder.name)
        with OllamaDouble(Model("qwen3:8b"), num_parallel=8, reply=scripted_reply({})) as double:
            served = f"lms.teacher={{model: 'ollama_chat/qwen3:8b', num_ctx: 32768, base_url: '{double.url}'}}"
            recipe = load("plan.sessions=2", "programs.session=best", "exam.emobench=null", served)
            run_stages(recipe, tmp_path / "run", Console(file=StringIO()), ("generate",))
            shown = [json.dumps(body["messages"], ensure_ascii=False) for body in double.chats()]
        run = read_run(tmp_path / "run")
        assert run.require("generate")["sessions"] == 2
        assert run.manifest["programs"]["session"]["name"] == folder.name
        demo = predictors_of(load_named("session", load(f"programs.session={folder}")))["concise.write_case"].demos[0]
        told = json.dumps(next(iter(demo.values())), ensure_ascii=False)[1:40]
        assert any(told in text for text in shown)


class TestRefusals:
    def test_two_processes_at_one_order(self, load: Load, tmp_path: Path) -> None:
        order = Order(load(), "items", tmp_path)
        (tmp_path / order.name).mkdir()
        with FileLock(tmp_path / order.name / ".lock"), pytest.raises(RunError, match="is being compiled by another"):
            compile_quietly(order)

    def test_a_folder_that_cannot_be_written(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match=r"file/items-bootstrap-\w{8}: Not a directory; check space and permissions"):
            compile_quietly(Order(load(), "items", tmp_path / "file"))

    def test_an_exam_prompt_without_a_run(self, load: Load, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="name its folder with --run"):
            compile_quietly(Order(load(), "exam", tmp_path))

    def test_more_cases_than_a_run_has(self, load: Load, curated: Run, tmp_path: Path) -> None:
        order = Order(load("compile.train=15"), "exam", tmp_path, run=curated)
        with pytest.raises(RunError, match=r"20 training and 14 validation items, .* asks for 21 .* and 10 \(final\)"):
            compile_quietly(order)
