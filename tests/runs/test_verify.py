"""The verify stage and the curate stage after it: what is screened, judged, set aside, and said about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from cli.main import app
from corpus.errors import RunError, TeacherError
from runs.folder import Run, read_run
from runs.items import read_aside, read_items
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from runs.verified import read_judgements, read_screened, read_session_judgements
from runs.written import read_drafts

# Made often enough that some survive the rules, and none is made by the judge's model itself.
CARELESS = {"twin_distractor": 0.3, "absurd_distractor": 0.2, "foreign_fact": 0.2, "contradicts_key": 0.2}
FEW = ("plan.sessions=4",)
Go = Callable[..., tuple[Run, str]]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    """``go(*stages, out=…, overrides…)``: run stages of a small recipe with a careless teacher."""
    folder = tmp_path_factory.mktemp("verify")
    path = folder / "recipe.yaml"
    recipe: dict[str, Any] = {
        "name": "v",
        "seed": 5,
        "lms": {
            "teacher": {"model": "scripted/counsel", "mistakes": CARELESS},
            "judge": {"model": "scripted/judge", "mistakes": {}},
        },
        "plan": {"sessions": 10},
        "exam": {"emobench": None},
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")

    def run(*stages: str, out: str = "out", overrides: tuple[str, ...] = ()) -> tuple[Run, str]:
        console = Console(file=StringIO(), width=400)
        run_stages(load_recipe(path, overrides), folder / out, console, stages)
        assert isinstance(console.file, StringIO)
        return read_run(folder / out), console.file.getvalue()

    return run


@pytest.fixture(scope="module")
def verified(go: Go) -> Run:
    return go("generate", "verify", "curate")[0]


def test_every_draft_is_kept_set_aside_or_dropped_with_a_reason(verified: Run) -> None:
    drafts = {draft.id for draft in read_drafts(verified)}
    kept = {item.qid for item in read_items(verified)}
    rows = [json.loads(line) for line in (verified.path / "data" / "dropped.jsonl").read_text().splitlines()]
    assert kept
    assert drafts == kept | {row["id"] for row in rows}
    assert not kept & {row["id"] for row in rows}
    assert all(row["reason"] and row["step"] in ("rules", "session", "duplicates", "exams", "judge") for row in rows)
    assert Counter(row["reason"] for row in rows) == verified.require("curate")["dropped"]


def test_rules_and_judge_each_find_their_own(verified: Run) -> None:
    screened = Counter(drop.reason for drop in read_screened(verified))
    assert screened["explanation contradicts the key"] > 0
    aside = Counter(placed.reason for placed in read_aside(verified))
    assert aside["judge: foreign_fact"] > 0
    assert aside["judge: twin_distractor"] + aside["ambiguous"] + aside["label disputed"] > 0
    assert not {drop.id for drop in read_screened(verified)} & set(read_judgements(verified)), "a call was wasted"


def test_items_carry_what_the_judge_found(verified: Run) -> None:
    for item in read_items(verified):
        assert item.agreement is not None
        assert item.agreement >= 0.8
        assert item.guessed is not None
    guessed = verified.require("verify")["choices_only"]
    assert sum(row["n"] for row in guessed.values()) == verified.require("verify")["passed"]


def test_the_judges_calls_are_counted_as_its_own(verified: Run) -> None:
    spending = json.loads((verified.path / "manifest.json").read_text())["spending"]
    calls = [json.loads(line) for line in verified.calls_path.read_text().splitlines()]
    judged = [row for row in calls if row["stage"] == "verify"]
    assert {row["model"] for row in judged} == {"scripted/judge"}
    assert len(judged) == spending["verify"]["judge"]["calls"] == verified.require("verify")["spent"]["judge"]["calls"]
    assert {row["model"] for row in calls if row["stage"] == "generate"} == {"scripted/counsel"}


def test_sessions_are_looked_at_by_rule_and_by_the_judge(verified: Run) -> None:
    rows = [json.loads(line) for line in (verified.path / "data" / "sessions.jsonl").read_text().splitlines()]
    judged = read_session_judgements(verified)
    assert len(rows) == verified.require("generate")["sessions"]
    assert {row["id"] for row in rows if row["judge"] is not None} == set(judged)


def test_the_stage_goes_on_where_it_was_and_asks_nothing_twice(verified: Run, go: Go) -> None:
    before = verified.calls_path.read_text()
    for stage in ("verify", "curate"):
        (verified.path / "stages" / f"{stage}.json").unlink()
    items = verified.items_path.read_bytes()
    again, _ = go("verify", "curate")
    assert again.calls_path.read_text() == before
    assert again.items_path.read_bytes() == items


def test_a_run_that_was_compared_with_no_exam_says_so(verified: Run) -> None:
    assert "not compared with any exam set" in (verified.path / "data" / "README.md").read_text()


def test_overlap_with_an_exam_is_dropped_and_shown(verified: Run, go: Go, tmp_path: Path) -> None:
    stolen = next(iter(read_items(verified)))
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"story": stolen.scenario}) + "\nnot json\n", encoding="utf-8")
    files = f"curate.decontaminate.files=[{exam}]"
    again, printed = go("generate", "verify", "curate", out="exam", overrides=(files,))
    assert "exam.jsonl, line 2: not JSON" in printed
    (overlap,) = (json.loads(line) for line in (again.path / "data" / "overlaps.jsonl").read_text().splitlines())
    assert (overlap["id"], overlap["rule"]) == (stolen.qid, "8-gram")
    assert overlap["theirs"]
    assert overlap["ours"]
    assert stolen.qid not in {item.qid for item in read_items(again)}
    card = (again.path / "data" / "README.md").read_text()
    assert "exam.jsonl" in card
    assert "Of all drafts 1 share 13 words in a row with an exam" in card
    assert stolen.scenario not in card, "a card that repeats an exam's words spreads them"


def test_without_a_judge_rules_alone_decide_and_the_card_says_so(go: Go) -> None:
    off = "verify={votes: 0, review: false, choices_only: false, sessions: false}"
    run, printed = go("generate", "verify", "curate", out="off", overrides=(*FEW, off))
    assert not run.journal_path("judgements").read_bytes()
    assert "No judge looked at the items" in (run.path / "data" / "README.md").read_text()
    assert {item.agreement for item in read_items(run)} == {None}
    assert "verify" not in json.loads((run.path / "manifest.json").read_text())["spending"]
    assert "drafts pass the rules" in printed


def test_a_yield_under_the_floor_fails_the_stage_and_leaves_what_there_is(go: Go) -> None:
    with pytest.raises(RunError, match=r"curate\.min_yield asks for 99%.*dropped: \{"):
        go("generate", "verify", "curate", out="floor", overrides=(*FEW, "curate.min_yield=0.99"))
    run, _ = go("curate", out="floor", overrides=(*FEW, "curate.min_yield=0.1"))
    assert list(read_items(run))


def test_sizes_bound_categories(go: Go) -> None:
    run, _ = go("generate", "verify", "curate", out="sizes", overrides=(*FEW, "curate.sizes={EU: 5, EA: 500}"))
    counts = Counter(item.task for item in read_items(run))
    assert counts["EU"] == 5
    curated = run.require("curate")
    assert sum(curated["surplus"].values()) == run.require("verify")["passed"] - sum(counts.values())
    assert sum(curated["short"].values()) == 500 - counts["EA"]


def test_a_judge_that_is_not_there_stops_the_stage_and_keeps_the_sessions(go: Go) -> None:
    judge = "lms.judge={model: ollama_chat/m, base_url: 'http://127.0.0.1:9'}"
    with pytest.raises(TeacherError, match=r"cannot reach Ollama at http://127\.0\.0\.1:9"):
        go("generate", "verify", out="gone", overrides=(judge, "plan.sessions=1"))


def test_funnel_shows_each_step(verified: Run) -> None:
    shown = CliRunner().invoke(app, ["funnel", str(verified.path)], env={"COLUMNS": "160"})
    assert shown.exit_code == 0, shown.output
    for words in ("sessions planned", "drafts written", "passed the rules", "kept by the judge", "judge: foreign_fact"):
        assert words in shown.output
