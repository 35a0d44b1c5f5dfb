"""Compiled programs in the terminal: the table, the prompts, the differences; no text steers anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.main import app, main
from cli.programs import clean, list_programs, show_difference, show_prompt
from corpus.errors import RunError
from corpus.jsonl import write_jsonl
from eval.exam import Exam
from programs.fingerprint import fingerprint_prompts
from programs.writer import SessionWriter
from tests.optimizers.handmade import RULE, compiled_items, demo, write_program
from tests.review.conftest import make_ea, make_eu


def shown(act: Callable[..., None], *arguments: Any, width: int = 80, **more: Any) -> str:
    output = StringIO()
    act(*arguments, Console(file=output, width=width), **more)
    return output.getvalue()


class TestList:
    def test_a_table_says_what_each_program_gained(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-bootstrap+gepa-1a2b3c4d")
        write_program(
            tmp_path, "session-copro-5e6f7a8b", SessionWriter(), kind="session", stopped="the budget of 9 is spent"
        )
        (write_program(tmp_path, "items-torn") / "sidecar.json").write_text("{")
        page = shown(list_programs, tmp_path, width=120)
        for text in (
            "items-bootstrap+gepa-1a2b3c4d", "0.62 → 0.91", "+0.29 (+0.21 to +0.37)", "gepa", "1,234", "80",
            "scripted/counsel", "2026-03-04", "session-copro-5e6f7a8b: ended early: the budget of 9 is spent",
            "items-torn: ", "damaged",
        ):  # fmt: skip
            assert text in page
        assert page.index("session-copro") < page.index("items-bootstrap")

    def test_it_fits_a_narrow_terminal(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-bootstrap+gepa-1a2b3c4d", models={"teacher": "ollama_chat/qwen3:8b"})
        page = shown(list_programs, tmp_path, width=80)
        assert max(map(len, page.splitlines())) <= 80
        assert "items-bootstrap+gepa-1a2b3c4d " in page, "a name is to be copied"

    def test_json_holds_the_sidecars_and_the_reasons(self, tmp_path: Path) -> None:
        write_program(tmp_path, "good")
        (write_program(tmp_path, "torn") / "sidecar.json").unlink()
        good, torn = json.loads(shown(list_programs, tmp_path, as_json=True))
        assert good["path"] == str(tmp_path / "good")
        assert good["scores"]["interval"] == [0.21, 0.37]
        assert "was not finished" in torn["error"]

    def test_an_empty_folder_says_what_to_run(self, tmp_path: Path) -> None:
        assert "make one: emoreason compile RECIPE" in shown(list_programs, tmp_path)
        assert json.loads(shown(list_programs, tmp_path, as_json=True)) == []


class TestShowPrompt:
    def test_every_message_stands_under_its_role(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-a")
        page = shown(show_prompt, "items-a", "write_application", False, root=tmp_path)
        lines = page.splitlines()
        assert [line for line in lines if line in ("system", "user", "assistant")] == [
            "system", "user", "assistant", "user"
        ]  # fmt: skip
        assert page.startswith("write_application ─")
        assert RULE in page
        assert "Rain fell on the chair." in page
        assert "{excerpt}" in lines
        assert "write_understanding" not in page

    def test_uncompiled_programs_are_shown_by_their_kind(self, tmp_path: Path) -> None:
        for kind, name in (("session", "mads.supervise"), ("items", "write_application"), ("exam", "answer_eu")):
            assert f"{name} ─" in shown(show_prompt, kind, None, False, root=tmp_path)

    def test_a_predictor_may_be_named_without_its_module(self, tmp_path: Path) -> None:
        assert shown(show_prompt, "session", "supervise", False, root=tmp_path).startswith("mads.supervise ─")

    def test_a_predictor_that_is_not_there_is_refused_with_those_that_are(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="no predictor 'write'; it has write_understanding, write_application"):
            shown(show_prompt, "items", "write", False, root=tmp_path)

    def test_a_real_case_fills_it(self, tmp_path: Path) -> None:
        folder = write_program(tmp_path, "e", Exam("generate", "option"), kind="exam")
        cases = [{"item": item.model_dump(mode="json", by_alias=True)} for item in (make_eu(1), make_ea(2))]
        write_jsonl(folder / "cases.jsonl", ({"id": "1", "part": "final", "case": case} for case in cases))
        page = shown(show_prompt, "e", None, True, root=tmp_path)
        assert make_ea(2).scenario in page
        assert make_eu(1).scenario in page
        assert "{" not in page.replace('{"option"', "").replace('{"emotion"', "")

    def test_without_a_case_it_says_so(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-a")
        for name in ("items-a", "items"):
            page = shown(show_prompt, name, None, True, root=tmp_path)
            assert f"{name} has no case that fills this" in page
            assert "{excerpt}" in page

    def test_json_holds_the_messages(self, tmp_path: Path) -> None:
        (prompt,) = json.loads(shown(show_prompt, "items", "write_application", False, as_json=True, root=tmp_path))
        assert prompt["predictor"] == "write_application"
        assert [message["role"] for message in prompt["messages"]] == ["system", "user"]

    def test_texts_are_neither_markup_nor_commands_to_the_terminal(self, tmp_path: Path) -> None:
        hostile = "[red]Red[/red] [/] \x1b[31m\x9b2J\r\x07 :smile: and\tmore"
        write_program(tmp_path, "a", compiled_items(hostile, demo(hostile)))
        page = shown(show_prompt, "a", None, False, root=tmp_path)
        assert page.count("[red]Red[/red] [/] �[31m�2J") == 2
        assert not set("\x1b\x9b\r\x07") & set(page)
        difference = shown(show_difference, "a", None, root=tmp_path)
        assert "+[red]Red[/red] [/] �[31m�2J" in difference
        assert not set("\x1b\x9b\r\x07") & set(difference)

    def test_line_ends_and_tabs_are_no_commands(self) -> None:
        assert clean("a\n\tb é – 你好 👩\u200d🚀") == "a\n\tb é – 你好 👩\u200d🚀"


class TestDiff:
    def test_alone_it_is_compared_with_the_code_and_by_its_own_paired_scores(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-a")
        page = shown(show_difference, "items-a", None, width=100, root=tmp_path)
        assert "--- items\n+++ items-a\n" in page
        assert f"+{RULE}" in page
        assert "1 demonstration added\n+ scenario: Rain fell on the chair." in page
        assert "write_understanding" not in page
        rows = {line.split()[0]: line.split()[1:] for line in page.splitlines() if line.strip()}
        assert rows["quality"] == ["0.620", "0.910", "+0.29", "(+0.21", "to", "+0.37)", "80"]
        assert rows["leak"][:2] == ["0.700", "0.950"]
        assert rows["novelty"] == ["–", "1.000", "–", "0"]

    def test_alone_it_is_compared_with_its_parent(self, tmp_path: Path) -> None:
        first = compiled_items("First.")
        write_program(tmp_path, "items-first", first)
        for name, parent in (("by-name", "items-first"), ("by-print", fingerprint_prompts([first]))):
            write_program(tmp_path, name, compiled_items("Second."), parent=parent)
            page = shown(show_difference, name, None, root=tmp_path)
            assert "-First.\n+Second." in page
            assert "+0.29 (+0.21 to +0.37)" in page
        assert shown(show_difference, "items-first", "by-name", root=tmp_path) == shown(
            show_difference, "by-name", None, root=tmp_path
        )

    def test_a_parent_may_lie_beside_it_elsewhere(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-first", compiled_items("First."))
        folder = write_program(tmp_path, "items-second", compiled_items("Second."), parent="items-first")
        assert "-First.\n+Second." in shown(show_difference, str(folder), None, root=tmp_path / "none")

    def test_a_parent_that_is_gone_is_said(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-a", parent="items-gone")
        page = " ".join(shown(show_difference, "items-a", None, root=tmp_path).split())
        assert "it began from items-gone, which is not found" in page
        assert "the scores cannot be compared" in page

    def test_two_programs_of_the_same_final_cases_stand_side_by_side(self, tmp_path: Path) -> None:
        write_program(tmp_path, "a")
        write_program(tmp_path, "b", scores={"after": {"quality": 0.7, "interval": (0.6, 0.8)}})
        page = shown(show_difference, "a", "b", root=tmp_path)
        assert "no difference between the prompts of a and b" in page
        assert ["quality", "0.910", "0.700"] in [line.split() for line in page.splitlines()]

    def test_scores_on_other_cases_are_not_compared(self, tmp_path: Path) -> None:
        write_program(tmp_path, "a")
        write_program(tmp_path, "b", data={"train": "1 a", "dev": "1 b", "final": "1 c"})
        page = shown(show_difference, "a", "b", root=tmp_path)
        assert "different final cases" in page
        assert "quality" not in page

    def test_uncompiled_programs_are_made_as_the_other_is(self, tmp_path: Path) -> None:
        writer, exam = SessionWriter(("mads",)), Exam("generate", "reasoned")
        write_program(tmp_path, "s", writer, kind="session")
        write_program(tmp_path, "e", exam, kind="exam")
        for kind, name in (("session", "s"), ("exam", "e")):
            for pair in ((kind, name), (name, kind)):
                assert "no difference" in shown(show_difference, *pair, root=tmp_path)

    def test_colours_are_for_terminals(self, tmp_path: Path) -> None:
        write_program(tmp_path, "a")
        output = StringIO()
        show_difference("a", None, Console(file=output, force_terminal=True, color_system="standard"), root=tmp_path)
        assert f"\x1b[32m+{RULE}\x1b[0m" in output.getvalue()
        assert "\x1b" not in shown(show_difference, "a", None, root=tmp_path)

    @pytest.mark.parametrize(
        ("pair", "said"), [(("items", "exam"), "compare two of one kind"), (("items", None), "is not compiled")]
    )
    def test_what_cannot_be_compared_is_refused(self, tmp_path: Path, pair: tuple[str, str | None], said: str) -> None:
        with pytest.raises(RunError, match=said):
            shown(show_difference, *pair, root=tmp_path)


class TestCommands:
    def test_they_look_in_out_programs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write_program(Path("out/programs"), "items-gepa-1a2b3c4d")
        listed = CliRunner().invoke(app, ["programs", "--json"])
        assert [row["name"] for row in json.loads(listed.output)] == ["items-gepa-1a2b3c4d"]
        prompt = CliRunner().invoke(app, ["show-prompt", "items-g", "--predictor", "write_application"])
        assert RULE in prompt.output
        assert RULE in CliRunner().invoke(app, ["diff", "out/programs/items-gepa-1a2b3c4d"]).output

    @pytest.mark.parametrize(
        "arguments",
        [["show-prompt", "poem"], ["diff", "poem"], ["diff", "items", "poem"], ["show-prompt", "state.pkl"]],
    )
    def test_a_wrong_name_is_one_line(
        self,
        arguments: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["emoreason", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert ended.value.code == 1
        assert said.startswith("error: ")
        assert said.count("\n") == 1
