"""Documentation is run: every command line is parsed and checked for real, every recipe fragment is validated."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import cli.compile
import cli.examine
import runs.doctor
import runs.pipeline
from cli.main import app
from corpus.errors import DataError, RunError
from runs.examination import Sitting, check_model
from runs.recipe import Recipe
from tests.eval.benchmarks.test_official import OWN_PROMPTS, OWN_RESPONSE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
COMMANDS = [
    (page.name, line.split("   #")[0].strip())
    for page, text in TEXT.items()
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
FRAGMENTS = [
    (page.name, block) for page, text in TEXT.items() for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
]
READ_A_RUN = ("show", "funnel", "review", "agreement", "export")
READ_A_PROGRAM = ("diff", "transfer")
READ_PREDICTIONS = ("score", "compare", "leaderboard")
MAKE_TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_there_is_something_to_run() -> None:
    assert len(COMMANDS) >= 8
    assert FRAGMENTS


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: str(value)[:60])
def test_every_command_line_is_one_that_works(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *arguments = shlex.split(line)
    if program == "emoreason" and arguments[0] in READ_PREDICTIONS:
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, DataError), result.output  # parsed, and then there is no such file
        assert "cannot be read" in str(result.exception)
    elif program == "emoreason" and arguments[0] == "export-task":
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    elif program == "emoreason" and arguments[0] == "exam" and "--lm" in arguments:
        (sitting,) = sittings_of(arguments, tmp_path, monkeypatch)
        assert sitting.benchmarks
    elif program == "emoreason" and arguments[0] not in (*READ_A_RUN, *READ_A_PROGRAM):
        (tmp_path / "EmoBench" / "data").mkdir(parents=True)
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / "recipes").symlink_to(ROOT / "recipes")
        monkeypatch.chdir(tmp_path / "project")
        asked: list[Recipe] = []
        monkeypatch.setattr(runs.pipeline, "run_stages", lambda recipe, *rest: asked.append(recipe))
        monkeypatch.setattr(runs.doctor, "examine_models", lambda recipe, *rest: [])
        monkeypatch.setattr(cli.compile, "compile_and_show", lambda order, *rest: asked.append(order.recipe))
        if "out/quickstart" in arguments:
            with pytest.raises(RunError, match="not a run folder"):  # parsed, and then there is no such run
                CliRunner().invoke(app, arguments, catch_exceptions=False)
            return
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert asked or arguments[0] in ("validate", "doctor", "programs", "show-prompt")
    elif program == "emoreason":
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, RunError), result.output  # parsed, and then there is no such run
    elif program == "make":
        assert {word for word in arguments if "=" not in word} <= MAKE_TARGETS
    elif program == "python":
        assert (ROOT / (arguments[1].replace(".", "/") + ".py")).is_file()
    else:
        pytest.fail(f"{page}: no test knows how to check {line!r}")


def sittings_of(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sitting]:
    """What `exam --lm` would ask, beside a checkout of EmoBench; all that can be refused before a model is, is."""
    configs = tmp_path / "EmoBench" / "src" / "configs"
    configs.mkdir(parents=True)
    (configs / "prompts.yaml").write_text(OWN_PROMPTS, encoding="utf-8")
    (configs / "response.yaml").write_text(OWN_RESPONSE, encoding="utf-8")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    asked: list[Sitting] = []

    def ask_nobody(sitting: Sitting, *rest: object) -> None:
        check_model(sitting)
        asked.append(sitting)
        raise RunError("nobody is asked")

    monkeypatch.setattr(cli.examine, "sit", ask_nobody)
    result = CliRunner().invoke(app, arguments)
    assert str(result.exception) == "nobody is asked", result.output
    return asked


@pytest.mark.parametrize(("page", "block"), FRAGMENTS, ids=lambda value: str(value)[:40])
def test_every_recipe_fragment_is_valid(page: str, block: str) -> None:
    base = {"name": "x", "lms": {"teacher": {"model": "scripted/counsel"}}}
    Recipe.model_validate(base | yaml.safe_load(block))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT[page]):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target
