"""`emoreason exam --lm`, `score`, `compare`, and `leaderboard` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app, main
from corpus.errors import DataError, RunError, TeacherError, UsageError
from eval.emobench import load_emobench
from tests.conftest import OFFICIAL_EMOBENCH, OWN_EMOBENCH
from tests.doubles.ollama import Fault, OllamaDouble
from tests.eval.benchmarks.test_official import OWN_PROMPTS, OWN_RESPONSE
from tests.eval.test_predictions import PUBLISHED, of_task, row_of, write

DATA = ("--data", str(OWN_EMOBENCH))
OLLAMA = ("--lm", "ollama_chat/qwen3:8b")
EA = ("--benchmark", f"emobench-ea={OWN_EMOBENCH}")
EQ_BENCH = ("--benchmark", "eq-bench=eq.json")
published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published predictions are not at hand")


def emoreason(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that is right by half and writes bare letters, and one that is right throughout and does not."""
    folder = tmp_path_factory.mktemp("predictions")
    items = of_task(load_emobench(str(OWN_EMOBENCH)), "EA")
    half = [row_of(item) if place % 2 else row_of(item, "") for place, item in enumerate(items)]
    rows = [row_of(item) for item in items]
    return write(folder / "half.jsonl", *half), write(
        folder / "all.jsonl", *(row | {"answer": f"({row['answer']})"} for row in rows)
    )


def test_scores_stand_side_by_side_with_what_needs_no_understanding(files: tuple[Path, Path]) -> None:
    page = emoreason("score", *files, *DATA).output
    rows = [line.split() for line in page.splitlines()]
    assert ["EA", "en"] in rows
    assert ["half", "4", "50.0%", "50.0%", "15–85", "50.0%", "15–85", "100.0%"] in rows
    assert "without understanding, EA en: chance 25.0%, best constant answer" in page


def test_json_is_an_array_of_objects_with_shares(files: tuple[Path, Path]) -> None:
    first, second = json.loads(emoreason("score", *files, *DATA, "--json").stdout)
    assert first["file"] == str(files[0])
    wanted = {
        "file",
        "task",
        "lang",
        "n",
        "answered",
        "strict",
        "lenient",
        "accuracy_answered",
        "categories",
        "interval",
    }
    assert wanted <= first.keys()
    assert (first["n"], first["answered"], first["strict"], first["accuracy_answered"]) == (4, 0.5, 0.5, 1.0)
    assert (second["strict"], second["lenient"]) == (0, 1)


def test_compare_names_the_form(files: tuple[Path, Path]) -> None:
    (told,) = json.loads(emoreason("compare", *files, *DATA, "--json").stdout)
    assert (told["before"], told["after"]) == ({"strict": 0.5, "lenient": 0.5}, {"strict": 0.0, "lenient": 1.0})
    assert told["is_format_effect"]
    assert told["summary"].startswith("no improvement")
    assert "format effect: -100.0 points" in told["summary"]
    assert told["baselines"]["chance"] == 0.25
    page = emoreason("compare", *files, *DATA).output
    assert "without understanding: chance 25.0%, best constant answer" in page
    assert max(map(len, page.splitlines()[:6])) < 80, "the table fits a terminal"


@published
@pytest.mark.parametrize("task", ["EA", "EU"])
def test_the_papers_gain_is_form(task: str) -> None:
    names = ("Mistral-7B-Instruct-v0_3", "Finetuned-Mistral-7B-Instruct-v0_3")
    pair = [PUBLISHED / task / f"{name}.jsonl" for name in names]
    page = emoreason("compare", *pair, "--data", OFFICIAL_EMOBENCH).output
    assert f"EmoBench {task} en: no improvement" in page
    assert "format effect: +" in page
    assert "80 of 100 such comparisons" in page


def test_a_leaderboard_keeps_the_models_that_it_has(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "EA" / "leaderboard.json"
    for file in files:
        emoreason("leaderboard", file, "--to", tmp_path, *DATA)
    table = json.loads(path.read_text())
    assert list(table) == ["half", "all"]
    assert table["half"]["en"]["Overall"] == 0.5
    path.write_text("[]")
    with pytest.raises(DataError, match="is no leaderboard"):
        emoreason("leaderboard", files[0], "--to", tmp_path, *DATA)
    assert path.read_text() == "[]"


def test_a_leaderboard_that_cannot_be_written_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "EA").mkdir()
    (tmp_path / "EA" / "leaderboard.json.tmp").mkdir()  # where it is written before it takes its place
    with pytest.raises(
        RunError, match=r"leaderboard\.json: cannot be written \(Is a directory\); choose another folder"
    ):
        emoreason("leaderboard", files[0], "--to", tmp_path, *DATA)


