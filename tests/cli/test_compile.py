"""`emoreason compile` as it is typed: the estimate, the result, what is refused, and what goes with what."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from cli.compile import print_result
from cli.main import app, main
from optimizers.store import read_sidecar
from programs.writer import SessionWriter
from tests.optimizers.handmade import write_program
from tests.review.conftest import make_ea, write_run
from tests.runs.compiling.conftest import SMALL, count_lines

SIZES = ("--set", "compile.train=4", "--set", "compile.dev=3")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")


def compile_(*arguments: str) -> str:
    """Compile, and return what is printed in 80 columns."""
    result = CliRunner().invoke(app, ["compile", "r.yaml", *arguments], env={"COLUMNS": "80"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """``refused(code, *arguments)``: the one line with which a command ends."""

    def refuse(code: int, *arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["emoreason", "compile", "r.yaml", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert ended.value.code == code, said
        assert "Traceback" not in said
        assert said.count("\n") == 1 or "Usage: " in said, said
        return " ".join(said.split())

    return refuse


def test_a_dry_run_says_what_it_would_cost_and_leaves_nothing(tmp_path: Path) -> None:
    said = compile_("--dry-run", "--optimizer", "bootstrap,gepa", "--set", "compile.metric_calls=80",
                    "--set", "compile.budget={calls: 900, minutes: 2}")  # fmt: skip
    assert "compile items with bootstrap + gepa" in said
    assert re.search(r"\ball +[\d,]+ *\n", said)
    assert "the budget of 900 calls, 2 minutes is kept" in said
    assert re.search(r"nothing was asked; out/programs/items-bootstrap\+gepa-\w{8} is where it will be", said)
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


def test_the_result_is_a_table_with_a_verdict_and_comes_again_without_a_call(tmp_path: Path) -> None:
    said = compile_("--program", "session", "--to", "made", *SIZES)
    (folder,) = (tmp_path / "made").glob("session-*")
    assert max(map(len, said.splitlines()[:-1])) <= 80
    for text in ("10 final cases", "quality", "95% interval", "calls per case", "characters read", "  leak"):
        assert text in said
    calls = count_lines(folder / "calls.jsonl")
    assert said.splitlines()[-1].startswith(f"made/{folder.name}: ")
    assert said.endswith(f"; {calls} calls\n")
    again = compile_("--program", "session", "--to", "made", *SIZES)
    assert f"compile: {folder.name} was compiled before" in again
    assert "calls, at most" not in again
    assert again.splitlines()[-1] == said.splitlines()[-1]
    assert count_lines(folder / "calls.jsonl") == calls
    assert "was compiled before" in compile_("--program", "session", "--to", "made", "--dry-run", *SIZES)


def test_all_compiles_sessions_and_then_items_from_sessions_so_written(tmp_path: Path) -> None:
    said = compile_("--program", "all", *SIZES)
    session, items = (next((tmp_path / "out" / "programs").glob(f"{kind}-*")) for kind in ("session", "items"))
    assert said.index(f"out/programs/{session.name}: ") < said.index(f"out/programs/{items.name}: ")
    recipe = yaml.safe_load((items / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["programs"]["session"] == f"out/programs/{session.name}"


def test_it_goes_on_from_a_program_by_how_its_name_begins(tmp_path: Path) -> None:
    write_program(tmp_path / "made", "session-a", SessionWriter(["concise"]), kind="session")
    compile_("--program", "session", "--to", "made", "--from", "session", "--optimizer", "labeled", *SIZES)
    (second,) = (tmp_path / "made").glob("session-labeled-*")
    assert read_sidecar(second).parent == "session-a"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--optimizer", "gepaa"], 2, "compile.optimizer"),
        (["--optimizer", ""], 2, "is no optimizer; name one of labeled, bootstrap"),
        (["--optimizer", "gepa,,mipro"], 2, "'[gepa,,mipro]' is not a YAML value"),
        (["--set", "compile.optimizer=[gepa, foo]"], 2, "compile.optimizer"),
        (["--program", "sessions"], 2, "'sessions' is not one of"),
        (["--set", "compile.weights.item={leak: 1}"], 2, "unknown key compile.weights.item; did you mean items?"),
        (["--set", "compile.weights.items={leek: 1}"], 2, "compile.weights.items.leek"),
        (["--set", "compile.weights.items={leak: 1.5}"], 2, "weights are shares from 0 to 1"),
        (["--set", "compile.weights.items={leak: -1}"], 2, "weights are shares from 0 to 1"),
        (["--set", "compile.train=1"], 2, "compile.train"),
        (["--set", "compile.metric_calls=20", "--optimizer", "mipro"], 2, "compile: mipro needs at least"),
        (["--set", "compile.budget.calls=50"], 2, "compile.budget.calls: 50 is too little for a search"),
        (["--set", "compile.budget.calls=50", "--dry-run"], 2, "compile.budget.calls: 50 is too little"),
        (["--set", "compile.budget.tokens=500"], 1, "compile.budget is spent without a result"),
        (["--program", "exam"], 2, "--program exam needs --run"),
        (["--run", "raw"], 2, "--run is for --program exam"),
        (["--program", "exam", "--run", "nowhere"], 1, "nowhere is not a run folder"),
        (["--program", "exam", "--run", "raw"], 1, "raw: stage `curate` is not done"),
        (["--feedback", "nowhere"], 1, "nowhere is not a run folder"),
        (["--from", "items-a", "--to", "made", "--program", "session"], 1, "of kind items; here one of kind session"),
        (["--from", "items-b", "--to", "made"], 1, "did you mean items-a?"),
        (["--from", "items-a", "--program", "all"], 2, "--from names one program"),
        (["--to", "r.yaml"], 1, "Not a directory; check space and permissions"),
        (["--set", "programs.session=best"], 2, "programs.session: out/programs has no program of kind session"),
        (["--set", "lms.teacher={model: ollama_chat/x, base_url: 'http://127.0.0.1:9'}"], 1, "127.0.0.1:9"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_an_exit_code(
    arguments: list[str], code: int, message: str, refused: Refused, tmp_path: Path
) -> None:
    write_program(tmp_path / "made", "items-a")
    write_run(tmp_path / "raw", [make_ea(1)], curated=False)
    assert message in refused(code, *arguments)
    assert not list(tmp_path.glob("**/items-*-*/sidecar.json"))


class TestVerdict:
    def said(self, root: Path, **changes: object) -> str:
        output = StringIO()
        figures = {"calls": 1.0, "read": 900.0, "written": 90.0}
        cost = {"calls": {"calls": 1234}, "before": figures, "after": figures}
        print_result(write_program(root, "items-a", cost=cost, **changes), Console(file=output, width=80))
        return output.getvalue()

    @pytest.mark.parametrize(
        ("interval", "verdict"),
        [((0.01, 0.4), "better than before"), ((-0.01, 0.4), "no change shown"), ((0.0, 0.4), "no change shown"),
         ((-0.4, -0.01), "worse than before")],
    )  # fmt: skip
    def test_better_is_said_only_of_an_interval_above_zero(
        self, interval: tuple[float, float], verdict: str, tmp_path: Path
    ) -> None:
        assert self.said(tmp_path, scores={"interval": interval}).endswith(f"items-a: {verdict}; 1,234 calls\n")

    def test_a_program_that_is_what_it_was_is_not_called_better(self, tmp_path: Path) -> None:
        assert "no candidate was better on the development cases; the program is what it was" in self.said(
            tmp_path, changed=False
        )

    def test_an_early_end_is_said_and_so_is_what_was_not_looked_at(self, tmp_path: Path) -> None:
        said = self.said(tmp_path, stopped="the budget is spent")
        assert "compile: the budget is spent\n" in said
        assert re.search(r"novelty +1\.000 +0 *\n", said)
        assert max(map(len, said.splitlines())) <= 80 or str(tmp_path) in said
