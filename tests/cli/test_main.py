"""The command line: help with examples, exit codes, one-line errors, and a start that loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app, main

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
GOOD = "name: x\nlms:\n  teacher: {model: scripted/counsel}\n"


def emoreason(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=cwd)


def test_all_commands_are_there() -> None:
    stages = {"generate", "verify", "curate", "train", "exam", "report"}
    others = {"run", "validate", "doctor", "ship", "show", "analyse", "funnel", "review", "agreement", "export"}
    others |= {
        "compile",
        "programs",
        "show-prompt",
        "diff",
        "transfer",
        "score",
        "compare",
        "leaderboard",
        "export-task",
    }
    assert set(COMMANDS) == stages | others


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_has_an_example_that_names_the_command(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Example: emoreason {name}" in " ".join(result.output.split())


def test_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert emoreason("--version").stdout.strip() == f"emoreason {version('emoreason')}"


def test_help_loads_neither_torch_nor_dspy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'dspy', 'transformers', 'datasets', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_validate_loads_no_torch(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(GOOD)
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cli.main import app\n"
        f"result = CliRunner().invoke(app, ['validate', {str(tmp_path / 'r.yaml')!r}])\n"
        "assert result.exit_code == 0, result.output\nassert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere.yaml"], 2, "cannot be read"),
        (["validate", "r.yaml", "--set", "plan.sesions=3"], 2, "did you mean sessions"),
        (["show", "."], 1, "not a run folder"),
        (["verify", "r.yaml"], 1, "emoreason generate"),
        (["curate", "r.yaml"], 1, "emoreason verify"),
        (["analyse", "r.yaml"], 2, "panel"),
        (["funnel", "."], 1, "not a run folder"),
        (["export", ".", "--to", "x"], 1, "not a run folder"),
        (["review", "."], 2, "Missing option '--annotator'"),
        (["validate", "r.yaml", "--set", "curate.sizes={faux_pass: 3}"], 2, "did you mean faux_pas"),
        (["validate", "r.yaml", "--set", "curate.decontaminate.files=[none.jsonl]"], 2, "none.jsonl is not a file"),
        (["exam", "r.yaml", "--emobench", "nowhere"], 2, "exam.emobench: nowhere is not a folder"),
        (["fly"], 2, "No such command"),
        (["run"], 2, "Missing argument"),
        (["generate", "r.yaml", "--set", "lms.teacher.api_key_env=NO_SUCH_KEY_SET", "--set",
          "lms.teacher.model=openai/gpt-x"], 2, "set the environment variable NO_SUCH_KEY_SET"),
    ],
)  # fmt: skip
def test_what_a_user_gets_wrong_is_one_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "r.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["emoreason", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == code, said
    assert message in said
    assert "Traceback" not in said


def test_validate_says_what_the_recipe_is(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(GOOD)
    result = emoreason("validate", "r.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout == "r.yaml: valid; 200 sessions, teacher scripted/counsel, student scratch\n"


def test_validate_says_which_keys_mean_nothing_after_a_swap(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: x\nlms:\n  teacher: {model: ollama_chat/m, num_ctx: 16384}\n")
    result = emoreason("validate", "r.yaml", "--set", "lms.teacher.model=openai/gpt-x", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.splitlines()[1] == "r.yaml: lms.teacher: without meaning for openai/…: num_ctx"
