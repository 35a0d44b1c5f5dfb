"""`emoreason transfer` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app, main
from tests.runs.compiling.transferred import copy_programs, hold_sessions, item_case, parts, put_away

GOOD = "items-bootstrap+gepa-1a2b3c4d"
DEAD = "panel.gone={model: ollama_chat/qwen3, base_url: 'http://127.0.0.1:9'}"


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("programs")
    put_away(root, GOOD, parts([item_case(session) for session in hold_sessions()]))
    return root


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_programs(stock, tmp_path)
    monkeypatch.chdir(tmp_path)


def test_the_table_fits_a_terminal_and_says_what_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    result = CliRunner().invoke(app, ["transfer", "items-boot", "--lms", "a,sound,gone", "--set", DEAD])
    assert result.exit_code == 0, result.output
    page = result.output
    begin, end = page.index("\n"), page.index("gone (ollama_chat/qwen3) is not in the table")
    assert max(map(len, page[begin:end].splitlines())) <= 64
    rows = [line.split() for line in page.splitlines() if line.strip()]
    assert ["a"] in rows
    assert ["sound"] in rows, "one teacher fits; the next comes below"
    assert ["change", "+0.000"] in rows
    assert "transfer: 2 programs × 3 models × 12 cases, at most about" in page
    assert "cannot reach Ollama at http://127.0.0.1:9" in page
    assert (
        f"{GOOD} (compiled with scripted/counsel) survives in part: better with a; no change shown with sound; "
        "not known with gone"
    ) in page
    assert "all 2 changes of the table are taken together (Holm)" in page
    written = Path(page.splitlines()[-1])
    assert written.is_file()
    assert written.parts[:2] == ("out", "programs")


def test_json_is_all_that_is_printed() -> None:
    result = CliRunner().invoke(app, ["transfer", "items-boot", "--lms", "a", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["programs"][1] == {"name": GOOD, "compiled_with": "scripted/counsel", "survives": True}
    assert [cell["program"] for cell in told["cells"]] == ["uncompiled", GOOD]
    assert told["cells"][1]["change"]["low"] > 0
    assert "2 programs × 1 model × 12 cases" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["items", "--lms", "a"], 2, "name a compiled program"),
        (["poem", "--lms", "a"], 1, "'poem' is neither"),
        (["items-boot", "--lms", "poem"], 2, "'poem' is neither a model of the recipe"),
        (["items-boot", "--lms", "gone", "--set", DEAD], 1, "no model could be examined: gone: ollama_chat/qwen3: "),
        (["items-boot", "--lms", "a", "--recipe", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        (["items-boot", "--lms", "a", "--set", "compile.budget.calls=3"], 1, "calls = 3 is reached"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["emoreason", "transfer", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == code, said
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
