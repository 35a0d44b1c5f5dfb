"""The whole road on a tiny recipe: every stage really runs, a second run does nothing, a killed training goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from corpus.errors import RunError, TeacherError
from runs.folder import STAGES, read_run
from runs.items import read_items
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from runs.written import read_sessions


def emoreason(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def finished(tiny: str, tmp_path_factory: pytest.TempPathFactory, emobench_dir: Path, worker_id: str) -> Path:
    """A finished tiny run, examined on EmoBench too and in two orders; the processes of a test run share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            partial = tmp_path_factory.mktemp("tiny")
            (partial / "tiny.yaml").write_text(tiny, encoding="utf-8")
            orders = ("--set", "exam.orders=2")
            done = emoreason(
                "run", partial / "tiny.yaml", "--out", partial / "out", "--emobench", emobench_dir, *orders
            )
            assert done.returncode == 0, done.stderr
            assert "report.html" in done.stdout
            partial.rename(folder)
    return folder


def test_every_stage_leaves_what_it_promises(finished: Path) -> None:
    out = finished / "out"
    report = json.loads((out / "report.json").read_text())
    assert report["generate"]["sessions"] == 12
    assert report["generate"]["methods"] == {"mads": 12}
    assert "not therapy" in (out / "data" / "README.md").read_text()
    assert report["curate"]["kept"] == len((out / "data" / "items.jsonl").read_text().splitlines())
    assert sum(report["curate"]["dropped"].values()) == len((out / "data" / "dropped.jsonl").read_text().splitlines())
    assert set(report["seconds"]) == {"generate", "verify", "curate", "train", "exam"}
    keys = {(r["benchmark"], r["task"], r["mode"], r["stage"]) for r in report["exam"]}
    assert len(keys) == len(report["exam"]) == 2 * 2 * 2 * 2
    for row in report["exam"]:
        assert 0 <= row["strict"] <= 1
        assert row["interval"][0] <= row["lenient"] <= row["interval"][1]
    assert len(report["mistakes"]) == len(keys)
    for one in report["mistakes"]:
        row = next(r for r in report["exam"] if all(r[k] == one[k] for k in ("benchmark", "task", "mode", "stage")))
        assert sum(one["outcomes"].values()) == row["n"] == sum(cell["n"] for cell in one["categories"].values())
        assert one["outcomes"]["right"] == round(row["lenient"] * row["n"])
    assert (out / "student" / "tuned" / "model.safetensors").is_file()
    page = (out / "report.html").read_text()
    assert "<svg" in page
    for name in ("held-out synthetic", "EmoBench"):
        assert f'data-benchmark="{name}" data-task="EU"' in page
    assert "12 of 12 sessions" in page
    for name in ("EA", "EU emotion", "EU cause"):
        assert f"<h3>EmoBench, {name}</h3>" in page, "scores of likelihood are kept"


def test_items_keep_emobench_fields_and_parts_share_no_session(finished: Path) -> None:
    run = read_run(finished / "out")
    rows = [json.loads(line) for line in run.items_path.read_text().splitlines()]
    eu = next(row for row in rows if row["task"] == "EU")
    ea = next(row for row in rows if row["task"] == "EA")
    assert {"qid", "language", "coarse_category", "finegrained_category", "scenario", "subject"} <= set(eu)
    assert {"emotion_choices", "emotion_label", "cause_choices", "cause_label"} <= set(eu)
    assert {"qid", "language", "category", "question type", "scenario", "subject", "choices", "label"} <= set(ea)
    assert [row["qid"] for row in rows] == sorted(row["qid"] for row in rows)
    parts = [{item.session for item in read_items(run, part)} for part in ("train", "validation", "heldout")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts)), "a session is in two parts"
    assert sum(1 for _ in read_sessions(run)) == 12


