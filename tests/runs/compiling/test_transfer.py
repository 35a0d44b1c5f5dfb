"""Programs × teachers: what the table holds, what it costs, and what may be said from it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from rich.console import Console

from corpus.errors import DataError, EmoReasonError, LimitError, RunError, TeacherError, UsageError
from eval.exam import Exam
from optimizers.case_files import Cases
from optimizers.cases import Case, ExamCase, ItemCase
from optimizers.meter import Said
from optimizers.quality.verdict import Quality, Verdict
from optimizers.scoring import Scored
from programs.converter import ItemConverter
from programs.writer import SessionWriter
from runs.compiling.transfer import TABLE, run_transfer
from runs.compiling.transfer_order import Transfer, plan_transfer
from runs.compiling.transfer_table import UNCOMPILED, Column, Row, Table, Trial, draw_table
from runs.recipe import Recipe
from tests.doubles.ollama import Fault, Model, OllamaDouble
from tests.doubles.scripted import scripted_reply
from tests.review.conftest import make_ea, make_eu
from tests.runs.compiled import instruct
from tests.runs.compiling.transferred import (
    DEV,
    FINAL,
    LEAKS,
    RECIPE,
    TRAIN,
    copy_programs,
    hold_sessions,
    item_case,
    parts,
    put_away,
    session_cases,
)

Plan = Callable[..., Transfer]
GOOD = "items-gepa-1"


@pytest.fixture(scope="session")
def item_cases() -> list[ItemCase]:
    return [item_case(session) for session in hold_sessions()]


@pytest.fixture(scope="session")
def stock(item_cases: list[ItemCase], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that knows the rules, and one that was compiled on the same cases and is as it was."""
    root = tmp_path_factory.mktemp("programs")
    put_away(root, GOOD, parts(item_cases))
    put_away(root, "items-same-2", parts(item_cases), ItemConverter())
    return root


@pytest.fixture
def root(stock: Path, tmp_path: Path) -> Path:
    return copy_programs(stock, tmp_path)


@pytest.fixture
def plan(root: Path) -> Plan:
    """``plan("a,b", program…, recipe={…})``; without a recipe that of the program."""

    def make(lms: str, *names: str, recipe: dict[str, Any] | None = None, overrides: Sequence[str] = ()) -> Transfer:
        path = None
        if recipe is not None:
            path = root.parent / "recipe.yaml"
            path.write_text(yaml.safe_dump(RECIPE | recipe), encoding="utf-8")
        return plan_transfer(names or [GOOD], lms, path, overrides, root)

    return make


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.resilient.FIRST_PAUSE", 0.01)


def quiet() -> Console:
    return Console(file=StringIO(), width=400)


