"""Compiled programs as files: what is saved can be loaded, and nothing in a file can do more than change texts."""

from __future__ import annotations

import json
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpus.errors import DataError, EmoReasonError, RunError
from corpus.records import Plan
from eval.exam import Exam
from lms.build import build_lm
from lms.spec import ModelSpec
from optimizers.store import find_best, find_programs, load_into, read_sidecar, resolve, save
from programs.converter import ItemConverter
from programs.fingerprint import fingerprint_prompts, predictors_of
from programs.writer import SessionWriter
from signatures.chat_adapter import ChatAdapter
from tests.optimizers.handmade import RULE, compiled_items, demo, sidecar, told, write_program


def print_of(program: dspy.Module) -> str:
    return fingerprint_prompts([program])


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    states = json.loads((folder / "program.json").read_text())
    change(states)
    (folder / "program.json").write_text(json.dumps(states))
    return folder


class TestSaving:
    def test_what_is_saved_is_what_is_loaded(self, tmp_path: Path) -> None:
        program = compiled_items(RULE, demo(), demo("The key lay under the mat."))
        folder = write_program(tmp_path, "a", program)
        fresh = ItemConverter()
        assert load_into(fresh, folder) == []
        assert print_of(fresh) == print_of(program) != print_of(ItemConverter())
        assert fresh.write_application.signature.instructions == RULE
        assert [shown.scenario for shown in fresh.write_application.demos][1] == "The key lay under the mat."
        again = ItemConverter()
        load_into(again, folder / "program.json")
        assert print_of(again) == print_of(fresh)

    def test_dspy_reads_it_too(self, tmp_path: Path) -> None:
        program = compiled_items()
        fresh = ItemConverter()
        fresh.load(write_program(tmp_path, "a", program) / "program.json")
        assert print_of(fresh) == print_of(program)

    def test_types_come_from_the_code(self, tmp_path: Path) -> None:
        exam, fresh = Exam("generate", "option"), Exam("generate", "option")
        exam.answer_ea.demos = [
            dspy.Example(scenario="Rain.", question="What now?", choices=("Wait.", "Go."), option="Go.", answer="B")
        ]
        load_into(fresh, write_program(tmp_path, "e", exam, kind="exam"))
        assert fresh.answer_ea.demos[0].choices == ("Wait.", "Go.")

    def test_no_model_and_no_secret_is_written(self, tmp_path: Path) -> None:
        program = compiled_items()
        program.set_lm(dspy.LM("openai/gpt-x", api_key="sk-secret", api_base="http://10.0.0.9/v1"))
        text = (write_program(tmp_path, "a", program) / "program.json").read_text()
        assert all(state["lm"] is None for name, state in json.loads(text).items() if name != "metadata")
        assert not any(word in text for word in ("gpt-x", "secret", "10.0.0.9"))

    def test_a_part_that_an_optimizer_has_marked_as_compiled_is_not_lost(self, tmp_path: Path) -> None:
        program, fresh = SessionWriter(), SessionWriter()
        program.mads.write_background.signature = program.mads.write_background.signature.with_instructions(RULE)
        program.mads._compiled = True
        load_into(fresh, write_program(tmp_path, "s", program, kind="session"))
        assert fresh.mads.write_background.signature.instructions == RULE

    def test_of_demonstrations_what_a_prompt_shows_is_kept(self, tmp_path: Path) -> None:
        program = compiled_items(RULE, demo(augmented=True, complaint="too long"), dspy.Example(case="a whole case"))
        folder = write_program(tmp_path, "a", program)
        (kept,) = json.loads((folder / "program.json").read_text())["write_application"]["demos"]
        assert kept == demo().toDict()

    def test_a_program_that_could_not_be_loaded_again_is_not_saved(self, tmp_path: Path) -> None:
        half = demo().toDict()
        del half["subject"]
        with pytest.raises(DataError, match=r"demonstration 1 of write_application lacks fields .*subject"):
            save(tmp_path / "a", compiled_items(RULE, dspy.Example(**half)), sidecar())
        assert not (tmp_path / "a").exists()


