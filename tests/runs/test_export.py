"""An export read as a stranger would read it: by `load_dataset`, by EmoBench's loader, and by eye."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import DatasetDict, load_dataset
from pydantic import TypeAdapter
from rich.console import Console

from cli.export import export_and_push
from corpus.assemble import assemble_items
from corpus.errors import DataError, RunError, UsageError
from corpus.human import HumanVerdict
from corpus.jsonl import write_jsonl
from corpus.records import ApplicationItem, Draft, Person, Plan, UnderstandingItem, cell_of
from eval.emobench import load_emobench
from finetune.rows import make_rows
from runs.export.export import SPLITS, export_run
from runs.export.parquet import CHAT, PROMPT_COMPLETION, item_features
from runs.export.rows import full_rows
from runs.folder import Run, open_run, read_run
from runs.items import read_aside, read_items
from runs.recipe import load_recipe

Item = UnderstandingItem | ApplicationItem
ADDRESS, PATH = "http://10.1.2.3:11434", "/home/someone/models/big"
ASIDE = ("s3-00000-m1", "s3-00009-m0")


@pytest.fixture(scope="module")
def curated(
    tiny: str, plans: list[Plan], drafts_row: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A curated run of twelve sessions: two items set aside by the judge, the others kept."""
    folder = tmp_path_factory.mktemp("curated")
    (folder / "tiny.yaml").write_text(tiny)
    overrides = [
        f"lms.teacher={{model: ollama_chat/small, base_url: '{ADDRESS}'}}",
        f"lms.judge={{model: 'transformers/{PATH}'}}",
        "train.formats={option: 2, open: 1}",
    ]
    written = [draft for plan in plans for draft in drafts_row(plan)["drafts"]]
    with open_run(folder / "run", load_recipe(folder / "tiny.yaml", overrides)) as run:
        _write_items(run, written, plans)
        _finish_stages(run, len(written), plans)
    return folder / "run"


def _write_items(run: Run, written: list[dict[str, Any]], plans: list[Plan]) -> None:
    splits = dict(zip((plan.id for plan in plans), ["train"] * 8 + ["validation"] * 2 + ["heldout"] * 2, strict=True))
    people = (Person(name="Amina", pronouns="she"),)
    told = {"teacher": f"transformers/{PATH}", "people": people}
    items = [
        item.model_copy(update={**told, "agreement": 0.8 + (n % 2) / 5, "guessed": n % 3 == 0})
        for n, item in enumerate(assemble_items(TypeAdapter(list[Draft]).validate_python(written), 5))
    ]
    rows = [{"split": splits[item.session], **item.model_dump(mode="json", by_alias=True)} for item in items]
    write_jsonl(run.items_path, [row for row in rows if row["qid"] not in ASIDE])
    write_jsonl(run.aside_path, [{**row, "reason": "ambiguous"} for row in rows if row["qid"] in ASIDE])


def _finish_stages(run: Run, count: int, plans: list[Plan]) -> None:
    kept = list(read_items(run))
    run.note_prompts("generate", "0123456789abcdef")
    run.finish("generate", 1, {"sessions": len(plans), "methods": {"mads": len(plans)}, "failed_sessions": {},
                               "moments": count, "drafts": count, "unwritten": {}})  # fmt: skip
    run.finish("verify", 1, {
        "drafts": count, "judge": f"transformers/{PATH}", "screened": {}, "duplicates": {}, "contaminated": {},
        "sessions": {"marked": {}, "dropped": {}}, "aside": {"ambiguous": len(ASIDE)}, "passed": len(kept),
        "exams": {"compared": {f"{PATH}.jsonl": 40}, "problems": [], "off": False}, "examples": [],
        "choices_only": {"EA": {"n": 40, "right": 30, "chance": 0.25}}, "spent": {},
    })  # fmt: skip
    run.finish("curate", 1, {"kept": len(kept), "surplus": {}, "short": {}, "dropped": {}, "splits": {"train": 1},
                             "cells": {cell_of(item): 1 for item in kept}})  # fmt: skip


@pytest.fixture
def run(curated: Path, tmp_path: Path) -> Run:
    """A copy of the run, for tests that add to it."""
    shutil.copytree(curated, tmp_path / "run")
    return read_run(tmp_path / "run")


