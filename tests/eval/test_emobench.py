from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import DataError
from corpus.records import ApplicationItem, UnderstandingItem
from corpus.taxonomy import load_taxonomy
from eval.emobench import load_emobench

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "tests" / "data" / "emobench"
OFFICIAL = ROOT.parent / "shared" / "emobench" / "data"
FROM_HUB = """
from eval.emobench import EmoBenchUnavailable, load_emobench
try:
    load_emobench("hub")
except EmoBenchUnavailable as error:
    print(error)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of our own items that a test may spoil."""
    return Path(shutil.copytree(OWN, tmp_path / "emobench"))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def spoil(path: Path, line: int, **changes: object) -> None:
    """Change keys of one row; None removes a key."""
    rows = rows_of(path)
    rows[line - 1] = {k: v for k, v in (rows[line - 1] | changes).items() if v is not None}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_emobench(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_rows_become_items_with_the_task_in_their_id(items: list[UnderstandingItem | ApplicationItem]) -> None:
    assert [item.qid for item in items] == [f"EA-{n}" for n in range(1, 5)] + [f"EU-{n}" for n in range(1, 5)]
    written = rows_of(OWN / "EU.jsonl")[0] | {"qid": "EU-1"}
    assert json.loads(items[4].model_dump_json(include=set(written))) == written


def test_our_own_items_cover_every_category(items: list[UnderstandingItem | ApplicationItem]) -> None:
    taxonomy = load_taxonomy()
    understanding = [item for item in items if isinstance(item, UnderstandingItem)]
    application = [item for item in items if isinstance(item, ApplicationItem)]
    assert {item.coarse_category for item in understanding} == set(taxonomy.eu)
    assert all(item.finegrained_category in taxonomy.eu[item.coarse_category] for item in understanding)
    assert {(len(item.emotion_choices), len(item.cause_choices)) for item in understanding} == {(6, 4)}
    assert {item.category for item in application} == set(taxonomy.ea.categories)
    assert {item.question_type for item in application} == {"Action", "Response"}
    assert {len(item.choices) for item in application} == {4}


def test_only_english_rows_are_kept(folder: Path) -> None:
    spoil(folder / "EA.jsonl", 2, language="zh")
    assert [item.qid for item in load_emobench(str(folder))][:3] == ["EA-1", "EA-3", "EA-4"]


def test_other_languages_are_loaded_when_asked_for(folder: Path) -> None:
    spoil(folder / "EA.jsonl", 2, language="zh")
    both = load_emobench(str(folder), languages=("en", "zh"))
    assert [(item.qid, item.language) for item in both][:3] == [("EA-1", "en"), ("EA-2", "zh"), ("EA-3", "en")]
    assert len(both) == 8
    assert [item.qid for item in load_emobench(str(folder), languages=("zh",))] == ["EA-2"]


def test_a_row_without_a_language_is_english(folder: Path) -> None:
    spoil(folder / "EA.jsonl", 2, language=None)
    assert len(load_emobench(str(folder))) == 8


@pytest.mark.parametrize("name", ["EA.jsonl", "EU.jsonl"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert refusal(folder) == f"{folder} has no {name}; name the folder of EmoBench's EA.jsonl and EU.jsonl"


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("EU.jsonl", {"subject": None}, "subject: Field required"),
        ("EU.jsonl", {"qid": None}, "qid: Field required"),
        ("EU.jsonl", {"cause_choices": "one text"}, "cause_choices"),
        ("EA.jsonl", {"question type": "Thought"}, "question type"),
        ("EA.jsonl", {"remark": "extra"}, "remark"),
    ],
)
def test_a_malformed_row_is_named_by_file_line_and_field(
    folder: Path, name: str, changes: dict[str, object], problem: str
) -> None:
    spoil(folder / name, 3, **changes)
    message = refusal(folder)
    assert message.startswith(f"{folder / name}, line 3: ")
    assert problem in message


def test_a_line_that_is_not_json_is_named(folder: Path) -> None:
    with (folder / "EU.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"qid": "5", \n')
    assert f"{folder / 'EU.jsonl'}, line 5: not JSON" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "key"), [("EA.jsonl", "label"), ("EU.jsonl", "emotion_label"), ("EU.jsonl", "cause_label")]
)
def test_a_label_that_is_no_choice_is_refused(folder: Path, name: str, key: str) -> None:
    spoil(folder / name, 4, **{key: "something else"})
    assert refusal(folder) == f"{folder / name}, line 4: the label is not among the choices"


@pytest.mark.parametrize("choices", [["same", "same"], [f"choice {n}" for n in range(11)]])
def test_choices_that_letters_cannot_tell_apart_are_refused(folder: Path, choices: list[str]) -> None:
    spoil(folder / "EA.jsonl", 4, choices=choices, label=choices[0])
    assert refusal(folder) == (
        f"{folder / 'EA.jsonl'}, line 4: the choices must differ, and be 10 at most, as letters name them"
    )


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official test sets are not at hand")
def test_the_official_sets_hold_200_english_items_each() -> None:
    official = load_emobench(str(OFFICIAL))
    assert Counter(item.task for item in official) == {"EU": 200, "EA": 200}
    assert {item.language for item in official} == {"en"}
    assert len({item.qid for item in official}) == 400


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official test sets are not at hand")
def test_every_official_item_is_there_in_chinese_too() -> None:
    official = load_emobench(str(OFFICIAL), languages=("en", "zh"))
    ids = {language: [item.qid for item in official if item.language == language] for language in ("en", "zh")}
    assert sorted(ids["en"]) == sorted(ids["zh"])
    assert len(official) == 800


@pytest.mark.parametrize("reach", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_an_unreachable_hub_is_told_quickly_with_the_way_out(tmp_path: Path, reach: dict[str, str]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | reach
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", FROM_HUB], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
    )
    assert time.monotonic() - start < 15
    assert done.returncode == 0, done.stderr
    assert "SahandSab/EmoBench cannot be reached" in done.stdout
    assert "--emobench DIR" in done.stdout
    assert len(done.stdout.splitlines()) == 1