class TestLoading:
    def test_predictors_that_the_file_lacks_are_named_and_stay(self, tmp_path: Path) -> None:
        folder = write_program(tmp_path, "s", SessionWriter(("mads",)), kind="session")
        writer = SessionWriter()
        assert load_into(writer, folder) == ["concise.write_case", "concise.write_dialogue"]

    def test_predictors_that_the_program_lacks_do_not_matter(self, tmp_path: Path) -> None:
        folder = write_program(tmp_path, "s", SessionWriter(), kind="session")
        assert load_into(SessionWriter(("concise",)), folder) == []

    def test_a_model_in_the_file_is_ignored_and_said(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        lm = {"model": "openai/gpt-x", "api_key": "sk-1", "api_base": "http://10.0.0.9", "_class": "os.system"}
        folder = edit(write_program(tmp_path, "a"), lambda states: states["write_application"].update(lm=lm))
        program = ItemConverter()
        with caplog.at_level(logging.WARNING):
            load_into(program, folder)
        assert program.write_application.lm is None
        assert "write_application is ignored; models come from the recipe" in caplog.text
        assert "sk-1" not in caplog.text

    def test_nothing_but_texts_is_taken_from_the_file(self, tmp_path: Path) -> None:
        more = {"config": {"temperature": 9}, "__class__": "x", "forward": "x", "fields": {"a": 1}, "traces": ["t"]}
        folder = edit(write_program(tmp_path, "a"), lambda states: states["write_application"].update(more))
        program = ItemConverter()
        load_into(program, folder)
        predictor = program.write_application
        assert (predictor.config, predictor.fields, predictor.traces, type(predictor)) == ({}, {}, [], dspy.Predict)
        assert "forward" not in vars(predictor)

    def test_the_last_prefix_may_differ_as_copro_leaves_it(self, tmp_path: Path) -> None:
        program = compiled_items()
        signature = program.write_application.signature
        program.write_application.signature = signature.with_updated_fields("explanation", prefix="Because:")
        fresh = ItemConverter()
        assert load_into(fresh, write_program(tmp_path, "a", program)) == []
        assert print_of(fresh) == print_of(program)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe{}", "not JSON"),
            (b'{"a": NaN}', "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
            (b"[]", "not a compiled program"),
            (b"{}", "it has no predictors"),
            (b'{"metadata": {}}', "it has no predictors"),
            (b'{"write_application": 3}', "not a compiled program"),
            (b'{"write_application": {"demos": [], "signature": {"instructions": 3, "fields": []}}}', "instructions"),
            (b'{"write_application": {"demos": {}, "signature": {"instructions": "", "fields": []}}}', "demos"),
            (b'{"write_application": {"demos": [], "signature": {"instructions": "", "fields": []}}}', "fields"),
            (b'{"a\\u001b[31m\\n": {}}', "not a compiled program"),
        ],
    )
    def test_what_is_no_program_is_one_line(self, tmp_path: Path, content: bytes, said: str) -> None:
        (tmp_path / "program.json").write_bytes(content)
        with pytest.raises(DataError, match=said) as refused:
            load_into(ItemConverter(), tmp_path)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 700

    def test_a_huge_file_is_not_read(self, tmp_path: Path) -> None:
        with (tmp_path / "program.json").open("wb") as file:
            file.truncate(2**34)
        with pytest.raises(DataError, match="larger than 16 MiB"):
            load_into(ItemConverter(), tmp_path)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"__class__": "x"}, "foreign ones \\(__class__\\)"),
            ({"wrong": "one"}, "wrong type \\(.*list"),
            ({"wrong": [1]}, "wrong type"),
            ({"best": None}, "wrong type"),
            ({"best": {"__reduce__": "os.system"}}, "wrong type"),
        ],
    )
    def test_demonstrations_that_do_not_fit_are_refused(
        self, tmp_path: Path, change: dict[str, Any], said: str
    ) -> None:
        folder = edit(
            write_program(tmp_path, "a"), lambda states: states["write_application"]["demos"][0].update(change)
        )
        program = ItemConverter()
        with pytest.raises(DataError, match=f"demonstration 1 of write_application .*{said}"):
            load_into(program, folder)
        assert print_of(program) == print_of(ItemConverter()), "all or nothing"

    def test_fields_of_another_version_are_refused(self, tmp_path: Path) -> None:
        folder = edit(
            write_program(tmp_path, "a"),
            lambda states: states["write_application"]["signature"]["fields"][0].update(prefix="History:"),
        )
        with pytest.raises(DataError, match=r"write_application was compiled with .*History:.*another version"):
            load_into(ItemConverter(), folder)

    def test_another_form_of_answer_is_refused(self, tmp_path: Path) -> None:
        folder = write_program(tmp_path, "e", Exam("generate", "reasoned"), kind="exam")
        with pytest.raises(DataError, match="another form of answer"):
            load_into(Exam("generate", "option"), folder)

    def test_another_kind_is_named(self, tmp_path: Path) -> None:
        folder = write_program(tmp_path, "a")
        with pytest.raises(RunError, match="is a program of kind items; here one of kind session is needed"):
            load_into(SessionWriter(), folder)

    def test_nothing_is_ever_unpickled(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return os.mkdir, (str(tmp_path / "done"),)

        for name in ("state.pkl", "program.pkl"):
            (tmp_path / name).write_bytes(pickle.dumps(Evil()))
        for path in (tmp_path / "state.pkl", tmp_path):
            with pytest.raises(DataError, match="is a pickle"):
                load_into(ItemConverter(), path)
            with pytest.raises(DataError, match="is a pickle"):
                resolve(path, tmp_path / "none")
        assert not (tmp_path / "done").exists()

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "no", tmp_path / "program.json"):
            with pytest.raises(RunError, match=r"holds no program\.json"):
                load_into(ItemConverter(), path)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in _paths(item, (*path, key)))]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_program(tmp_path_factory.mktemp("programs"), "a")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_spoilt_file_is_refused_in_one_line_or_changes_texts_alone(written: Path, data: st.DataObject) -> None:
    whole = (written / "program.json").read_text()
    states = json.loads(whole)
    *parents, last = data.draw(st.sampled_from(_paths(states)[1:]))
    holder = states
    for key in parents:
        holder = holder[key]
    holder[last] = data.draw(_VALUES)
    program = ItemConverter()
    (written / "program.json").write_text(json.dumps(states))
    said = refusal_of(lambda: load_into(program, written))
    (written / "program.json").write_text(whole)
    assert said.isprintable()
    if said:
        assert print_of(program) == print_of(ItemConverter())
    for predictor in predictors_of(program).values():
        assert predictor.lm is None
        assert isinstance(predictor.signature.instructions, str)
        assert all(list(shown.keys()) == list(predictor.signature.fields) for shown in predictor.demos)