def test_a_second_run_does_nothing_again(finished: Path, emobench_dir: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "out").rglob("*") if path.is_file()}
    again = emoreason("run", finished / "tiny.yaml", "--out", finished / "out", "--emobench", emobench_dir)
    assert again.returncode == 0, again.stderr
    assert [f"{stage}: done before" in again.stdout for stage in STAGES] == [True] * len(STAGES)
    after = {path: path.stat().st_mtime_ns for path in (finished / "out").rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {".lock"}


def test_a_report_that_is_asked_for_alone_is_written_anew(finished: Path, emobench_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(finished / "out", folder)
    page = (folder / "report.html").read_text()
    for named in (
        [folder],
        [finished / "tiny.yaml", "--out", folder, "--set", f"exam.emobench={emobench_dir}"],
    ):
        (folder / "report.html").write_text("an old one")
        done = emoreason("report", *named)
        assert done.returncode == 0, done.stderr
        assert (folder / "report.html").read_text() == page
        assert "percent right" in done.stdout


def test_further_orders_of_the_options_stand_beside_the_published_one(finished: Path) -> None:
    report = json.loads((finished / "out" / "report.json").read_text())
    further = {path.name for path in (finished / "out" / "exam").iterdir() if "order" in path.name}
    assert further == {
        f"{stage}-generate-{name}-order-2.jsonl"
        for stage in ("before", "after")
        for name in ("held-out-synthetic", "emobench")
    }
    keys = [(one["benchmark"], one["task"], one["stage"]) for one in report["orders"]]
    assert len(set(keys)) == len(keys) == 2 * 2 * 2
    written = {
        (row["benchmark"], row["task"], row["stage"]): row for row in report["exam"] if row["mode"] == "generate"
    }
    for key, one in zip(keys, report["orders"], strict=True):
        assert one["score"]["n"] == written[key]["n"]
        assert one["score"]["by_order"][0] == written[key]["lenient"]
        assert len(one["score"]["by_order"]) == 2
    assert 'aria-label="Shares right by order of the options"' in (finished / "out" / "report.html").read_text()


def test_a_killed_exam_goes_on_and_may_ask_in_more_orders(finished: Path, tmp_path: Path, emobench_dir: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    first = {path.name: path.read_bytes() for path in (out / "exam").iterdir()}
    marker = json.loads((out / "stages" / "exam.json").read_text())
    (out / "stages" / "exam.json").unlink()
    killed = out / "exam" / "after-generate-emobench-order-2.jsonl"
    lines = first[killed.name].splitlines(keepends=True)
    killed.write_bytes(b"".join(lines[:-2]) + lines[-2][:20])
    old = out / "exam" / "before-generate-emobench.jsonl"  # its first mark is of a version that kept no picks
    row, *rest = first[old.name].splitlines(keepends=True)
    old.write_bytes(json.dumps(json.loads(row) | {"picks": []}).encode() + b"\n" + b"".join(rest))
    recipe = load_recipe(finished / "tiny.yaml", [f"exam.emobench={emobench_dir}", "exam.orders=3"])
    run_stages(recipe, out, Console(file=StringIO()), ("exam",))
    found = {path.name: path.read_bytes() for path in (out / "exam").iterdir()}
    assert sorted(found[killed.name].splitlines()) == sorted(first[killed.name].splitlines())
    assert found[old.name].splitlines(keepends=True)[1:] == [*rest, row], "asked again"
    others = first.keys() - {killed.name, old.name}
    assert {name: found[name] for name in others} == {name: first[name] for name in others}
    assert len(found) == len(first) + 4
    again = json.loads((out / "stages" / "exam.json").read_text())
    assert again["exam"] == marker["exam"], "all other scores are those of the published order"
    assert [one["score"]["by_order"][:2] for one in again["orders"]] == [
        one["score"]["by_order"] for one in marker["orders"]
    ]


def test_show_reads_a_session_and_an_item(finished: Path) -> None:
    out = finished / "out"
    listing = emoreason("show", out)
    assert "12 sessions" in listing.stdout
    session = emoreason("show", out, "s5-00003")
    assert "THERAPIST" in session.stdout
    item_id = json.loads((out / "data" / "items.jsonl").read_text().splitlines()[0])["qid"]
    item = emoreason("show", out, item_id)
    assert "✓" in item.stdout
    missing = emoreason("show", out, "s5-0000")
    assert missing.returncode == 1
    assert "did you mean s5-0000" in missing.stderr


def test_a_killed_training_goes_on_from_its_checkpoint(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    for stage in ("train", "exam", "report"):
        (out / "stages" / f"{stage}.json").unlink()
    shutil.rmtree(out / "student" / "tuned")
    emobench = str(read_run(out).recipe.exam.emobench)
    command = [sys.executable, "-m", "cli", "run", str(finished / "tiny.yaml"), "--out", str(out)]
    process = subprocess.Popen([*command, "--emobench", emobench], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(out.glob("student/checkpoints/checkpoint-*/trainer_state.json")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (out / "stages" / "train.json").exists()
    done = emoreason("train", finished / "tiny.yaml", "--out", out, "--emobench", emobench)
    assert done.returncode == 2, "train takes no --emobench"
    done = emoreason("train", finished / "tiny.yaml", "--out", out, "--set", f"exam.emobench={emobench}")
    assert done.returncode == 0, done.stderr
    whole = json.loads((finished / "out" / "stages" / "train.json").read_text())
    resumed = json.loads((out / "stages" / "train.json").read_text())
    assert resumed["steps"] == whole["steps"] == 6
    assert dict(resumed["validation_loss"]) == pytest.approx(dict(whole["validation_loss"]), rel=1e-4)
    tuned = "student/tuned/model.safetensors"
    assert (out / tuned).read_bytes() == (finished / "out" / tuned).read_bytes()


def test_a_dead_teacher_stops_the_stage_with_its_address(tiny_recipe: Path, tmp_path: Path) -> None:
    recipe = load_recipe(
        tiny_recipe,
        ["lms.teacher={model: ollama_chat/none, base_url: 'http://127.0.0.1:9', retries: 0}", "generate.concurrency=1"],
    )
    message = r"cannot reach Ollama at http://127.0.0.1:9; is `ollama serve` running\?"
    with pytest.raises(TeacherError, match=message):
        run_stages(recipe, tmp_path / "out", Console(file=StringIO()), ("generate",))


def test_too_few_items_fail_the_stage_and_name_the_floor(tiny_recipe: Path, tmp_path: Path) -> None:
    recipe = load_recipe(tiny_recipe, ["plan.sessions=3", "curate.min_kept=500"])
    with pytest.raises(RunError, match=r"curate.min_kept asks for 500"):
        run_stages(recipe, tmp_path / "out", Console(file=StringIO()), ("generate", "verify", "curate"))
