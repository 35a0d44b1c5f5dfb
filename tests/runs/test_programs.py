"""Compiled programs in a run: found, refused in one line, pinned, and used by whatever teacher the recipe names."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

import dspy
import pytest
from rich.console import Console

from corpus.errors import RecipeError, RunError
from corpus.jsonl import write_jsonl
from corpus.records import ApplicationItem
from eval.emobench import load_emobench
from eval.exam import Exam
from eval.scores import Comparison, ScoreRow
from finetune.config import ScratchConfig
from finetune.scratch import make_student
from optimizers.store import PROGRAM, PROGRAMS, SIDECAR
from programs.concise import ConciseSession
from programs.converter import ItemConverter
from programs.mads import TherapySession
from programs.writer import SessionWriter
from runs.folder import Run, open_run, read_run
from runs.pipeline import run_stages
from runs.programs import check_programs, load_named, load_pinned, make_program, pin_programs
from runs.recipe import Recipe, load_recipe
from runs.stages.exam import exam
from runs.stages.report import print_summary
from signatures.exam import AnswerApplication, exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter
from tests.doubles.ollama import Model, OllamaDouble
from tests.doubles.scripted import scripted_reply
from tests.runs.compiled import TEACHER, instruct, put_away

OWN_EXAM = Path(__file__).resolve().parents[1] / "data" / "emobench"
Load = Callable[..., Recipe]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def load(tiny_recipe: Path) -> Load:
    """``load(*overrides)``: the tiny recipe."""
    return lambda *overrides: load_recipe(tiny_recipe, list(overrides))


@pytest.fixture
def opened(load: Load, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """``opened(*overrides)``: a new run folder of the tiny recipe."""
    with ExitStack() as stack:
        yield lambda *overrides: stack.enter_context(open_run(tmp_path / "run", load(*overrides)))


def first_words(program: dspy.Module, predictor: str) -> str:
    instructions: str = dict(program.named_predictors())[predictor].signature.instructions
    return instructions.partition(".")[0]


def notes(run: Run) -> dict[str, Any]:
    return dict(run.manifest.get("programs", {}))


def test_a_run_keeps_its_program_whatever_is_best_later(opened: Callable[..., Run]) -> None:
    put_away("items", instruct(ItemConverter(), "Take care."), "items-gepa-1", quality=0.8)
    run = opened("programs.items=best")
    assert pin_programs(run) == []
    put_away("items", instruct(ItemConverter(), "Take more care."), "items-gepa-2", quality=0.95)
    assert first_words(load_named("items", run.recipe), "write_application") == "Take more care"
    assert pin_programs(run) == []
    shutil.rmtree(PROGRAMS)
    assert pin_programs(run) == []
    convert = ItemConverter()
    assert load_pinned(run, "items", convert) == []
    assert first_words(convert, "write_application") == "Take care"
    (note,) = notes(run).values()
    assert note["name"] == "items-gepa-1"
    assert note["quality"] == {"before": 0.5, "after": 0.8, "interval": [0.2, 0.8], "n": 40}
    assert (note["optimizers"], note["teacher"], len(note["fingerprint"])) == (["gepa"], TEACHER, 16)
    assert {path.name for path in (run.path / "programs" / "items").iterdir()} == {PROGRAM, SIDECAR}


def test_a_recipe_that_names_no_program_leaves_no_trace(opened: Callable[..., Run]) -> None:
    run = opened()
    assert pin_programs(run) == []
    assert notes(run) == {}
    assert not (run.path / "programs").exists()
    convert = ItemConverter()
    assert load_pinned(run, "items", convert) == []
    assert convert.dump_state() == ItemConverter().dump_state()


def test_a_program_is_named_by_path_by_name_or_as_best_of_the_same_teacher(load: Load) -> None:
    own = put_away("items", instruct(ItemConverter(), "Own."), "items-gepa-1", quality=0.8)
    put_away("items", instruct(ItemConverter(), "Foreign."), "items-mipro-2", quality=0.9, teacher="openai/other")
    put_away("items", instruct(ItemConverter(), "No gain."), "items-simba-3", quality=0.95, low=-0.1)
    expected = {"best": "Own", "items-mipro-2": "Foreign", "items-simba": "No gain", own: "Own", own / PROGRAM: "Own"}
    for said, words in expected.items():
        assert first_words(load_named("items", load(f"programs.items={said}")), "write_application") == words


def test_the_best_exam_prompt_is_that_of_the_examinee(load: Load) -> None:
    put_away("exam", instruct(Exam("generate", "option"), "Student."), "exam-gepa-1", 0.7, teacher="openai/student")
    put_away("exam", instruct(Exam("generate", "option"), "Teacher."), "exam-gepa-2", 0.9)
    assert first_words(load_named("exam", load("programs.exam=best")), "answer_ea") == "Teacher"
    examinee = "lms.examinee={model: openai/student}"
    assert first_words(load_named("exam", load("programs.exam=best", examinee)), "answer_ea") == "Student"


class OlderAsk(AnswerApplication):
    """Answer."""

    history: str = dspy.InputField()


def older() -> dspy.Module:
    program = ItemConverter()
    program.write_application = dspy.Predict(OlderAsk)
    return program


def spoil(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("items=best", "programs.items: out/programs has no program of kind items for `best`.*emoreason compile"),
        ("session=best", "programs.session: .*none of 1 is better"),
        ("items=exam-gepa-9", "programs.items: 'exam-gepa-9' is neither .* did you mean exam-gepa-1"),
        ("items=exam-gepa-1", "programs.items: exam-gepa-1 is of kind exam; name it under programs.exam"),
        ("session=old", "programs.session: old is of kind items; name it under programs.items"),
        ("items=old", "programs.items: .*write_application was compiled with the fields .* made by another version"),
        ("items=damaged", "programs.items: .*program.json: not JSON"),
        ("items=unfinished", "programs.items: .*unfinished has no sidecar.json"),
        ("items=pickled", "programs.items: .*program.pkl is a pickle"),
        ("exam=letters", "programs.exam: .*letters was compiled for answers in the format letter, .* writes option"),
        ("exam=old", "programs.exam: old is of kind items"),
    ],
)
def test_a_program_that_cannot_be_used_is_one_line_and_nothing_is_copied(
    setting: str, message: str, opened: Callable[..., Run]
) -> None:
    put_away("exam", Exam("generate", "option"), "exam-gepa-1")
    put_away("exam", Exam("generate", "letter"), "letters")
    put_away("session", SessionWriter(["mads"]), "session-gepa-1", low=-0.1)
    put_away("items", older(), "old", low=-0.1)
    spoil(put_away("items", ItemConverter(), "damaged", low=-0.1), PROGRAM, '{"write_')
    (put_away("items", ItemConverter(), "unfinished") / SIDECAR).unlink()
    pickled = put_away("items", ItemConverter(), "pickled", low=-0.1)
    (pickled / PROGRAM).rename(pickled / "program.pkl")
    run = opened(f"programs.{setting}")
    with pytest.raises(RecipeError, match=message) as before:
        check_programs(run.recipe)
    with pytest.raises(RecipeError) as caught:
        pin_programs(run)
    assert str(caught.value) == str(before.value)
    assert "\n" not in str(caught.value)
    assert notes(run) == {}
    assert not (run.path / "programs").exists()


def test_an_exam_prompt_needs_an_exam_in_writing(load: Load) -> None:
    put_away("exam", Exam("generate", "option"), "exam-gepa-1")
    with pytest.raises(RecipeError, match=r"programs.exam: .* add `generate` to exam.modes"):
        check_programs(load("programs.exam=exam-gepa-1", "exam.modes=[likelihood]"))


def test_prompts_that_a_program_was_compiled_without_are_said(opened: Callable[..., Run]) -> None:
    put_away("session", instruct(SessionWriter(["mads"]), "Slowly."), "session-gepa-1")
    run = opened("programs.session=best", "plan.method={mads: 0.5, concise: 0.5}")
    (line,) = pin_programs(run)
    assert line == (
        "programs.session: session-gepa-1 (best) was compiled without concise.write_case, concise.write_dialogue, "
        "which stay as they are"
    )
    assert pin_programs(run) == [line], "a run that goes on says it again"
    hold = make_program("session", run.recipe)
    load_pinned(run, "session", hold)
    assert first_words(hold, "mads.supervise") == "Slowly"
    assert first_words(hold, "concise.write_case") == first_words(ConciseSession(), "write_case")


def test_a_copy_that_is_gone_is_not_replaced_by_another_program(opened: Callable[..., Run]) -> None:
    put_away("items", ItemConverter(), "items-gepa-1")
    run = opened("programs.items=best")
    pin_programs(run)
    shutil.rmtree(run.path / "programs")
    with pytest.raises(RunError, match=r"run/programs/items has no sidecar.json"):
        pin_programs(run)


def test_a_kill_while_copying_leaves_nothing_in_the_way(opened: Callable[..., Run]) -> None:
    put_away("items", instruct(ItemConverter(), "Take care."), "items-gepa-1")
    run = opened("programs.items=best")
    (run.path / "programs" / "items.partial").mkdir(parents=True)
    spoil(run.path / "programs" / "items.partial", PROGRAM, '{"half')
    assert pin_programs(run) == []
    assert first_words(load_named("items", run.recipe), "write_understanding") == "Take care"
    assert [path.name for path in (run.path / "programs").iterdir()] == ["items"]


@pytest.mark.parametrize(
    ("method", "classes"),
    [
        ("mads", [TherapySession]),
        ("concise", [ConciseSession]),
        ("{mads: 0, concise: 1}", [ConciseSession]),
        ("{concise: 0.1, mads: 0.9}", [TherapySession, ConciseSession]),
    ],
)
def test_the_writer_masters_the_methods_of_the_plan(method: str, classes: list[type], load: Load) -> None:
    writer = make_program("session", load(f"plan.method={method}"))
    found = [
        type(module) for _, module in writer.named_sub_modules() if isinstance(module, TherapySession | ConciseSession)
    ]
    assert found == classes


def test_prompts_compiled_with_the_scripted_teacher_reach_a_model_over_http(load: Load, tmp_path: Path) -> None:
    demo = {
        "background": "A hall.", "excerpt": "CLIENT: The hall was cold.", "moment": "moment: x",
        "scenario": "The stove of the hall was cold that day.", "subject": "Ana", "best": "Ask",
        "wrong": ["a", "b", "c"], "misreadings": ["d", "e", "f"], "explanation": "Because it was cold.",
    }  # fmt: skip
    convert = instruct(ItemConverter(), "Take care.")
    convert.write_application.demos = [dspy.Example(**demo)]
    put_away("items", convert, "items-gepa-1")
    put_away("session", instruct(SessionWriter(["concise"]), "Slowly."), "session-gepa-1")
    small = ("plan.sessions=3", "plan.method=concise", "generate.concurrency=3")
    prompts = []
    with OllamaDouble(Model("qwen3:8b"), num_parallel=8, reply=scripted_reply({})) as double:
        for named in ((), ("programs.items=best", "programs.session=best")):
            out = tmp_path / f"run{len(named)}"
            over_http = f"lms.teacher={{model: 'ollama_chat/qwen3:8b', base_url: '{double.url}'}}"
            run_stages(load(*small, *named, over_http), out, Console(file=StringIO()), ("generate",))
            prompts.append(read_run(out).manifest["prompts"]["generate"])
            if not named:
                plain = len(double.chats())
        systems = [body["messages"][0]["content"] for body in double.chats()]
        shown = [json.dumps(body["messages"]) for body in double.chats()]
    assert read_run(out).require("generate")["sessions"] == 3
    assert prompts[0] != prompts[1], "the manifest tells the prompts apart"
    assert not any("Take care." in system or "Slowly." in system for system in systems[:plain])
    assert all(("Take care." in system) != ("Slowly." in system) for system in systems[plain:])
    with_demo = [text for text in shown if "The stove of the hall was cold" in text]
    assert 0 < len(with_demo) < len(shown) - plain
    assert {note["teacher"] for note in notes(read_run(out)).values()} == {TEACHER}


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student with random weights."""
    folder = tmp_path_factory.mktemp("student") / "base"
    size = ScratchConfig(vocabulary=600, hidden=16, layers=1, heads=2)
    make_student((item.scenario for item in load_emobench(str(OWN_EXAM))), size, 1024, 1, folder)
    return folder


