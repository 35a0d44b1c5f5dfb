"""What can be checked of exported tasks without the tools that they are for."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import datasets
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RunError, UsageError
from corpus.records import ApplicationItem, UnderstandingItem
from eval.emobench import Language, load_emobench
from eval.exam import Exam
from eval.export_task.bundle import bundle
from eval.export_task.items import load_items, mark
from eval.export_task.prompts import SHOWN, Shown
from eval.export_task.write import TOOLS, export_task
from eval.reading import RULES, read_answer
from signatures.exam import ADDRESSED
from signatures.formats import AnswerFormat
from tests.conftest import OWN_EMOBENCH

OURS = re.compile(r"^\s*(?:from|import) (?:corpus|eval|signatures|lms)\b", re.MULTILINE)
SHARED = {"Reading", "read_answer", "read_field", "load_items", "prepare", "fill", "mark"}
FIELDS = {"EA": [("answer", "option")], "EU": [("answer_q1", "emotion"), ("answer_q2", "cause")]}
ITEMS = load_emobench(str(OWN_EMOBENCH))


class Loader(yaml.SafeLoader):
    """Reads ``!function utils.name`` as the name."""


Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def config_of(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader)
    return config


def definitions(path: Path) -> dict[str, str]:
    return {
        node.name: ast.dump(node)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def test_the_files_of_each_tool(lm_eval_dir: Path, inspect_dir: Path) -> None:
    stems = ("emobench_ea", "emobench_ea_likelihood", "emobench_eu", "emobench_eu_likelihood")
    assert {path.name for path in lm_eval_dir.glob("*.*")} == {"utils.py", "README.md", *(f"{s}.yaml" for s in stems)}
    assert {path.name for path in inspect_dir.glob("*.*")} == {"emobench.py", "README.md"}


def test_nothing_of_ours_is_imported_and_nothing_of_the_data_written(lm_eval_dir: Path, inspect_dir: Path) -> None:
    items = load_emobench(str(OWN_EMOBENCH))
    for path in (*lm_eval_dir.iterdir(), *inspect_dir.iterdir()):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert not OURS.search(text), path
            assert not any(item.scenario in text or item.subject + " feel" in text for item in items)


def test_both_tools_get_the_same_functions_and_these_are_ours(lm_eval_dir: Path, inspect_dir: Path) -> None:
    ours = definitions(Path(str(read_answer.__code__.co_filename))) | definitions(Path(mark.__code__.co_filename))
    for path in (lm_eval_dir / "utils.py", inspect_dir / "emobench.py"):
        theirs = definitions(path)
        assert theirs.keys() >= SHARED
        assert {name: theirs[name] for name in SHARED} == {name: ours[name] for name in SHARED}
        assert f"\nRULES = {RULES}\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("answer_format", SHOWN)
def test_the_prompt_is_the_exams(
    exported: ModuleType, emobench_dir: Path, lang: Language, answer_format: AnswerFormat
) -> None:
    exam = Exam("generate", answer_format)
    for task in ("EA", "EU"):
        own = [item for item in load_emobench(str(emobench_dir), (lang,)) if item.task == task]
        if not own:
            pytest.skip("our own items are all English")
        theirs = exported.load_items(task, lang, str(emobench_dir))
        assert [row["id"] for row in theirs] == [item.qid for item in own]
        assert [exported.fill(row, answer_format) for row in theirs] == [exam.show(item)[0]["content"] for item in own]


@pytest.mark.parametrize("subject", [*ADDRESSED, "Noor", "{{scenario}} {subject}"])
def test_the_question_fits_its_subject(exported: ModuleType, subject: str) -> None:
    exam = Exam("generate", "letter")
    for item in load_emobench(str(OWN_EMOBENCH)):
        told = item.model_copy(update={"subject": subject})
        row = told.model_dump(mode="json", by_alias=True) | {"qid": "1"}
        assert exported.fill(exported.prepare(item.task, row), "letter") == exam.show(told)[0]["content"]


def test_the_template_in_the_yaml_says_the_same(exported: ModuleType, tmp_path: Path) -> None:
    from jinja2 import Environment, StrictUndefined

    for answer_format in SHOWN:
        export_task("lm-eval", tmp_path, answer_format=answer_format)
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    for path in sorted(tmp_path.glob("*.yaml")):
        config = config_of(path)
        shown = next((name for name in SHOWN if name in path.stem), "letter")
        for row in exported.load_items(config["metadata"]["emobench"], "en", str(OWN_EMOBENCH)):
            prompt = environment.from_string(config["doc_to_text"]).render(**row)
            assert prompt == exported.fill(row, shown)
            if config["output_type"] == "generate_until":
                right = environment.from_string(config["doc_to_target"]).render(**row)
                assert exported.mark(row, right) == {"answered": 1, "strict": 1, "lenient": 1}
            else:
                assert row[config["doc_to_choice"]][row[config["doc_to_target"]]] == row["answers"][row["gold"]]


def test_every_function_that_a_yaml_names_is_there(lm_eval_dir: Path, exported: ModuleType) -> None:
    named = {
        name for path in lm_eval_dir.glob("*.yaml") for name in re.findall(r"!function utils\.(\w+)", path.read_text())
    }
    assert named == {"load", "process_results", "process_likelihoods", "clustered_stderr"}
    assert all(callable(getattr(exported, name)) for name in named)


def texts_of(item: UnderstandingItem | ApplicationItem) -> st.SearchStrategy[str]:
    """What models write: fragments of answers to this item, in any order, and any text at all."""
    options = [choice for choices, _ in item.questions for choice in choices]
    fields = [name for pair in FIELDS[item.task] for name in pair]
    values = st.one_of(
        st.sampled_from([*options, *"ABCDEFGx", "b)", "(C)", "A, C", "D: because", "A or B", "A friend", "1"]),
        st.text(),
    )
    objects = st.dictionaries(st.sampled_from(fields), st.one_of(values, st.none(), st.integers())).map(json.dumps)
    return st.lists(st.one_of(objects, values, st.sampled_from(["{", "}", "\n", "```json"])), max_size=4).map("".join)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_it_reads_as_we_do(exported: ModuleType, data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(ITEMS))
    raw = data.draw(texts_of(item))
    row = exported.prepare(item.task, item.model_dump(mode="json", by_alias=True))
    readings = [
        read_answer(raw, field, text_field, choices, alone=item.task == "EA")
        for (field, text_field), (choices, _) in zip(FIELDS[item.task], item.questions, strict=True)
    ]
    keys = [choices.index(label) for choices, label in item.questions]
    assert exported.mark(row, raw) == {
        "answered": all(reading.lenient is not None for reading in readings),
        "strict": [reading.strict for reading in readings] == keys,
        "lenient": [reading.lenient for reading in readings] == keys,
    }


def test_understanding_is_right_only_when_both_parts_are(exported: ModuleType) -> None:
    row = exported.load_items("EU", "en", str(OWN_EMOBENCH))[0]  # C and B are right
    assert exported.mark(row, '{"answer_q1": "C", "answer_q2": "B"}')["strict"] == 1
    for half in ('{"answer_q1": "C", "answer_q2": "A"}', '{"answer_q1": "A", "answer_q2": "B"}'):
        assert exported.mark(row, half) == {"answered": 1, "strict": 0, "lenient": 0}
    assert exported.mark(row, '{"answer_q1": "C"}') == {"answered": 0, "strict": 0, "lenient": 0}


def test_from_the_hub_each_task_reads_its_config(exported: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def load(path: str, name: str) -> dict[str, list[dict[str, Any]]]:
        asked.append((path, name))
        task = "EA" if name == "emotional_application" else "EU"
        text = (OWN_EMOBENCH / f"{task}.jsonl").read_text(encoding="utf-8")
        return {"train": [json.loads(line) for line in text.splitlines()]}

    monkeypatch.setattr(datasets, "load_dataset", load)
    for task in ("EA", "EU"):
        loaded = exported.load(emobench=task, lang="en", data="hub", prompt="x", config_source="y")
        rows = exported.load_items(task, "en", str(OWN_EMOBENCH))
        assert [dict(row) for row in loaded["test"]] == rows, "what Arrow makes of a row is the row"
    hub = "SahandSab/EmoBench"
    assert asked == [(hub, "emotional_application"), (hub, "emotional_understanding")]


def test_a_language_that_the_data_lacks_is_an_error(exported: ModuleType) -> None:
    with pytest.raises(ValueError, match="no items of EA in zh"):
        exported.load_items("EA", "zh", str(OWN_EMOBENCH))


def test_the_error_is_clustered(exported: ModuleType) -> None:
    alone = exported.clustered_stderr([(1, "a"), (0, "b"), (1, "c"), (0, "d")])
    twins = exported.clustered_stderr([(1, "a"), (1, "a"), (0, "b"), (0, "b")])
    assert alone == pytest.approx((4 * 0.25 * 4 / 3) ** 0.5 / 4)
    assert twins == pytest.approx((2 * 1 * 2 / 1) ** 0.5 / 4), "two scenarios say as much as two items"


def test_languages_and_formats_have_names_of_their_own(tmp_path: Path) -> None:
    variants: list[tuple[Language, Shown]] = [("en", "letter"), ("zh", "letter"), ("en", "reasoned")]
    for lang, answer_format in variants:
        export_task("lm-eval", tmp_path, ("EA",), lang, answer_format)
    configs = [config_of(path) for path in tmp_path.glob("*.yaml")]
    names = {config["task"] for config in configs}
    assert names == {
        f"emoreason_emobench_{name}" for name in ("ea", "ea_likelihood", "ea_zh", "ea_zh_likelihood", "ea_reasoned")
    }
    assert {config["metadata"]["prompt"].rsplit("-", 1)[0] for config in configs} == {
        "emoreason-exam-EA-letter", "emoreason-exam-EA-reasoned",
    }  # fmt: skip
    assert {config["metadata"]["lang"] for config in configs} == {"en", "zh"}


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_is_the_same_twice_and_can_be_for_one_task(tmp_path: Path, tool: Any) -> None:
    first = {path.name: path.read_bytes() for path in export_task(tool, tmp_path / "one", ("EU",))}
    second = {path.name: path.read_bytes() for path in export_task(tool, tmp_path / "two", ("EU",))}
    assert first == second
    assert not any("emobench_ea" in name or b"def emobench_ea" in text for name, text in first.items())


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="taken is a file; name a folder"):
        export_task("inspect", tmp_path / "taken")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    with pytest.raises(RunError, match=r"README\.md: cannot be written \(Is a directory\); name another folder"):
        export_task("inspect", tmp_path)


def test_a_bundle_is_one_module_that_stands_alone() -> None:
    text = bundle("eval.export_task.items")
    names: dict[str, Any] = {"__name__": "not a module"}
    exec(compile(text, "bundle", "exec", dont_inherit=True), names)
    assert names["load_items"]("EA", "en", str(OWN_EMOBENCH)) == load_items("EA", "en", str(OWN_EMOBENCH))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"json", "re", "collections.abc", "dataclasses", "itertools", "pathlib", "typing", "datasets"}
