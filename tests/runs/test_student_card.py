"""The card of a run's student before and after its exam, and what of it reaches the Hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import HfApi
from pydantic import TypeAdapter

from corpus.assemble import assemble_items
from corpus.errors import RunError, UsageError
from corpus.jsonl import write_jsonl
from corpus.records import Draft, Plan
from eval.baselines import measure_baselines
from eval.scores import Mark, Stage, tabulate
from finetune.card import NOT_EXAMINED
from runs.folder import Run, open_run
from runs.items import read_items
from runs.recipe import load_recipe
from runs.student_card import push_student, write_student_card
from tests.runs.hub import TOKEN, serve_hub

PLACE, ADDRESS, KEY = "/home/someone/models", "http://10.1.2.3:11434", "MY_SECRET_KEY"
TRAINED = {"rows": 9, "tokens": 800, "steps": 6, "parameters": 7000, "train_loss": [[1, 3.0], [6, 2.5]],
           "validation_loss": [], "items": 40, "with_items": 0}  # fmt: skip


@pytest.fixture
def run(tiny_recipe: Path, tmp_path: Path, plans: list[Plan], drafts_row: Callable[..., Any]) -> Run:
    """A run whose student is trained by an earlier version, and not examined."""
    overrides = [
        f"lms.teacher={{model: 'transformers/{PLACE}/big'}}",
        f"lms.judge={{model: ollama_chat/q, base_url: '{ADDRESS}', api_key_env: {KEY}}}",
        f"train.base={PLACE}/base",
    ]
    written = [draft for plan in plans[:3] for draft in drafts_row(plan)["drafts"]]
    items = [
        item.model_copy(update={"teacher": f"transformers/{PLACE}/big"})
        for item in assemble_items(TypeAdapter(list[Draft]).validate_python(written), 5)
    ]
    splits = dict(zip((plan.id for plan in plans[:3]), ("train", "validation", "heldout"), strict=True))
    with open_run(tmp_path / "run", load_recipe(tiny_recipe, overrides)) as run:
        rows = [{"split": splits[item.session], **item.model_dump(mode="json", by_alias=True)} for item in items]
        write_jsonl(run.items_path, rows)
        run.finish("train", 1, TRAINED)
        return run


@pytest.fixture
def examined(run: Run) -> Run:
    """The run after an exam in which the student got every held-out item of EA right, and did not before."""
    items = [item for item in read_items(run, "heldout") if item.task == "EA"]

    def marks(right: bool) -> list[Mark]:
        return [Mark(id=i.qid, raw="", answered=True, strict=right, lenient=right, rules=()) for i in items]

    examined: dict[Stage, list[Mark]] = {"before": marks(False), "after": marks(True)}
    rows, comparisons = tabulate(items, examined, "held-out", "generate", measure_baselines(items))
    run.finish("exam", 1, {
        "exam": [row.model_dump(mode="json") for row in rows],
        "comparisons": [comparison.model_dump(mode="json") for comparison in comparisons],
        "notice": f"EmoBench: {PLACE}/data is not there",
    })  # fmt: skip
    return run


def card_of(run: Run, folder: Path) -> str:
    write_student_card(run, folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_before_the_exam_the_card_says_that_there_was_none(run: Run, tmp_path: Path) -> None:
    card = card_of(run, tmp_path / "card")
    assert NOT_EXAMINED in card
    assert "| last training loss | 2.500 |" in card
    assert f"`{hashlib.sha256(run.items_path.read_bytes()).hexdigest()}`" in card
    for split, part in (("train", "train"), ("heldout", "heldout")):
        tasks = [item.task for item in read_items(run, split)]  # type: ignore[arg-type]
        assert f"| {part} | {tasks.count('EU')} | {tasks.count('EA')} |" in card


def test_after_the_exam_it_has_every_row_and_the_verdict(examined: Run, tmp_path: Path) -> None:
    card = card_of(examined, tmp_path / "card")
    assert NOT_EXAMINED not in card
    for student in ("untuned, plain prompt", "tuned"):
        assert f"| held-out, EA generate | {student} |" in card
    verdict = examined.require("exam")["comparisons"][0]["verdict"]
    assert f"| **{verdict}** |" in card
    assert "EmoBench: data is not there." in card


def test_the_card_names_no_place_and_no_key(examined: Run, tmp_path: Path) -> None:
    card = card_of(examined, tmp_path / "card")
    assert not [secret for secret in (PLACE, ADDRESS, KEY, str(tmp_path)) if secret in card]
    recipe = yaml.safe_load(card.partition("```yaml\n")[2].partition("\n```")[0])
    assert recipe["train"]["base"] == "base"
    assert recipe["lms"]["judge"]["model"] == "ollama_chat/q"
    assert "`transformers/big`" in card
    assert "base_model" not in yaml.safe_load(card.split("---\n")[1])


def test_a_base_of_the_hub_is_linked(tiny_recipe: Path, run: Run, tmp_path: Path) -> None:
    run.recipe.train.base = "acme/small"
    assert yaml.safe_load(card_of(run, tmp_path).split("---\n")[1])["base_model"] == "acme/small"


def test_a_push_takes_the_student_with_its_card(examined: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serve_hub() as hub:
        api = HfApi(endpoint=hub.url, token=TOKEN)
        with pytest.raises(RunError, match=r"tuned holds no student; remove .*train\.json and run `emoreason train`"):
            push_student(examined, "acme/student", False, api)
        tuned = examined.student_path / "tuned"
        tuned.mkdir(parents=True)
        (tuned / "config.json").write_text("{}")
        assert push_student(examined, "acme/student", False, api) == f"{hub.url}/acme/student"
        assert set(hub.files) == {"README.md", "config.json"}
        assert b"| held-out, EA generate | tuned |" in hub.files["README.md"]
    with pytest.raises(UsageError, match="write ORG/NAME"):
        push_student(examined, "student", False, api)


def test_a_student_that_is_not_trained_has_no_card(tiny_recipe: Path, tmp_path: Path) -> None:
    with (
        open_run(tmp_path / "run", load_recipe(tiny_recipe)) as run,
        pytest.raises(RunError, match="stage `train` is not done"),
    ):
        write_student_card(run, tmp_path)