@pytest.fixture(scope="module")
def export(curated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the run as it is, under a licence."""
    return export_run(read_run(curated), tmp_path_factory.mktemp("exports") / "set", "CC-BY-4.0").folder


@pytest.fixture
def load(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DatasetDict]:
    """``load(name)``: a part of the export by name, with no connection to anywhere."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return lambda *name: load_dataset(str(export), *name, cache_dir=str(tmp_path / "cache"))


def judge(run: Run, person: str, **answers: bool | None) -> None:
    """Have a person judge items: True approves, False finds the label wrong, None says nothing of it."""
    rows = [
        HumanVerdict(
            id=name.replace("_", "-"), annotator=person, label_right=right, explanation_sound=True,
            ambiguous=None if right is None else False,
        ).model_dump()
        for name, right in answers.items()
    ]  # fmt: skip
    write_jsonl(run.path / "reviews" / f"{person}.jsonl", rows)


def ids_in(folder: Path) -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("emobench/*/*.jsonl")]
    return {json.loads(line)["qid"] for text in texts for line in text.splitlines()}


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_items_load_by_name_with_the_types_and_rows_that_were_written(
    task: Any, load: Callable[..., DatasetDict], curated: Path
) -> None:
    loaded = load(task)
    assert list(loaded) == ["train", "validation", "test"]
    for part, split in SPLITS.items():
        assert loaded[split].features == item_features(task)
        items = [
            item.model_copy(update={"teacher": "transformers/big"}) for item in read_items(read_run(curated), part)
        ]
        assert loaded[split].to_list() == full_rows(items, task)
        assert len(loaded[split]) == sum(item.task == task for item in items) > 0
    assert loaded["train"][0]["people"][0]["pronouns"] in ("she", "he", "they")
    assert {row["guessed"] for row in loaded["train"]} == {True, False}


def test_training_rows_are_those_that_the_student_is_tuned_on(load: Callable[..., DatasetDict], curated: Path) -> None:
    run = read_run(curated)
    for part, split in SPLITS.items():
        rows = make_rows(list(read_items(run, part)), {"option": 1, "open": 1}, run.recipe.seed)
        pairs, chats = load("prompt_completion")[split], load("chat")[split]
        assert pairs.to_list() == [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]
        assert pairs.features == PROMPT_COMPLETION
        assert chats.to_list() == [{"messages": row["prompt"] + row["completion"]} for row in rows]
        assert chats.features == CHAT


def test_without_a_name_the_understanding_items_load(load: Callable[..., DatasetDict]) -> None:
    assert "emotion_label" in load()["train"].features


def test_json_lines_hold_the_same_rows(export: Path, load: Callable[..., DatasetDict]) -> None:
    for name in ("chat", "prompt_completion"):
        with (export / "sft" / "test" / f"{name}.jsonl").open(encoding="utf-8") as lines:
            assert [json.loads(line) for line in lines] == load(name)["test"].to_list()


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_emobench_rows_have_emobenchs_keys_in_its_order(task: str, export: Path, emobench_dir: Path) -> None:
    with (emobench_dir / f"{task}.jsonl").open(encoding="utf-8") as official:
        theirs = json.loads(official.readline())
    for split in SPLITS.values():
        with (export / "emobench" / split / f"{task}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                ours = json.loads(line)
                assert [(key, type(value)) for key, value in ours.items()] == [(k, type(v)) for k, v in theirs.items()]


def test_the_emobench_loader_reads_an_exported_split(export: Path, curated: Path) -> None:
    items = load_emobench(str(export / "emobench" / "test"))
    assert {item.qid.partition("-")[2] for item in items} == {
        item.qid for item in read_items(read_run(curated), "heldout")
    }


def test_the_card_and_the_recipe_name_no_address_and_no_path(export: Path) -> None:
    card = (export / "README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0"
    assert "`transformers/big`" in card
    assert "| big.jsonl | 40 |" in card
    recipe = yaml.safe_load((export / "recipe.yaml").read_text())
    assert recipe["lms"]["judge"]["model"] == "transformers/big"
    assert recipe["train"]["formats"] == {"option": 2, "open": 1}
    for path in export.rglob("*"):
        if path.is_file():
            assert ADDRESS.encode() not in path.read_bytes(), path
            assert b"/home/someone" not in path.read_bytes(), path


def test_the_record_says_what_is_there(export: Path) -> None:
    record = json.loads((export / "export.json").read_text())
    assert set(record["files"]) == {
        path.relative_to(export).as_posix() for path in export.rglob("*") if path.is_file()
    } - {"export.json"}
    assert record["license"] == "cc-by-4.0"
    assert sum(record["items"].values()) == len(ids_in(export))


def test_the_same_run_gives_the_same_bytes(export: Path, curated: Path, tmp_path: Path) -> None:
    again = export_run(read_run(curated), tmp_path / "again", "cc-by-4.0").folder
    assert (again / "export.json").read_bytes() == (export / "export.json").read_bytes()


def test_the_word_of_people_goes_over_the_judges(run: Run, tmp_path: Path) -> None:
    before = {item.qid for item in read_items(run)}
    rejected, tied = sorted(before)[:2]
    for person, second in (("ada", True), ("ben", False)):
        word = {rejected: False, tied: second, ASIDE[0]: True, ASIDE[1]: None, "s9-00001-m0": False}
        judge(run, person, **{key.replace("-", "_"): right for key, right in word.items()})
    done = export_run(run, tmp_path / "set")
    assert (done.left_out, done.taken_in) == (1, 1)
    assert ids_in(tmp_path / "set") == before - {rejected} | {ASIDE[0]}
    card = (tmp_path / "set" / "README.md").read_text()
    assert "2 people judged 4 items" in card
    assert "1 item (people: label wrong 1); taken in, though the judge had set them aside: 1 item." in card
    assert "| label right | " in card
    assert "ada" not in card
    part = next(placed.split for placed in read_aside(run) if placed.item.qid == ASIDE[0])
    official = (tmp_path / "set" / "emobench" / SPLITS[part]).glob("*.jsonl")
    assert any(ASIDE[0] in path.read_text(encoding="utf-8") for path in official)


def test_a_split_or_task_without_items_is_left_out_and_the_rest_loads(run: Run, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in run.items_path.read_text(encoding="utf-8").splitlines()]
    write_jsonl(run.items_path, [row for row in rows if row["task"] == "EA" and row["split"] != "validation"])
    folder = export_run(run, tmp_path / "set").folder
    assert list(load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))) == ["train", "test"]
    configs = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])["configs"]
    assert [config["config_name"] for config in configs] == ["EA", "chat", "prompt_completion"]
    assert sorted(path.name for path in folder.glob("emobench/*")) == ["test", "train"]