def refusal_of(act: Callable[[], object]) -> str:
    try:
        act()
    except EmoReasonError as error:
        return str(error)
    return ""


class TestFinding:
    def test_programs_come_by_kind_and_age_and_the_unusable_with_a_reason(self, tmp_path: Path) -> None:
        write_program(tmp_path, "items-old", created="2026-01-01T00:00:00Z")
        write_program(tmp_path, "items-new", created="2026-02-01T00:00:00Z")
        write_program(tmp_path, "session", SessionWriter(), kind="session", created="2026-03-01T00:00:00Z")
        (write_program(tmp_path, "no-sidecar") / "sidecar.json").unlink()
        (write_program(tmp_path, "torn") / "sidecar.json").write_text('{"kind": "ite')
        (write_program(tmp_path, "headless") / "program.json").unlink()
        (tmp_path / "at-work").mkdir()
        (tmp_path / "at-work" / "calls.jsonl").touch()
        (tmp_path / "answers.jsonl").touch()
        found = find_programs(tmp_path)
        assert [folder.name for folder, _ in found[:3]] == ["session", "items-old", "items-new"]
        reasons = {folder.name: str(reason) for folder, reason in found[3:]}
        assert reasons.keys() == {"no-sidecar", "torn", "headless"}
        assert "was not finished" in reasons["no-sidecar"]
        assert "damaged" in reasons["torn"]
        assert "holds no program.json" in reasons["headless"]

    def test_where_there_is_no_folder_there_are_no_programs(self, tmp_path: Path) -> None:
        assert find_programs(tmp_path / "none") == []

    def test_a_program_is_found_by_path_name_and_beginning(self, tmp_path: Path) -> None:
        root, folder = tmp_path / "root", write_program(tmp_path / "root", "items-gepa-1a2b")
        write_program(root, "items-mipro-3c4d")
        for name in (folder, str(folder), folder / "program.json", "items-gepa-1a2b", "items-g"):
            assert resolve(name, root) == folder

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("items", "how several programs begin: items-gepa, items-mipro"),
            ("itms-gepa", "did you mean items-gepa"),
            ("out/of/reach", "is neither a program's folder nor the name of one"),
            ("x" * 5000, "is neither"),
            ("a\0b", "is neither"),
        ],
    )
    def test_a_name_that_leads_nowhere_is_one_line(self, tmp_path: Path, name: str, said: str) -> None:
        for made in ("items-gepa", "items-mipro"):
            write_program(tmp_path, made)
        with pytest.raises(RunError, match=said):
            resolve(name, tmp_path)

    def test_where_there_are_none_it_says_what_to_run(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="has none yet; make one: emoreason compile RECIPE"):
            resolve("items", tmp_path)

    def test_best_is_of_the_same_teacher_first_then_by_quality(self, tmp_path: Path) -> None:
        def add(name: str, quality: float, teacher: str, low: float = 0.1, **changes: Any) -> None:
            after = {"quality": quality, "interval": (quality, quality)}
            scores = {"after": after, "interval": (low, 0.5)}
            write_program(tmp_path, name, models={"teacher": teacher}, scores=scores, **changes)

        add("fair", 0.8, "ollama_chat/a")
        add("good", 0.9, "ollama_chat/b")
        add("doubtful", 0.99, "ollama_chat/a", low=0.0)
        add("unchanged", 0.99, "ollama_chat/a", changed=False)
        assert find_best(tmp_path, "items", "ollama_chat/a").name == "fair"
        assert find_best(tmp_path, "items", "ollama_chat/c").name == "good"
        with pytest.raises(RunError, match=r"there is none; make one: emoreason compile RECIPE --program session"):
            find_best(tmp_path, "session", "ollama_chat/a")

    def test_best_never_is_a_program_that_gained_nothing(self, tmp_path: Path) -> None:
        write_program(tmp_path, "a", scores={"interval": (-0.1, 0.2)})
        with pytest.raises(RunError, match="none of 1 is better than what it began from"):
            find_best(tmp_path, "items", "scripted/counsel")

    def test_of_exam_programs_the_teacher_is_who_was_examined(self, tmp_path: Path) -> None:
        exam = Exam("generate", "option")
        write_program(tmp_path, "a", exam, kind="exam", models={"examinee": "m/small"})
        scores = {"after": {"quality": 0.99, "interval": (0.9, 1)}}
        write_program(tmp_path, "b", exam, kind="exam", models={"examinee": "m/large"}, scores=scores)
        assert find_best(tmp_path, "exam", "m/small").name == "a"


class TestSidecar:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        written = sidecar("a", stopped="the budget of 100 calls is spent")
        save(tmp_path / "a", compiled_items(), written)
        assert read_sidecar(tmp_path / "a") == written

    @pytest.mark.parametrize("change", [{"kind": "poem"}, {"surprise": 1}, {"created": "2026-01-01"}, {"data": {}}])
    def test_it_is_strict(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            sidecar(**change)

    def test_no_figure_is_not_a_number(self, tmp_path: Path) -> None:
        folder = write_program(tmp_path, "a")
        text = (folder / "sidecar.json").read_text()
        (folder / "sidecar.json").write_text(text.replace("0.29", "NaN"))
        with pytest.raises(DataError, match="delta"):
            read_sidecar(folder)


def test_a_compiled_program_runs_with_a_model_of_the_context(tmp_path: Path, plans: list[Plan]) -> None:
    program = ItemConverter()
    load_into(program, write_program(tmp_path, "a", compiled_items()))
    session = told(plans[0])
    lm = build_lm(ModelSpec(model="scripted/counsel", mistakes={}))
    with dspy.context(lm=lm, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True):
        made = program(session=session)
    assert len(made.drafts) == len(session.plan.moments)