Examined = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def examined(opened: Callable[..., Run], student: Path, monkeypatch: pytest.MonkeyPatch) -> Examined:
    """``examined(*overrides)``: what the stage returns for a student that was not tuned at all, and what it prints."""
    monkeypatch.setattr("gc.collect", lambda: 0)  # a second for every journal, once torch is loaded

    def examine(*overrides: str) -> tuple[dict[str, Any], str]:
        console = Console(file=StringIO(), width=300)
        run = opened("exam.limit=1", "exam.max_tokens=8", *overrides)
        write_jsonl(
            run.items_path,
            (
                item.model_dump(mode="json", by_alias=True) | {"split": "heldout"}
                for item in load_emobench(str(OWN_EXAM))
            ),
        )
        for name in ("base", "tuned"):
            shutil.copytree(student, run.student_path / name)
        pin_programs(run)
        run.finish("train", 1, {})
        result = exam(run, console)
        run.finish("exam", 1, result)
        print_summary(run, console)
        assert isinstance(console.file, StringIO)
        return result, console.file.getvalue()

    return examine


def test_the_untuned_student_is_examined_with_the_compiled_prompt_in_writing(
    examined: Examined, tmp_path: Path
) -> None:
    put_away("exam", instruct(Exam("generate", "option"), "Read twice."), "exam-gepa-1")
    result, printed = examined("programs.exam=exam-gepa-1")
    rows = [ScoreRow.model_validate(row) for row in result["exam"]]
    assert [(row.task, row.mode, row.stage) for row in rows if row.mode == "generate"] == [
        (task, "generate", stage) for task in ("EA", "EU") for stage in ("before", "prompted", "after")
    ]
    assert {row.stage for row in rows if row.mode == "likelihood"} == {"before", "after"}
    compared = [Comparison.model_validate(row) for row in result["comparisons"]]
    assert [(c.mode, c.against) for c in compared if c.task == "EA"] == [
        ("likelihood", "before"), ("generate", "before"), ("generate", "prompted"),
    ]  # fmt: skip
    journals = [path.name for path in (tmp_path / "run" / "exam").glob("prompted-*")]
    assert journals == ["prompted-generate-held-out-synthetic.jsonl"]
    assert re.findall(r"EA generate, (\w+) ", printed.partition("points")[0]) == ["before", "prompted", "after"]
    assert re.findall(r"(EA generate.*): [+-]\d.*: (.*)", printed) == [
        ("EA generate", compared[1].verdict), ("EA generate, tuned against the compiled prompt", compared[2].verdict),
    ]  # fmt: skip


def test_a_prompt_that_the_student_cannot_read_is_said_and_ends_nothing(examined: Examined) -> None:
    put_away("exam", instruct(Exam("generate", "option"), "Read it once more. " * 600), "exam-gepa-1")
    result, printed = examined("programs.exam=exam-gepa-1", "exam.modes=[generate]")
    assert {row["stage"] for row in result["exam"]} == {"before", "after"}
    assert {row["against"] for row in result["comparisons"]} == {"before"}
    said = "The compiled prompt is longer than the untuned student reads: not tried on held-out synthetic"
    assert result["notice"].endswith(f". {said}")
    assert said in printed


def test_a_demonstration_of_the_exam_is_shown_as_it_is_to_be_answered() -> None:
    item = load_emobench(str(OWN_EXAM))[0]
    assert isinstance(item, ApplicationItem)
    program = Exam("generate", "letter")
    program.answer_ea.demos = [dspy.Example(**exam_inputs(item), answer="B")]
    put_away("exam", program, "exam-gepa-1")
    shown = ExamAdapter().format(
        exam_signature("EA", "letter"), [{**exam_inputs(item), "answer": "B"}], exam_inputs(item)
    )
    assert Exam("generate", "letter").show(item) == shown[-1:]
    assert program.show(item) == shown