def test_an_earlier_export_is_replaced_whole(run: Run, tmp_path: Path) -> None:
    export_run(run, tmp_path / "set")
    rows = run.items_path.read_text(encoding="utf-8").splitlines(keepends=True)
    run.items_path.write_text("".join(row for row in rows if '"task": "EU"' in row), encoding="utf-8")
    export_run(run, tmp_path / "set")
    assert not (tmp_path / "set" / "data" / "EA").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if "set" in path.name) == ["set"]


def test_what_no_export_wrote_is_left_alone(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "set"
    target.mkdir()
    export_run(run, target)  # an empty folder is as good as none
    for name, advice in (("NOTES.md", "which no export wrote"), ("README.md", "was changed since the export")):
        path = target / name
        former = path.read_text() if path.exists() else None
        path.write_text("mine")
        with pytest.raises(RunError, match=rf"{name}.*{advice}; move it away, or choose another with --to"):
            export_run(run, target)
        assert path.read_text() == "mine"
        if former is None:
            path.unlink()
        else:
            path.write_text(former)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is a file"):
        export_run(run, tmp_path / "file")
    with pytest.raises(RunError, match="is not empty and not an earlier export"):
        export_run(run, run.path)


def test_a_failed_export_leaves_what_was_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = export_run(run, tmp_path / "set").folder
    record = (folder / "export.json").read_bytes()

    def fill_the_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runs.export.export.write_parquet", fill_the_disk)
    with pytest.raises(RunError, match="No space left on device; check space and permissions"):
        export_run(run, tmp_path / "set", "cc0-1.0")
    assert (folder / "export.json").read_bytes() == record
    assert sorted(path.name for path in tmp_path.iterdir() if "set" in path.name) == ["set"]


def test_what_a_user_gets_wrong_is_one_line(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--license CC BY: write an identifier of the Hub"):
        export_run(run, tmp_path / "set", "CC BY")
    ids = {item.qid.replace("-", "_"): False for item in read_items(run)}
    judge(run, "ada", **ids)
    with pytest.raises(RunError, match="no item is left to export"):
        export_run(run, tmp_path / "set")
    (run.path / "reviews" / "ada.jsonl").write_text('{"id": 3}\n')
    with pytest.raises(DataError, match=r"ada\.jsonl, line 1"):
        export_run(run, tmp_path / "set")
    (run.path / "stages" / "curate.json").unlink()
    with pytest.raises(RunError, match="stage `curate` is not done"):
        export_run(run, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_the_terminal_says_what_was_written_and_that_no_licence_was_chosen(run: Run, tmp_path: Path) -> None:
    output = StringIO()
    export_and_push(run, tmp_path / "set", "", None, False, Console(file=output))
    assert f"{len(list(read_items(run)))} items (train " in output.getvalue()
    assert "no licence was chosen" in output.getvalue()
    assert "No licence was chosen" in (tmp_path / "set" / "README.md").read_text()
    assert "license" not in yaml.safe_load((tmp_path / "set" / "README.md").read_text().split("---\n")[1])
