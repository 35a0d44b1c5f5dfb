"""`emoreason report` of a recipe, of a run folder, and of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import runs.pipeline
from cli.main import app
from corpus.errors import RunError, UsageError
from eval.emobench import load_emobench
from runs.marks import HELDOUT
from tests.conftest import OWN_EMOBENCH, ROOT
from tests.runs.comparable import make_examined

RECIPE = ROOT / "recipes" / "quickstart.yaml"


def emoreason(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two examined runs; the second is right throughout, and has another seed."""
    items = load_emobench(str(OWN_EMOBENCH))
    make_examined(tmp_path / "one", items, {HELDOUT: (items, set())})
    make_examined(tmp_path / "two", items, {HELDOUT: (items, {item.qid for item in items})}, seed=4)
    return [tmp_path / "one", tmp_path / "two"]


def test_several_runs_are_compared_in_the_terminal_and_on_a_page(folders: list[Path], tmp_path: Path) -> None:
    to = tmp_path / "new" / "sizes.html"
    page = emoreason("report", *folders, "--to", to).output
    rows = [line.split() for line in page.splitlines()]
    assert ["1", "one", "EA", "generate", "4", "100.0", "0.0", "0.0", "0.0–49.0", "25.0"] in rows
    assert ["2", "two", "EA", "generate", "4", "100.0", "100.0", "100.0", "51.0–100.0", "25.0"] in rows
    assert f"{HELDOUT} EA, generate, 2 two against 1 one, 4 items: no improvement (improved, were it the only" in page
    assert "comparison; no difference shown among all 2): read strictly +100.0 points" in page
    assert [line.split(":")[0] for line in page.splitlines() if line.startswith("without understanding")] == [
        "without understanding, EA", "without understanding, EU",
    ]  # fmt: skip
    compared = emoreason("compare", *folders).output
    assert f"{HELDOUT} EA, generate: no improvement (improved, were it the only comparison; no difference" in compared
    assert ["seed", "0", "4"] in rows
    assert f"comparison: {to}" in page
    assert "2 runs compared" in to.read_text(encoding="utf-8")


def test_the_page_has_a_place_of_its_own(folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    emoreason("report", *folders)
    assert (tmp_path / "out" / "comparison.html").is_file()
    (tmp_path / "blocked").write_text("")
    with pytest.raises(RunError, match="choose another file with --to"):
        emoreason("report", *folders, "--to", tmp_path / "blocked" / "x.html")


def test_a_recipe_and_a_folder_are_reported_by_the_same_way(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(runs.pipeline, "run_stages", lambda recipe, path, _, stages: asked.append((path, stages)))
    emoreason("report", RECIPE, "--set", "seed=3")
    emoreason("report", folders[0])
    assert asked == [(Path("out/quickstart"), ("report",)), (folders[0], ("report",))]


def test_a_folder_that_is_not_examined_is_named(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="stage `generate` is not done"):
        emoreason("report", folders[0])  # examined, but made without the stages before
    (tmp_path / "empty").mkdir()
    for paths in ([tmp_path / "empty"], [*folders, tmp_path / "empty"]):
        with pytest.raises(RunError, match="is not a run folder"):
            emoreason("report", *paths)


def test_what_does_not_go_together_is_refused(folders: list[Path], tmp_path: Path) -> None:
    for arguments, said in (
        ([*folders, "--set", "seed=3"], "go with a recipe"),
        ([folders[0], "--out", tmp_path], "go with a recipe"),
        ([folders[0], "--to", "x.html"], "go with several runs"),
        ([RECIPE, "--emobench", "x"], "go with several runs"),
        ([folders[0], RECIPE], "is a file; name run folders"),
    ):
        with pytest.raises(UsageError, match=said):
            emoreason("report", *arguments)