def test_two_files_of_one_name_are_no_two_models(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / files[0].name
    other.write_bytes(files[1].read_bytes())
    with pytest.raises(UsageError, match="another file has the same name"):
        emoreason("leaderboard", files[0], other, "--to", tmp_path, *DATA)


def test_what_cannot_be_compared_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one is a folder"):
        emoreason("compare", files[0], tmp_path, *DATA)
    other = write(tmp_path / "eu.jsonl", row_of(of_task(load_emobench(str(OWN_EMOBENCH)), "EU")[0]))
    with pytest.raises(UsageError, match="no task in common"):
        emoreason("compare", files[0], other, *DATA)
    with pytest.raises(DataError, match=r"nowhere\.jsonl: cannot be read \(it is not there\)"):
        emoreason("compare", files[0], tmp_path / "nowhere.jsonl", *DATA)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "exam.json").write_text("{}")
    with pytest.raises(UsageError, match="is an exam of one model; name the files below"):
        emoreason("compare", tmp_path / "one", tmp_path / "one", *DATA)
    with pytest.raises(DataError, match="cannot be read"):
        emoreason("score", tmp_path / "nowhere.jsonl", *DATA)


def rating_item(where: Path) -> None:
    """Write eq.json, one item of our own in the form of EQ-Bench."""
    names = ("Relief", "Worry", "Pride", "Envy")
    reference = {f"emotion{n}": name for n, name in enumerate(names, 1)}
    reference |= {f"emotion{n}_score": str(n) for n in range(1, 5)}
    item = {"prompt": "Rate.\nLevin waits.", "reference_answer_fullscale": reference}
    (where / "eq.json").write_text(json.dumps({"1": item}))


