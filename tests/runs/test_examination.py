"""An exam of any model: rows that hold all that is known, orders, protocols, likelihoods, and going on after a kill."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from corpus.errors import DataError, RunError, UsageError
from eval.answers import AnswerRow
from eval.benchmarks import Benchmark, find_benchmark
from eval.benchmarks.official import load_official
from eval.emobench import load_emobench
from eval.predictions import FileScore, read_predictions, score_predictions
from eval.results import MAJORITY, score_exam
from lms.spec import ModelSpec
from runs.examination import Sitting, sit
from runs.holding import hold_folder
from runs.journal import Journal
from tests.conftest import OFFICIAL_PROMPTS, OWN_EMOBENCH
from tests.doubles.ollama import Fault, OllamaDouble
from tests.eval.benchmarks.test_official import OWN_PROMPTS, OWN_RESPONSE
from tests.finetune.checkpoints import make_checkpoint

EA, EU = find_benchmark("emobench-ea"), find_benchmark("emobench-eu")
QUIET = Console(quiet=True)
SOURCES = dict.fromkeys((EA.name, EU.name), str(OWN_EMOBENCH))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("qwen2", tmp_path_factory.mktemp("model") / "qwen2", max_position_embeddings=2048)


def local(checkpoint: Path, **changes: Any) -> Sitting:
    spec = ModelSpec(model=f"transformers/{checkpoint}", temperature=0.0, max_tokens=16, num_ctx=2048)
    return replace(Sitting(spec, (EA, EU), SOURCES), **changes)


def served(double: OllamaDouble, **changes: Any) -> Sitting:
    spec = ModelSpec(model="ollama_chat/qwen3:8b", base_url=double.url, temperature=0.0, max_tokens=64, retries=1)
    return replace(Sitting(spec, (EA,), SOURCES), **changes)


def says(text: str) -> OllamaDouble:
    return OllamaDouble("qwen3:8b", default_ctx=8192, reply=lambda body: text)


def test_a_row_holds_all_that_is_known_of_an_answer(tmp_path: Path) -> None:
    with says('{"answer": "B"}') as double:
        found = sit(served(double, orders=2), tmp_path, QUIET)
    questions, rows = found[EA.name]
    assert len(rows) == 2 * len(questions)
    first = rows[0]
    assert (first.id, first.order, first.sample) == (f"{questions[0].id}/0/0", 0, 0)
    assert (first.raw, first.strict, first.lenient, first.rules) == ('{"answer": "B"}', (1,), (1,), ("json letter",))
    assert first.finish == "stop"
    assert first.output_tokens
    assert first.model == served(double).spec.identity
    assert len({row.prompt for row in rows}) == len(rows), "orders and questions are prompts of their own"
    assert list(Journal(tmp_path / f"{EA.name}.jsonl").rows()) != []
    result = score_exam(EA, questions, rows)
    assert (result.answered, result.failed) == (1, 0)
    assert result.orders is not None
    assert result.baselines["chance"] == 0.25


def test_always_the_same_letter_scores_at_chance_over_all_orders(tmp_path: Path) -> None:
    with says('{"answer": "C"}') as double:
        questions, rows = sit(served(double, orders=4), tmp_path, QUIET)[EA.name]
    result = score_exam(EA, questions, rows)
    assert result.lenient == 0.25
    assert result.orders is not None
    assert result.orders.all_right == 0
    assert result.interval is not None
    assert result.interval[0] < 0.25 < result.interval[1]


def test_what_is_answered_is_not_asked_again(tmp_path: Path) -> None:
    with says('{"answer": "A"}') as double:
        sit(served(double), tmp_path, QUIET)
        asked = len(double.chats())
        file = tmp_path / f"{EA.name}.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[:2]) + lines[2][:20])  # a kill tore the third row
        _, rows = sit(served(double), tmp_path, QUIET)[EA.name]
        assert len(double.chats()) - asked == 2
    assert all(row.raw for row in rows)


def test_a_call_that_fails_is_a_row_with_its_reason_and_is_asked_again(tmp_path: Path) -> None:
    with says('{"answer": "A"}') as double:
        # Nothing is repeated, so that one call fails for good.
        sitting = served(double)
        sitting = replace(sitting, spec=sitting.spec.model_copy(update={"retries": 0, "concurrency": 1}))
        double.faults.append(Fault("status", path="/api/chat", skip=1, status=400, body={"error": "no such thing"}))
        questions, rows = sit(sitting, tmp_path, QUIET)[EA.name]
        failed = [row for row in rows if row.error]
        assert len(failed) == 1
        assert "no such thing" in failed[0].error
        result = score_exam(EA, questions, rows)
        assert result.failed == 1
        assert result.answered <= 0.75
        _, rows = sit(sitting, tmp_path, QUIET)[EA.name]
    assert not any(row.error for row in rows)


def test_rows_of_other_settings_do_not_come_together(checkpoint: Path, tmp_path: Path) -> None:
    sit(local(checkpoint, mode="letter", limit=1), tmp_path, QUIET)
    with pytest.raises(RunError, match=r"other settings \(mode 'letter' → 'text'\); name another with --out"):
        sit(local(checkpoint, mode="text", limit=1), tmp_path, QUIET)


def test_every_key_of_a_model_that_decides_an_answer_is_a_setting() -> None:
    """A key that is new is either told here to decide nothing, or is kept beside the answers."""
    spec = ModelSpec(model="scripted/any", temperature=0.0)
    reach = {"base_url", "api_key_env", "allow_cloud", "keep_alive", "timeout", "retries", "patience", "concurrency"}
    cost = {"prices", "latency"}
    kept = Sitting(spec, (EA,), {}).settings().keys()
    assert ModelSpec.model_fields.keys() - kept == reach | cost


def test_a_student_that_was_tuned_again_is_another(checkpoint: Path, tmp_path: Path) -> None:
    student = tmp_path / "tuned"
    shutil.copytree(checkpoint, student)
    sitting = local(student, mode="letter", benchmarks=(EA,), limit=1)
    before = sit(sitting, tmp_path / "out", QUIET)
    assert sit(sitting, tmp_path / "out", QUIET) == before
    os.utime(student / "model.safetensors", (1, 1))
    with pytest.raises(RunError, match=r"other settings \(weights '\w{12}' → '\w{12}'\)"):
        sit(sitting, tmp_path / "out", QUIET)


def test_a_key_that_has_changed_is_another_question(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(OWN_EMOBENCH, data)
    with says('{"answer": "A"}') as double:
        sitting = served(double, sources={EA.name: str(data)})
        sit(sitting, tmp_path / "out", QUIET)
        rows = [json.loads(line) for line in (data / "EA.jsonl").read_text(encoding="utf-8").splitlines()]
        for row in rows:
            row["label"] = next(choice for choice in row["choices"] if choice != row["label"])
        (data / "EA.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        with pytest.raises(RunError, match=r"answers another question as EA-\d/0/0"):
            sit(sitting, tmp_path / "out", QUIET)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("recipe.yaml", "name: x", "is not empty and holds no exam; name another folder"),
        ("exam.json", "[]", "holds no settings of an exam; name another folder"),
        ("exam.json", "{", "holds no settings of an exam; name another folder"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with says("") as double, pytest.raises(RunError, match=message):
        sit(served(double), tmp_path, QUIET)
    assert {path.name for path in tmp_path.iterdir()} <= {name, ".lock"}


def test_a_row_that_is_none_is_named(tmp_path: Path) -> None:
    with says('{"answer": "A"}') as double:
        sit(served(double), tmp_path, QUIET)
        (tmp_path / f"{EA.name}.jsonl").write_text('{"id": "EA-1/0/0"}\n', encoding="utf-8")
        with pytest.raises(RunError, match=r"emobench-ea\.jsonl: EA-1/0/0 is no row of an exam; remove the line"):
            sit(served(double), tmp_path, QUIET)


def test_two_exams_do_not_share_a_folder(tmp_path: Path) -> None:
    with says("") as double, hold_folder(tmp_path / "out"), pytest.raises(RunError, match="in use by another"):
        sit(served(double), tmp_path / "out", QUIET)


@pytest.mark.parametrize("mode", ["letter", "text"])
def test_likelihoods_answer_every_question(mode: Any, checkpoint: Path, tmp_path: Path) -> None:
    found = sit(local(checkpoint, mode=mode), tmp_path, QUIET)
    for benchmark in (EA, EU):
        questions, rows = found[benchmark.name]
        result = score_exam(benchmark, questions, rows)
        assert result.answered == 1
        assert result.strict == result.lenient
        assert result.rules == {"likelihood": len(rows) * len(questions[0].parts)}


def test_likelihoods_are_of_models_in_this_process_alone(tmp_path: Path) -> None:
    with says("") as double, pytest.raises(UsageError, match="which ollama_chat/qwen3:8b does not give"):
        sit(served(double, mode="letter"), tmp_path, QUIET)


def test_an_answer_that_is_cut_counts_as_it_stands(checkpoint: Path, tmp_path: Path) -> None:
    questions, rows = sit(local(checkpoint), tmp_path, QUIET)[EA.name]
    assert {row.finish for row in rows} == {"length"}
    assert {row.output_tokens for row in rows} == {16}
    assert score_exam(EA, questions, rows).cut == len(rows)


@pytest.mark.skipif(not OFFICIAL_PROMPTS.is_dir(), reason="the official prompt files are not at hand")
def test_the_official_protocol_is_read_officially(tmp_path: Path) -> None:
    official = load_official(OFFICIAL_PROMPTS)
    with says('Sure: {"answer": "B"}') as double:
        sitting = served(double, official=official, protocol="official")
        questions, rows = sit(sitting, tmp_path, QUIET)[EA.name]
        chats = double.chats()
    assert {tuple(message["role"] for message in chat["messages"]) for chat in chats} == {("system", "user")}
    assert {row.strict for row in rows} == {(None,)}, "text around the JSON is no official answer"
    assert {row.lenient for row in rows} == {(1,)}
    assert score_exam(EA, questions, rows).strict == 0


def vote_row(question: str, sample: int, pick: int | None, key: int) -> AnswerRow:
    right = float(pick == key)
    return AnswerRow(
        id=f"{question}/0/{sample}", question=question, order=0, sample=sample, answered=pick is not None,
        strict=(pick,), lenient=(pick,), keys=(key,), rules=("json letter",), points=right, strict_points=right,
    )  # fmt: skip


def test_the_majority_of_the_samples_of_an_order_counts() -> None:
    questions = EA.load(str(OWN_EMOBENCH), limit=2)
    keys = [question.parts[0].key for question in questions]
    wrong = [(key + 1) % 4 for key in keys]
    rows = [vote_row(questions[0].id, n, keys[0] if n < 3 else wrong[0], keys[0]) for n in range(5)]
    rows += [vote_row(questions[1].id, n, keys[1] if n < 2 else wrong[1], keys[1]) for n in range(5)]
    assert score_exam(EA, questions, rows, majority=True).lenient == 0.5
    assert score_exam(EA, questions, rows).lenient == 0.5  # (3/5 + 2/5) / 2
    assert MAJORITY == "original-2024"


def test_a_majority_does_not_hide_what_is_missing_or_cut() -> None:
    (question,) = EA.load(str(OWN_EMOBENCH), limit=1)
    key = question.parts[0].key
    rows = [vote_row(question.id, n, key, key) for n in range(5)]
    rows[1] = rows[1].model_copy(update={"error": "gone", "lenient": (), "strict": (), "rules": ()})
    rows[2] = rows[2].model_copy(update={"finish": "length"})
    result = score_exam(EA, [question], rows, majority=True)
    assert (result.lenient, result.rows, result.failed, result.cut) == (1, 5, 1, 1)
    assert result.rules == {"json letter": 4}


def test_a_source_that_is_none_is_named(checkpoint: Path, tmp_path: Path) -> None:
    sitting = local(checkpoint, sources=dict.fromkeys(SOURCES, str(tmp_path)))
    with pytest.raises(DataError, match=r"EA\.jsonl"):
        sit(sitting, tmp_path / "out", QUIET)


def in_many_forms(benchmark: Benchmark, *forms: str) -> OllamaDouble:
    """Always right; the first question is answered in the first form, and so on."""
    known = {
        question.texts["scenario"]: form % json.dumps({part.field: "ABCDEF"[part.key] for part in question.parts})
        for question, form in zip(benchmark.load(str(OWN_EMOBENCH)), forms, strict=True)
    }

    def reply(body: dict[str, Any]) -> str:
        shown = body["messages"][-1]["content"]
        return next(text for scenario, text in known.items() if scenario in shown)

    return OllamaDouble("qwen3:8b", default_ctx=8192, reply=reply)


def scored(path: Path) -> FileScore:
    (predictions,) = read_predictions(path)
    items = [item for item in load_emobench(str(OWN_EMOBENCH)) if item.task == predictions.task]
    return score_predictions(predictions, items)


@pytest.mark.parametrize(("protocol", "strict"), [("own", 0.75), ("official", 0.5)])
@pytest.mark.parametrize("benchmark", [EA, EU], ids=lambda one: one.name)
def test_the_prediction_file_scores_as_the_exam(
    benchmark: Benchmark, protocol: str, strict: float, tmp_path: Path
) -> None:
    (tmp_path / "prompts.yaml").write_text(OWN_PROMPTS, encoding="utf-8")
    (tmp_path / "response.yaml").write_text(OWN_RESPONSE, encoding="utf-8")
    official = load_official(tmp_path) if protocol == "official" else None
    broken = '{"answer": "\\ud800", "answer_q1": 1, "answer_q2": ["A"]}%.0s'  # no file can hold half a character
    with in_many_forms(benchmark, "%s", "Sure: %s!", "```json\n%s\n```", broken) as double:
        sitting = served(double, benchmarks=(benchmark,), protocol=protocol, official=official)
        questions, rows = sit(sitting, tmp_path / "out", QUIET)[benchmark.name]
    path = tmp_path / "out" / "predictions" / benchmark.name[-2:].upper() / "qwen3-8b.jsonl"
    score, result = scored(path), score_exam(benchmark, questions, rows)
    assert (score.n, score.missing) == (4, 0)
    assert score.strict == result.strict == strict
    assert (score.lenient, score.answered) == ((0.75, 0.75) if protocol == "own" else (0.5, 0.5))


def test_the_published_order_and_the_first_sample_are_the_prediction(tmp_path: Path) -> None:
    with says('{"answer": "B"}') as double:
        spec = served(double).spec.model_copy(update={"temperature": 0.6})
        sit(served(double, spec=spec, orders=4, samples=2), tmp_path, QUIET)
    lines = (tmp_path / "predictions" / "EA" / "qwen3-8b.jsonl").read_text(encoding="utf-8").splitlines()
    items = [item for item in load_emobench(str(OWN_EMOBENCH)) if item.task == "EA"]
    assert [json.loads(line) for line in lines] == [
        {"qid": n, "lang": "en", "category": item.category, "label": "ABCD"[item.choices.index(item.label)],
         "answer": "B"}
        for n, item in enumerate(items, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["letter", "text"])
def test_the_letter_that_is_likeliest_is_the_prediction(mode: Any, checkpoint: Path, tmp_path: Path) -> None:
    found = sit(local(checkpoint, mode=mode), tmp_path, QUIET)
    for benchmark in (EA, EU):
        score = scored(tmp_path / "predictions" / benchmark.name[-2:].upper() / f"{checkpoint.name}.jsonl")
        assert (score.n, score.answered) == (4, 1)
        assert score.strict == score_exam(benchmark, *found[benchmark.name]).strict


def test_a_question_without_an_answer_is_an_empty_prediction(tmp_path: Path) -> None:
    with says('{"answer": "A"}') as double:
        sitting = served(double)
        sitting = replace(sitting, spec=sitting.spec.model_copy(update={"retries": 0, "concurrency": 1}))
        double.faults.append(Fault("status", path="/api/chat", skip=1, status=400, body={"error": "no such thing"}))
        questions, rows = sit(sitting, tmp_path, QUIET)[EA.name]
    score = scored(tmp_path / "predictions" / "EA" / "qwen3-8b.jsonl")
    assert score.rules["empty"] == 1
    assert score.strict == score_exam(EA, questions, rows).strict


def test_rows_of_other_data_do_not_come_together(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("EA.jsonl", "EU.jsonl"):
        (data / name).write_bytes((OWN_EMOBENCH / name).read_bytes())
    with says('{"answer": "A"}') as double:
        sitting = served(double, sources={EA.name: str(data)})
        sit(sitting, tmp_path / "out", QUIET)
        text = (data / "EA.jsonl").read_text(encoding="utf-8")
        (data / "EA.jsonl").write_text(text.replace("Rhona", "Ramona"), encoding="utf-8")
        with pytest.raises(
            RunError, match=r"answers another question as EA-1/0/0: the data or the prompts have changed"
        ):
            sit(sitting, tmp_path / "out", QUIET)


def test_samples_differ_in_their_seed(tmp_path: Path) -> None:
    with says('{"answer": "A"}') as double:
        spec = served(double).spec.model_copy(update={"temperature": 0.6, "seed": 7})
        sit(served(double, spec=spec, samples=3, limit=1), tmp_path, QUIET)
        assert sorted(chat["options"]["seed"] for chat in double.chats()) == [7, 8, 9]