def calls_of(transfer: Transfer) -> list[dict[str, Any]]:
    lines = (transfer.folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def over(double: OllamaDouble, **changes: Any) -> dict[str, Any]:
    """The panel of the recipe with a model `c` behind the double."""
    return RECIPE["panel"] | {"c": {"model": "ollama_chat/qwen3:8b", "base_url": double.url, **changes}}


def qualities(table: Table) -> dict[tuple[str, str], float]:
    return {(cell.program, cell.teacher): cell.quality.delta for cell in table.cells}


@pytest.fixture(scope="session")
def made(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Transfer, Table]:
    """A table of both programs with the teachers a and b."""
    root = copy_programs(stock, tmp_path_factory.mktemp("made"))
    transfer = plan_transfer([GOOD, "items-same-2"], "a, b", None, (), root)
    return transfer, run_transfer(transfer, quiet())


class TestTable:
    def test_a_program_is_compared_with_the_uncompiled_one_with_every_teacher(
        self, made: tuple[Transfer, Table]
    ) -> None:
        _, table = made
        assert [row.name for row in table.rows] == [UNCOMPILED, GOOD, "items-same-2"]
        assert (len(table.cells), table.comparisons) == (6, 4)
        for teacher in ("a", "b"):
            before, after, same = (table.cell(row.name, teacher) for row in table.rows)
            assert before
            assert after
            assert same
            assert before.quality.delta < 0.5 < after.quality.delta
            assert after.change
            assert after.change.delta == pytest.approx(after.quality.delta - before.quality.delta)
            assert (after.verdict, same.verdict) == ("better", "no change shown")
            assert after.read > before.read, "the rules are read with every call"
            assert 1 <= after.calls < 2
            assert after.written > 100
            assert (same.quality, same.p) == (before.quality, 1)
        assert (table.survives(GOOD), table.survives("items-same-2")) == (True, False)

    def test_it_is_kept_with_every_case(self, made: tuple[Transfer, Table]) -> None:
        transfer, table = made
        written = json.loads((transfer.folder / TABLE).read_text(encoding="utf-8"))
        assert written["cells"] == json.loads(json.dumps(table.as_json()["cells"]))
        assert (written["cases"], written["clusters"], written["comparisons"]) == (FINAL, FINAL, 4)
        scores = [json.loads(line) for line in (transfer.folder / "scores.jsonl").read_text().splitlines()]
        counts = Counter((row["teacher"], row["program"]) for row in scores)
        assert counts == {(cell.teacher, cell.program): FINAL for cell in table.cells}

    def test_over_http_a_program_runs_unchanged(self, plan: Plan, root: Path, made: tuple[Transfer, Table]) -> None:
        program = (root / GOOD / "program.json").read_bytes()
        with OllamaDouble(Model("qwen3:8b"), num_parallel=4, reply=scripted_reply(LEAKS)) as double:
            found = qualities(run_transfer(plan("c", recipe={"panel": over(double)}), quiet()))
            assert len(double.chats()) >= 2 * FINAL
        here = qualities(made[1])
        for name in (UNCOMPILED, GOOD):
            assert found[name, "c"] == here[name, "a"], "the same teacher, elsewhere"
        assert (root / GOOD / "program.json").read_bytes() == program

    def test_the_judge_is_the_recipes_for_the_whole_table(self, plan: Plan) -> None:
        judge = {"teacher": {"model": "scripted/counsel"}, "judge": {"model": "scripted/judge"}}
        recipe = {"lms": judge, "compile": {"votes": 0, "judge": True}}
        with OllamaDouble(Model("qwen3:8b"), num_parallel=4, reply=scripted_reply()) as double:
            transfer = plan("c", recipe=recipe | {"panel": over(double)})
            run_transfer(transfer, quiet())
        roles = Counter((row["role"], row["model"]) for row in calls_of(transfer))
        assert set(roles) == {("converter", "ollama_chat/qwen3:8b"), ("judge", "scripted/judge")}
        assert len(double.chats()) == roles["converter", "ollama_chat/qwen3:8b"]

    def test_sessions_are_held_by_the_methods_of_the_plans(self, root: Path, plan: Plan) -> None:
        put_away(root, "session-gepa-1", parts(session_cases()), SessionWriter(["concise"]), "session")
        transfer = plan("sound", "session-gepa-1", "session")
        assert "was compiled without mads.write_background" in transfer.remarks[0]
        cell = run_transfer(transfer, quiet()).cell("session-gepa-1", "sound")
        assert cell
        assert 2 < cell.calls < 5
        concise = [case for case in session_cases(1) if case.plan.method == "concise"]
        put_away(root, "session-gepa-2", parts(concise), SessionWriter(["concise"]), "session")
        put_away(root, "session-gepa-3", None, SessionWriter(["mads"]), "session")
        with pytest.raises(RunError, match="session-gepa-3 was compiled for sessions of another method than those of"):
            plan("sound", "session-gepa-2", "session-gepa-3")

    def test_exams_are_taken_by_the_examinee(self, root: Path, plan: Plan) -> None:
        cases: list[Case] = [ExamCase(make(number)) for number in range(7) for make in (make_eu, make_ea)]
        put_away(root, "exam-gepa-1", parts(cases), instruct(Exam("generate", "option"), "Think."), "exam")
        put_away(root, "exam-gepa-2", parts(cases), Exam("generate", "reasoned"), "exam")
        with pytest.raises(RunError, match="format option and exam-gepa-2 in reasoned; a table is of programs of one"):
            plan("sound", "exam-gepa-1", "exam-gepa-2")
        transfer = plan("sound", "exam-gepa-1", recipe={"compile": {"judge": True}})
        assert len(run_transfer(transfer, quiet()).cells) == 2
        assert {row["role"] for row in calls_of(transfer)} == {"examinee"}


class TestCosts:
    def test_what_was_asked_is_not_asked_again(self, made: tuple[Transfer, Table]) -> None:
        transfer, table = made
        asked = len(calls_of(transfer))
        narrower = Transfer(**{**vars(transfer), "models": {"b": transfer.models["b"]}})
        assert narrower.folder != transfer.folder
        found = qualities(run_transfer(narrower, quiet()))
        assert found == {key: value for key, value in qualities(table).items() if key[1] == "b"}
        assert calls_of(narrower) == []
        assert len(calls_of(transfer)) == asked >= 4 * FINAL

    def test_a_budget_is_kept_and_a_higher_one_goes_on(self, plan: Plan) -> None:
        with pytest.raises(LimitError, match="calls = 17 is reached"):
            run_transfer(plan("a", overrides=["compile.budget.calls=17"]), quiet())
        transfer = plan("a")
        assert len(calls_of(transfer)) == 17
        assert not (transfer.folder / TABLE).exists()
        table = run_transfer(transfer, quiet())
        cells = [table.cell(name, "a") for name in (UNCOMPILED, GOOD)]
        assert len(calls_of(transfer)) == round(sum(FINAL * cell.calls for cell in cells if cell)), (
            "none was sent twice"
        )

    def test_two_cannot_make_one_table(self, plan: Plan) -> None:
        transfer = plan("a")
        transfer.folder.mkdir()
        with FileLock(transfer.folder / ".lock"), pytest.raises(RunError, match="is being made by another process"):
            run_transfer(transfer, quiet())


class TestTeachersThatAreGone:
    def test_one_is_a_column_that_says_why(self, plan: Plan) -> None:
        panel = RECIPE["panel"] | {"c": {"model": "ollama_chat/m", "base_url": "http://127.0.0.1:9"}}
        keyed = {"d": {"model": "openai/gpt", "api_key_env": "NO_SUCH_KEY_SET"}}
        table = run_transfer(plan("c,a,d", recipe={"panel": panel | keyed}), quiet())
        assert [bool(column.failed) for column in table.columns] == [True, False, True]
        assert "cannot reach Ollama" in table.columns[0].failed
        assert "NO_SUCH_KEY_SET" in table.columns[2].failed
        assert {cell.teacher for cell in table.cells} == {"a"}
        assert table.survives(GOOD) is None

    def test_one_that_fails_too_often_is_given_up(self, plan: Plan) -> None:
        with OllamaDouble(Model("qwen3:8b"), num_parallel=4, reply=scripted_reply(LEAKS)) as double:
            double.faults.append(Fault("status", path="/api/chat", times=1000, skip=5, status=500))
            table = run_transfer(plan("c,a", recipe={"panel": over(double, retries=0)}), quiet())
        assert re.match(
            r"the model gave no answer to 3 of 8 cases \(.*\), more than compile.failures allows",
            table.columns[0].failed,
        )
        assert table.cell(GOOD, "a")

    def test_a_lost_answer_counts_as_zero_and_is_said(self, plan: Plan) -> None:
        with OllamaDouble(Model("qwen3:8b"), num_parallel=4, reply=scripted_reply({})) as double:
            double.faults.append(Fault("status", path="/api/chat", skip=5, status=500))
            transfer = plan("c", recipe={"panel": over(double, retries=0)})
            cell = run_transfer(transfer, quiet()).cell(UNCOMPILED, "c")
            assert cell
            assert (cell.unanswered, cell.quality.delta) == (1, pytest.approx((FINAL - 1) / FINAL))
            mended = run_transfer(transfer, quiet()).cell(UNCOMPILED, "c")
        assert mended
        assert (mended.unanswered, mended.quality.delta) == (0, 1)

    def test_a_judge_that_fails_stops_the_table(self, plan: Plan) -> None:
        with OllamaDouble(Model("qwen3:8b"), num_parallel=4, reply=scripted_reply({})) as double:
            double.faults.append(Fault("status", path="/api/chat", times=1000, status=500))
            lms = {"teacher": RECIPE["panel"]["sound"], "judge": over(double, retries=0)["c"]}
            with pytest.raises(TeacherError, match="transfer: judge gave no answer to 8 of 8 cases"):
                run_transfer(plan("sound,a", recipe={"lms": lms, "compile": {"votes": 0}}), quiet())

    def test_all_are_an_error_that_names_each(self, plan: Plan) -> None:
        panel = {name: {"model": f"ollama_chat/{name}", "base_url": "http://127.0.0.1:9"} for name in ("c", "d")}
        with pytest.raises(TeacherError, match=r"no model could be examined: c: ollama_chat/c: .*; d: ollama_chat/d: "):
            run_transfer(plan("c,d", recipe={"panel": panel}), quiet())


class TestCases:
    def test_those_on_which_a_program_was_compiled_are_left_out(
        self, root: Path, plan: Plan, item_cases: list[ItemCase]
    ) -> None:
        learnt = item_cases[-1].session.model_copy(update={"id": "another"})
        moment = next(one for one in learnt.plan.moments if one != item_cases[-1].moment)
        by_text, by_id = ItemCase(learnt, moment), item_cases[-2]
        put_away(root, "items-mipro-3", Cases([by_text], [by_id], list(item_cases[:1])))
        transfer = plan("a", GOOD, "items-mipro-3")
        assert [case.id for case in transfer.cases] == [case.id for case in item_cases[TRAIN + DEV : -2]]
        assert transfer.remarks == ("2 cases left out, on which items-mipro-3 was compiled, or on their story",)
        assert [case.id for case in plan("a").cases] == [case.id for case in item_cases[TRAIN + DEV :]]

    def test_what_a_program_began_from_counts_too(self, root: Path, plan: Plan, item_cases: list[ItemCase]) -> None:
        put_away(root, "items-copro-4", Cases([], [item_cases[-1]], []), parent="items-labeled-5")
        put_away(root, "items-mipro-6", parts(item_cases), parent="items-copro-4")
        transfer = plan("a", GOOD, "items-mipro-6")
        assert transfer.remarks == (
            "items-labeled-5, from which items-mipro-6 began, has no cases.jsonl: on which of the cases it was "
            "compiled is not known",
            "1 case left out, on which items-mipro-6 was compiled, or on their story",
        )
        assert len(transfer.cases) == FINAL - 1

    def test_too_few_are_refused(self, root: Path, plan: Plan, item_cases: list[ItemCase]) -> None:
        put_away(root, "items-mipro-3", Cases(list(item_cases[-3:]), [], []))
        with pytest.raises(RunError, match=f"of {FINAL} final cases of {GOOD} 9 are left.*and 10 are needed"):
            plan("a", GOOD, "items-mipro-3")

    def test_a_program_without_cases_is_said(self, root: Path, plan: Plan) -> None:
        put_away(root, "items-given-3", None)
        assert "items-given-3 has no cases.jsonl" in plan("a", GOOD, "items-given-3").remarks[0]
        with pytest.raises(DataError, match=r"cases\.jsonl: cannot be read; compile the program again"):
            plan("a", "items-given-3", GOOD)


class TestWrongInput:
    @pytest.mark.parametrize(
        ("names", "lms", "error", "message"),
        [
            (["items"], "a", UsageError, "name a compiled program"),
            (["items-gepa-9"], "a", RunError, "did you mean items-gepa-1"),
            ([GOOD, "session"], "a", RunError, "items-gepa-1 is of kind items and session of kind session"),
            ([GOOD], "qwen", UsageError, r"'qwen' is neither a model of the recipe \(a, b, sound, teacher\)"),
            ([GOOD], "", UsageError, "'' is neither a model"),
            ([GOOD], "a,b, a", UsageError, "a is named twice"),
            ([GOOD], "scripted/counsel", UsageError, "with several settings; name one of them: a, b, sound, teacher"),
            ([GOOD], "ollama_chat/big-cloud", UsageError, "ollama_chat/big-cloud: big-cloud is not local"),
            ([GOOD], "a/", UsageError, "--lms: a/: String should match"),
        ],
    )
    def test_it_is_one_line(
        self, names: list[str], lms: str, error: type[EmoReasonError], message: str, plan: Plan
    ) -> None:
        with pytest.raises(error, match=message) as caught:
            plan(lms, *names)
        assert "\n" not in str(caught.value)

    def test_a_recipe_that_is_gone(self, root: Path, plan: Plan) -> None:
        (root / GOOD / "recipe.yaml").unlink()
        with pytest.raises(RunError, match=r"has no recipe\.yaml; name a recipe with --recipe"):
            plan("a")
        assert list(plan("a", recipe={}).models) == ["a"]

    def test_a_budget_of_money_needs_prices(self, plan: Plan) -> None:
        with pytest.raises(UsageError, match=r"budget\.money needs the prices of openai/gpt-x"):
            plan("a,openai/gpt-x", overrides=["compile.budget.money=3"])

    def test_programs_of_one_name_are_shown_by_their_paths(self, root: Path, plan: Plan) -> None:
        other = copy_programs(root, root.parent / "elsewhere") / GOOD
        transfer = plan("a", GOOD, f"{root / GOOD}", str(other))
        assert [row.name for row, _ in transfer.rows] == [UNCOMPILED, str(root / GOOD), str(other)]

    def test_a_model_is_taken_as_the_recipe_declares_it(self, plan: Plan) -> None:
        panel = {"big": {"model": "ollama_chat/big", "base_url": "http://127.0.0.1:7", "structured": "schema"}}
        transfer = plan("ollama_chat/big,ollama_chat/small", recipe={"panel": panel})
        big, small = transfer.models.values()
        assert big == Recipe.model_validate(RECIPE | {"panel": panel}).panel["big"]
        assert (small.model, small.base_url) == ("ollama_chat/small", None)


class TestWhatMayBeSaid:
    @pytest.fixture
    def trial(self, item_cases: list[ItemCase]) -> Callable[..., Trial]:
        """``trial(qualities, sessions)``: cases in turn from so many sessions."""

        def make(values: Sequence[float], sessions: int) -> Trial:
            found = [
                Scored(item_cases[index % sessions], Quality((Verdict("leak", value),), value), "", 1)
                for index, value in enumerate(values)
            ]
            return Trial(tuple(found), Said(len(values), 10, 10))

        return make

    def test_few_sessions_show_nothing_however_many_their_items(self, trial: Callable[..., Trial]) -> None:
        rows, old, new = (Row(UNCOMPILED), Row("x")), [0.2] * 40, [0.9] * 40
        for sessions, verdict in ((4, "no change shown"), (10, "better")):
            cell = draw_table(rows, [Column("a", "m", (trial(old, sessions), trial(new, sessions)))]).cell("x", "a")
            assert cell
            assert cell.change
            assert cell.change.is_gain
            assert cell.verdict == verdict

    def test_p_is_that_of_all_flips_of_signs(self, trial: Callable[..., Trial]) -> None:
        sessions, gain = 8, [0.3, 0.1, 0.2, 0.4, -0.1, 0.2, 0.1, -0.2]
        new, old = trial([0.5 + change for change in gain], sessions), trial([0.5] * sessions, sessions)
        flips = [
            sum(math.copysign(c, (number >> i & 1) - 0.5) for i, c in enumerate(map(abs, gain)))
            for number in range(256)
        ]
        exact = sum(abs(flipped) >= abs(sum(gain)) - 1e-9 for flipped in flips) / 256
        table = draw_table((Row(UNCOMPILED), Row("x"), Row("y")), [Column("a", "m", (old, new, old))])
        changed, alike = table.cell("x", "a"), table.cell("y", "a")
        assert changed
        assert alike
        assert changed.p == pytest.approx(exact, abs=0.015)
        assert alike.p == 1

    def test_of_many_changes_one_by_chance_is_not_shown(self, trial: Callable[..., Trial]) -> None:
        alike, luck = trial([0.5] * 9, 9), trial([0.6] * 7 + [0.5, 0.5], 9)
        one = draw_table((Row(UNCOMPILED), Row("x")), [Column("a", "m", (alike, luck))])
        names = [f"x{number}" for number in range(9)]
        many = draw_table(
            [Row(UNCOMPILED), *map(Row, names)], [Column("a", "m", (alike, luck, *[alike] * (len(names) - 1)))]
        )
        first, last = one.cell("x", "a"), many.cell("x0", "a")
        assert first
        assert last
        assert (first.change, first.p) == (last.change, last.p)
        assert (first.verdict, last.verdict) == ("better", "no change shown")

    def test_worse_is_said(self, trial: Callable[..., Trial]) -> None:
        good, bad = trial([0.9] * 12, 12), trial([0.2] * 12, 12)
        columns = [Column("a", "m", (bad, good)), Column("b", "m", (good, bad)), Column("c", "m", failed="gone")]
        table = draw_table((Row(UNCOMPILED), Row("x")), columns)
        assert [cell.verdict for cell in table.cells if cell.change] == ["better", "worse"]
        assert table.survives("x") is False
