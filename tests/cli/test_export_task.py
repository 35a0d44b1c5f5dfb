"""`emoreason export-task` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app, main
from cli.score import score_and_print
from tests.conftest import OWN_EMOBENCH


def test_it_names_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["export-task", "--to", "lm-eval", "tasks", "--task", "EU", "--lang", "zh"])
    assert result.exit_code == 0, result.output
    stem = "tasks/emobench_eu_zh"
    assert result.output.split() == ["tasks/utils.py", f"{stem}.yaml", f"{stem}_likelihood.yaml", "tasks/README.md"]
    assert all((tmp_path / name).is_file() for name in result.output.split())


def test_both_tasks_in_english_are_written_unless_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export-task", "--to", "inspect", str(tmp_path), "--format", "reasoned"])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "emobench.py").read_text(encoding="utf-8")
    for task in ("ea", "eu"):
        assert f'def emobench_{task}(data: str = "hub", lang: str = "en", answer_format: str = "reasoned")' in text


@pytest.mark.parametrize("arguments", [["tasks"], ["tasks", "--to", "lighteval"], ["--to", "inspect"]])
def test_what_is_missing_or_unknown_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["export-task", *arguments]).exit_code == 2


def test_a_file_in_the_way_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setattr("sys.argv", ["emoreason", "export-task", "--to", "inspect", str(tmp_path / "taken")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: export-task: {tmp_path / 'taken'} is a file; name a folder\n"


def test_a_score_stands_beside_what_the_choices_alone_give(tmp_path: Path) -> None:
    from rich.console import Console

    path = tmp_path / "model.jsonl"
    path.write_text('{"qid": 1, "lang": "en", "category": "Personal-Self", "label": "B", "answer": "B"}\n')
    console = Console(record=True, width=200)
    score_and_print([path], str(OWN_EMOBENCH), False, console)
    assert "chance 25.0%, best constant answer" in (text := console.export_text())
    assert "choices only " in text