def served(double: OllamaDouble) -> tuple[str, ...]:
    return (*OLLAMA, "--set", f"base_url={double.url}", "--set", "retries=0", "--set", "max_tokens=64")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name a recipe, or a model with --lm"),
        (["r.yaml", *OLLAMA, *EA], 2, "a recipe and --lm exclude each other"),
        (["r.yaml", *EA], 2, "--benchmark goes with --lm"),
        (["r.yaml", "--orders", "4"], 2, "--orders goes with --lm"),
        (["r.yaml", "--json"], 2, "--json goes with --lm"),
        (OLLAMA, 2, "name what to examine on, such as --benchmark emobench-ea"),
        ([*OLLAMA, "--benchmark", "emobench_ea"], 2, "no benchmark 'emobench_ea'; did you mean emobench-ea?"),
        ([*OLLAMA, "--benchmark", "emobench-ea=nowhere"], 1, "nowhere has no EA.jsonl"),
        ([*OLLAMA, "--benchmark", "eq-bench=nowhere.json"], 1, "nowhere.json: cannot be read"),
        ([*OLLAMA, *EQ_BENCH, "--lang", "zh"], 2, "eq-bench is not there in zh; choose en"),
        (["--lm", "qwen3:8b", *EA], 2, "--lm qwen3:8b: String should match pattern"),
        ([*OLLAMA, *EA, "--set", "temperature"], 2, "--set temperature: write KEY=VALUE"),
        ([*OLLAMA, *EA, "--set", "structured=schema"], 2, "--set structured: an exam reads what a model writes of"),
        ([*OLLAMA, *EA, "--set", "=0"], 2, "--set =0: write KEY=VALUE"),
        ([*OLLAMA, *EA, "--benchmark", "emobench-ea=x"], 2, "emobench-ea is named with two sources; name it once"),
        ([*OLLAMA, *EA, "--set", "temprature=1"], 2, "temprature: a model has no such key; did you mean temperature?"),
        ([*OLLAMA, *EA, "--set", "temperature=3"], 2, "--set temperature: Input should be less than or equal to 2"),
        ([*OLLAMA, *EA, "--set", "extra={"], 2, "--set extra={: the value is not YAML"),
        ([*OLLAMA, *EA, "--protocol", "officials"], 2, "'officials' is not one of"),
        ([*OLLAMA, *EA, "--protocol", "official"], 2, "needs the prompts of a checkout of EmoBench: --prompts DIR"),
        ([*OLLAMA, *EA, "--protocol", "official", "--prompts", "nowhere"], 1, "prompts.yaml: cannot be read"),
        ([*OLLAMA, *EA, "--prompts", "nowhere"], 2, "--prompts are those of --protocol official"),
        ([*OLLAMA, *EQ_BENCH, "--protocol", "official", "--prompts", "."], 2, "is that of EmoBench; examine on eq"),
        ([*OLLAMA, *EA, "--mode", "letter"], 2, "compares likelihoods, which ollama_chat/qwen3:8b does not give"),
        (["--lm", "transformers/x", *EQ_BENCH, "--mode", "letter"], 2, "eq-bench has no options whose likelihood"),
        ([*OLLAMA, *EQ_BENCH, "--orders", "4"], 2, "eq-bench has no options that could stand in another order"),
        ([*OLLAMA, *EQ_BENCH, "--protocol", "original-2024"], 2, "which option is picked most, and eq-bench has no"),
        ([*OLLAMA, *EA, "--samples", "5"], 2, "5 samples at temperature 0 are the same answer"),
        ([*OLLAMA, *EA, "--protocol", "original-2024", "--set", "temperature=0"], 2, "5 samples at temperature 0"),
        (["--lm", "transformers/x", *EA, "--mode", "text", "--samples", "2"], 2, "2 samples of a likelihood are"),
        ([*OLLAMA, *EA, "--orders", "0"], 2, "Invalid value for '--orders'"),
        ([*OLLAMA, *EA, "--set", "base_url=http://127.0.0.1:9", "--set", "patience=0"], 1, "cannot reach Ollama at"),
        (["--lm", "transformers/.", *EA, "--mode", "letter"], 1, "model '.' cannot be loaded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_user_gets_wrong_with_any_model_is_one_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rating_item(tmp_path)
    for name in ("prompts.yaml", "response.yaml"):
        (tmp_path / name).write_text(OWN_PROMPTS if name == "prompts.yaml" else OWN_RESPONSE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.argv", ["emoreason", "exam", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == code, printed.err
    assert message in printed.err
    assert "Traceback" not in printed.err
    if printed.err.startswith("error: "):  # what click finds wrong stands in a box
        assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_wrong_command_claims_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        emoreason("exam", *OLLAMA, *EA, "--samples", "5", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_setting_without_meaning_is_told(tmp_path: Path) -> None:
    with OllamaDouble("qwen3:8b", default_ctx=8192, reply=lambda body: '{"answer": "B"}') as double:
        result = emoreason("exam", *served(double), *EA, "--set", "latency=1", "--json", "--out", tmp_path / "out")
    assert result.stderr.startswith("without meaning for ollama_chat/…: latency\n")
    assert json.loads(result.stdout)["results"]


def test_json_of_an_exam_is_all_that_is_printed(tmp_path: Path) -> None:
    with OllamaDouble("qwen3:8b", default_ctx=8192, reply=lambda body: '{"answer": "B"}') as double:
        result = emoreason("exam", *served(double), *EA, "--orders", "4", "--json", "--out", tmp_path / "out")
    told = json.loads(result.stdout)
    (score,) = told["results"]
    assert (score["benchmark"], score["n"], score["rows"], score["answered"]) == ("emobench-ea", 4, 16, 1)
    assert score["strict"] == score["lenient"] == 0.25
    assert told == json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))


def test_an_exam_that_goes_on_prints_the_same_scores(tmp_path: Path) -> None:
    arguments = (*EA, "--out", tmp_path / "out")
    with OllamaDouble("qwen3:8b", default_ctx=8192, reply=lambda body: '{"answer": "B"}') as double:
        pages = [emoreason("exam", *served(double), *arguments).output]
        rows = tmp_path / "out" / "emobench-ea.jsonl"
        first = rows.read_text(encoding="utf-8").splitlines(keepends=True)
        rows.write_text("".join(first[:2]) + first[2][:30], encoding="utf-8")  # killed while a row was written
        pages += [emoreason("exam", *served(double), *arguments).output for _ in range(2)]
        assert len(double.chats()) == 4 + 2
    tables = [page[page.index("emobench-ea, en") :] for page in pages]
    assert tables[0] == tables[1] == tables[2]
    assert "without understanding: chance 25.0%" in tables[0]


def test_what_an_exam_leaves_is_taken_by_the_other_commands(tmp_path: Path) -> None:
    with OllamaDouble("qwen3:8b", default_ctx=8192, reply=lambda body: '{"answer": "B"}') as double:
        told = emoreason("exam", *served(double), *EA, "--json", "--out", tmp_path / "out").stdout
    file = tmp_path / "out" / "predictions" / "EA" / "qwen3-8b.jsonl"
    (score,) = json.loads(emoreason("score", file, *DATA, "--json").stdout)
    assert score["strict"] == json.loads(told)["results"][0]["strict"]
    (pair,) = json.loads(emoreason("compare", file, file, *DATA, "--json").stdout)
    assert pair["summary"].startswith("no improvement")
    emoreason("leaderboard", file, "--to", tmp_path, *DATA)
    table = json.loads((tmp_path / "EA" / "leaderboard.json").read_text(encoding="utf-8"))
    assert table["qwen3-8b"]["en"]["Overall"] == score["strict"]


def test_a_model_that_answers_nothing_has_no_score(tmp_path: Path) -> None:
    with OllamaDouble("qwen3:8b", default_ctx=8192, reply=lambda body: '{"answer": "B"}') as double:
        double.faults.append(Fault("status", path="/api/chat", times=4, status=400, body={"error": "no such thing"}))
        with pytest.raises(TeacherError, match=r"gave no answer to any question of emobench-ea: .*no such thing"):
            emoreason("exam", *served(double), *EA, "--out", tmp_path / "out")
        assert not (tmp_path / "out" / "result.json").exists()
        double.faults.append(Fault("status", path="/api/chat", times=1, status=400, body={"error": "no such thing"}))
        page = emoreason("exam", *served(double), *EA, "--out", tmp_path / "out").output
    assert "1 of 4 questions got no answer, which counts for nothing (" in page
    assert "no such thing); run again to ask them" in page


def test_an_exam_that_is_interrupted_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.examine.sit", interrupt)
    result = emoreason("exam", "--lm", "ollama_chat/x", "--benchmark", "emobench-ea", "--out", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == "stopped; no answer is lost: the same command goes on from here\n"
